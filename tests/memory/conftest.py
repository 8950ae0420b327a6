"""Memory that is shared, of each kind that there is."""

import errno
import os
from collections.abc import Iterator

import pytest

from farside._memory.creating import create
from farside._system.descriptors import Descriptor

ARENA = 1 << 20


@pytest.fixture(params=["memfd", "no memfd", "memfd refused"])
def shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Descriptor]:
    def refuse(_name: str, _flags: int) -> int:
        raise PermissionError(errno.EACCES, "refused by a policy")

    if request.param == "no memfd":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    elif request.param == "memfd refused":
        monkeypatch.setattr(os, "memfd_create", refuse, raising=False)
        monkeypatch.setattr(os, "MFD_CLOEXEC", 1, raising=False)
        monkeypatch.setattr(os, "MFD_ALLOW_SEALING", 2, raising=False)
    elif not hasattr(os, "memfd_create"):
        pytest.skip("this system has no memfd")
    made = create(ARENA)[0]
    assert os.readlink(f"/proc/self/fd/{made.fileno()}").startswith("/memfd:") == (
        request.param == "memfd"
    )
    yield made
    made.close()
