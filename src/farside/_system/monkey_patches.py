"""Finds out what gevent or eventlet has replaced: threads, sockets, and so on."""

from __future__ import annotations

import sys


def patched(what: str) -> str | None:
    """Tell whether gevent or eventlet has replaced ``"thread"``, ``"socket"``, and so on."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("_thread" if what == "thread" else what):
        return "gevent"
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and patcher.is_monkey_patched(what):
        return "eventlet"
    return None


def in_the_way(*, of_threads: bool = False) -> str | None:
    """Say which modules eventlet has replaced that a wait for a worker needs; None: none of them.

    eventlet removes `select.poll`, and lets other threads run in the middle of an `os.write`. With
    `of_threads`, a thread of farside's waits too, and would never let the others run.
    """
    needed = ("select", "os", "thread") if of_threads else ("select", "os")
    replaced = [name for name in needed if patched(name) == "eventlet"]
    if not replaced:
        return None
    kept = ", ".join(f"{name}=False" for name in needed)
    return f"eventlet has replaced {' and '.join(replaced)}; use eventlet.monkey_patch({kept})"


def check_threads() -> None:
    """Raise RuntimeError if threads are coroutines, which run only when the others let them."""
    library = patched("thread")
    if library is not None:
        raise RuntimeError(
            f"{library} has replaced the threads of the worker before it began, and a worker "
            f"cannot do without; let {library} patch only below if __name__ == '__main__':, or "
            "in fn"
        )
