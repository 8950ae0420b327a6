"""Jobs that log and warn. `logging` is imported by user code, in the worker."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kinds import Kind

NAME = "tests.forwarded"
LATE = "tests.late"


def log(text: str, *args: object, level: int = 30, **extra: object) -> None:
    import logging

    logging.getLogger(NAME).log(level, text, *args, extra=extra)


def be_patient() -> None:
    """Let the listener interrupt nothing, however slow this machine is in cleaning up."""
    from farside._worker import listener

    listener._PATIENCE = (60,)  # type: ignore[assignment]


class OddWarning(UserWarning):
    """Its constructor takes other arguments, and it is known in parent and worker."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Stages:
    """Logs wherever user code runs."""

    def __init__(self) -> None:
        log("in fn")

    def __iter__(self) -> Iterator[int]:
        log("in iter")
        return self._items()

    def _items(self) -> Iterator[int]:
        try:
            for number in range(2):
                log("before %d", number)
                yield number
            log("at the end")
        finally:
            log("in finally")


class LeftWithWords:
    """Logs when its iterator is closed, and when it dies itself."""

    def __iter__(self) -> Iterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            log("in finally")

    def __del__(self) -> None:
        log("in __del__")


def left_with_words(_: int) -> LeftWithWords:
    """Return it, for a shard."""
    return LeftWithWords()


class FailsWithWords:
    def __iter__(self) -> Iterator[int]:
        yield 0
        for number in range(100):
            log("record %d", number)
        try:
            raise ValueError("in the worker")
        finally:
            log("after the error")


class Floods:
    def __init__(self, count: int, level: int = 30) -> None:
        self.count = count
        self.level = level

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            log("record %d", number, level=self.level)
        yield self.count


def in_threads(count: int, each: int) -> Iterator[int]:
    def work(name: int) -> None:
        for number in range(each):
            log("%d %d", name, number)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    yield count


def log_much_in_thread(done: str) -> None:
    def work() -> None:
        for number in range(800):
            log("%d %s", number, "." * 500)  # more than a pipe holds

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    with open(done, "w"):
        pass


class Unpicklable:
    def __reduce__(self) -> Any:
        raise TypeError("refuses to pickle")

    def __repr__(self) -> str:
        return "<as text>"


class LoadsNowhere:
    def __reduce__(self) -> Any:
        return _refuse, ()


def _refuse() -> None:
    if threading.current_thread() is threading.main_thread():
        raise OSError("refuses to load")


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def with_extras() -> Iterator[int]:
    log("plain", number=7, table={"a": [1]}, held=Unpicklable(), stuck=LoadsNowhere())
    log("%s", Hostile())
    log("one %s too %s few", 1)
    log("huge " + "x" * 2_000_000)
    try:
        raise KeyError("inner")
    except KeyError:
        import logging

        logging.getLogger(NAME).exception("failed", stack_info=True)
    yield 0


def warn_in_all_ways() -> Iterator[int]:
    warnings.simplefilter("always")
    warnings.warn("plain", stacklevel=1)
    warnings.warn(OddWarning(7, "odd"), stacklevel=1)

    class LocalWarning(OddWarning):
        pass

    warnings.warn(LocalWarning(7, "local"), stacklevel=1)
    warnings.warn_explicit("explicit", DeprecationWarning, "some_file.py", 12)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("caught in the worker", stacklevel=1)
    assert len(caught) == 1
    yield 0


def warn_once() -> Iterator[int]:
    for number in range(3):
        warnings.warn("the same", stacklevel=1)
        yield number


def kill_after_logging(count: int) -> Iterator[int]:
    yield 0
    for number in range(count):
        log("record %d", number)
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def own_handlers(path: str) -> None:
    import logging

    logging.basicConfig(filename=path, level=logging.INFO, format="%(message)s")


def silence_propagation() -> None:
    import logging

    logging.getLogger(NAME).propagate = False
    logging.getLogger(NAME).addHandler(logging.NullHandler())


def handlers_there() -> Iterator[Any]:
    import logging

    log("seen")
    yield [type(handler).__name__ for handler in logging.root.handlers]
    yield logging.getLogger(NAME).getEffectiveLevel(), logging.getLogger("other").disabled


def log_late() -> Iterator[int]:
    """Make a logger of a class of its own, as a library does that is imported late."""
    import logging

    plain = logging.getLoggerClass()
    logging.setLoggerClass(type("Own", (plain,), {}))
    late = logging.getLogger(LATE)
    logging.setLoggerClass(plain)
    late.debug("detail")
    logging.getLogger(f"{LATE}.below").debug("below")
    yield 0


def without_a_logger() -> Iterator[Any]:
    """Log as small programs do; tell how many handlers the root logger has, and then others."""
    import logging

    logging.warning("of the root logger")  # noqa: LOG015
    yield len(logging.root.handlers)
    logging.basicConfig()
    yield len(logging.root.handlers)


def log_aside(path: str) -> Iterator[int]:
    """Log with a logger that is no child of the root logger."""
    import logging

    alone = logging.Logger(NAME)  # noqa: LOG001
    alone.addHandler(logging.FileHandler(path))
    alone.warning("aside")
    log("seen")
    yield 0


def modules_there() -> Iterator[bool]:
    def has_finder() -> bool:
        return any(getattr(finder, "module", "") == "logging" for finder in sys.meta_path)

    yield "logging" in sys.modules
    yield has_finder()
    import logging

    yield type(logging.__loader__).__module__.startswith("farside")
    yield has_finder()


def nested(kind: Kind) -> Iterator[Any]:
    """Iterate in a worker of the worker."""
    log("outer")
    with kind.start(partial(in_threads, 1, 1)) as inner:
        yield list(inner)
    with kind.start(warn_once) as inner:
        yield list(inner)


class Busy:
    """Its thread logs more than fits anywhere, and tells how long it took; a file says when."""

    def __init__(self, count: int, size: int, path: str = os.devnull) -> None:
        self.path = path
        self.begun, self.done = threading.Event(), threading.Event()
        self.seconds = 0.0
        threading.Thread(target=self._run, args=(count, size)).start()
        self.begun.wait()

    def _run(self, count: int, size: int) -> None:
        begun = time.monotonic()
        for number in range(count):
            log("%d " + "x" * size, number)
            self.begun.set()
        self.seconds = time.monotonic() - begun
        with open(self.path, "w"):
            pass
        self.done.set()

    def __iter__(self) -> Iterator[Any]:
        yield self.done.wait(20), self.seconds


class LogsSlowly:
    """Logs again and again, and never yields."""

    def __iter__(self) -> Iterator[int]:
        while True:
            log("still here")
            time.sleep(0.05)
        yield 0


def fork_and_log() -> Iterator[int]:
    """Log in a forked child of the worker."""
    log("before the fork")
    pid = os.fork()
    if not pid:
        os.close(2)
        log("in the child")
        os._exit(0)
    os.waitpid(pid, 0)
    log("after the fork")
    yield 0
