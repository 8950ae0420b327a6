"""What a worker tells of what it holds."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

LIST = """\
import os
for fd in os.listdir("/proc/self/fd"):
    try:
        print(os.readlink("/proc/self/fd/" + fd))
    except OSError:
        pass
"""


def descriptors() -> dict[int, tuple[str, bool]]:
    """Return what is open here but the standard streams, and whether programs inherit it."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            fd = int(name)
            if fd > 2:
                found[fd] = os.readlink(f"/proc/self/fd/{name}"), os.get_inheritable(fd)
        except OSError:  # the one that listed the folder
            continue
    return found


class Reveals:
    """Yields what the worker has, what a program that it starts has, and its command line."""

    def __iter__(self) -> Iterator[Any]:
        yield descriptors()
        done = subprocess.run(
            [sys.executable, "-c", LIST],
            close_fds=False,
            capture_output=True,
            text=True,
            check=True,
        )
        yield done.stdout
        with open("/proc/self/cmdline", "rb") as file:
            yield file.read()
