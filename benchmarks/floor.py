"""How long the machine itself takes to wake a thread, and to provide new memory.

``python -m benchmarks.floor --help``. No transport between two workers can be faster than these.
"""

from __future__ import annotations

import argparse
import mmap
import multiprocessing as mp
import os
import socket
import sys
import threading
from contextlib import ExitStack, closing
from importlib import import_module
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from . import machine

if TYPE_CHECKING:
    from collections.abc import Callable

_MB = 1_000_000
_ITEM = 100_000
_WARM_UP = 50

Ends = tuple["Callable[[], object]", "Callable[[], object]"]
"""A function that waits for a byte, and one that sends a byte."""


def _pipes(stack: ExitStack) -> tuple[Ends, Ends]:
    down, up = os.pipe(), os.pipe()
    for end in (*down, *up):
        stack.callback(os.close, end)
    return (
        (lambda: os.read(up[0], 1), lambda: os.write(down[1], b".")),
        (lambda: os.read(down[0], 1), lambda: os.write(up[1], b".")),
    )


def _sockets(stack: ExitStack) -> tuple[Ends, Ends]:
    mine, other = map(stack.enter_context, socket.socketpair())
    return (
        (lambda: mine.recv(1), lambda: mine.send(b".")),
        (lambda: other.recv(1), lambda: other.send(b".")),
    )


def _connections(stack: ExitStack) -> tuple[Ends, Ends]:
    mine, other = map(stack.enter_context, mp.Pipe())
    return (
        (mine.recv_bytes, lambda: mine.send_bytes(b".")),
        (other.recv_bytes, lambda: other.send_bytes(b".")),
    )


WAYS: dict[str, Callable[[ExitStack], tuple[Ends, Ends]]] = {
    "pipe": _pipes,
    "socketpair": _sockets,
    "Connection": _connections,
}


def between_processes(make: Callable[[ExitStack], tuple[Ends, Ends]], number: int) -> float:
    """Return the median time of a byte there and back, to another process."""
    with ExitStack() as stack:
        (wait, send), (wait_there, send_there) = make(stack)
        child = os.fork()
        if not child:
            _echo(wait_there, send_there, number)
            os._exit(0)
        try:
            return _round_trips(wait, send, number)
        finally:
            os.waitpid(child, 0)


def between_interpreters(number: int) -> float | None:
    """Return the same through queues of `concurrent.interpreters`, where this Python has them."""
    if sys.version_info < (3, 14):
        return None
    interpreters: Any = import_module("concurrent.interpreters")  # mypy looks for 3.10's modules
    down, up = interpreters.create_queue(), interpreters.create_queue()
    code = f"for _ in range({_WARM_UP + number}):\n    down.get()\n    up.put(b'.')"
    with closing(interpreters.create()) as other:
        other.prepare_main(down=down, up=up)
        thread = threading.Thread(target=other.exec, args=(code,))
        thread.start()
        found = _round_trips(up.get, lambda: down.put(b"."), number)
        thread.join()
    return found


def _echo(wait: Callable[[], object], send: Callable[[], object], number: int) -> None:
    for _ in range(_WARM_UP + number):
        wait()
        send()


def _round_trips(wait: Callable[[], object], send: Callable[[], object], number: int) -> float:
    times = []
    for _ in range(_WARM_UP + number):
        begun = perf_counter()
        send()
        wait()
        times.append(perf_counter() - begun)
    return median(times[_WARM_UP:])


def new_memory(nbytes: int, *, shared: bool) -> float:
    """Return how many bytes a second are written into memory that is new."""
    item = bytes(_ITEM)
    with mmap.mmap(-1, nbytes, mmap.MAP_SHARED if shared else mmap.MAP_PRIVATE) as memory:
        begun = perf_counter()
        for place in range(0, nbytes - _ITEM + 1, _ITEM):
            memory[place : place + _ITEM] = item
        return nbytes / (perf_counter() - begun)


def new_objects(nbytes: int) -> float:
    """Return how many bytes a second a list of new objects of 100 kB grows."""
    item = bytes(_ITEM)
    begun = perf_counter()
    kept = [bytearray(item) for _ in range(nbytes // _ITEM)]
    spent = perf_counter() - begun
    return len(kept) * _ITEM / spent


def main(arguments: list[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor", description=__doc__)
    parser.add_argument("--number", type=int, default=5000, help="round trips (%(default)s)")
    parser.add_argument("--megabytes", type=int, default=1000, help="new memory (%(default)s)")
    options = parser.parse_args(arguments)
    print(machine.line(), end="\n\n")
    for name, make in WAYS.items():
        spent = between_processes(make, options.number)
        print(f"{name:32}{1e6 * spent:10.1f} µs there and back, to another process", flush=True)
    spent_in_queue = between_interpreters(max(10, options.number // 50))
    if spent_in_queue is not None:
        told = f"{1e6 * spent_in_queue:10.1f} µs there and back, to another interpreter"
        print(f"{'interpreters.Queue':32}{told}")
    nbytes = options.megabytes * _MB
    for name, rate in (
        ("shared memory that is new", new_memory(nbytes, shared=True)),
        ("other memory that is new", new_memory(nbytes, shared=False)),
        ("a list of new 100 kB objects", new_objects(nbytes)),
    ):
        print(f"{name:32}{rate / 1e9:10.2f} GB/s", flush=True)


if __name__ == "__main__":
    main()
