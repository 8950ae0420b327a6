"""Where the main script is, also after it has ended.

Python takes ``__file__`` off the main module as soon as the script has been run. But threads of the
program, an executor's among them, may go on and start workers, and these need it.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_seen: tuple[ModuleType, str] | None = None


def main_file() -> str | None:
    """Return ``__main__.__file__``, also after the script, if it was called before its end."""
    global _seen  # noqa: PLW0603  there is one main module
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if file is not None and main is not None:
        _seen = main, file
    elif _seen is not None and _seen[0] is main and not sys.flags.inspect:  # else: a session
        return _seen[1]
    return file
