"""What gevent or eventlet has put in the place of threads, `select` and sockets."""

from __future__ import annotations

import sys


def patched(what: str) -> str | None:
    """Tell whether gevent or eventlet has replaced ``"thread"``, ``"select"`` or ``"socket"``."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("_thread" if what == "thread" else what):
        return "gevent"
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and patcher.is_monkey_patched(what):
        return "eventlet"
    return None


def check_threads() -> None:
    """Refuse threads that are coroutines, which run only when the others let them."""
    library = patched("thread")
    if library is not None:
        raise RuntimeError(
            f"{library} has replaced the threads of the worker before it began, and a worker "
            f"cannot do without; let {library} patch only below if __name__ == '__main__':, or "
            "in fn"
        )
