"""Parses the arguments of the command line, runs the command, and decides on the exit code."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout, suppress
from functools import partial
from importlib import import_module
from typing import Any, NoReturn

from .._system.standard import fill_standard
from . import CommandError

FINE, FINDING, USAGE, INTERRUPTED = 0, 1, 2, 130  # exit codes: see `_EPILOG`; 130 is for Ctrl-C

_EPILOG = """\
exit codes: 0 all is well, 1 something was found that will not work, 2 the command is wrong or
cannot be carried out here
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, by default with the arguments of the process; return the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _open_standard()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # tables have characters beyond ASCII
    parser = _parser(as_json="--json" in arguments)
    try:
        code = _run(parser, parser.parse_args(arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        # Nobody reads any more (`| head`), or the disk is full. Without this, Python would try to
        # write once more at the exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return FINDING
        with suppress(OSError):  # standard error may be on the full disk too
            print(f"farside: error: {error}", file=sys.stderr)
        return USAGE
    return code


def _open_standard() -> None:
    """Open the standard streams that the command was started without (`>&-`)."""
    fill_standard()
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", closefd=False))


def _run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    if given.version:
        from .surroundings import installed

        print(f"farside {installed('farside') or 'not installed, imported from a folder'}")
        return FINE
    if given.command is None:
        parser.print_help()
        return FINE
    run = import_module(f".{given.command}", __package__).run
    try:
        with redirect_stdout(io.StringIO()) if given.json else nullcontext():
            found, fine = run(given)
    except CommandError as error:
        text = " ".join(str(error).splitlines())
        print(f"farside {given.command}: error: {text}", file=sys.stderr)
        if given.json:
            _print_json({"error": text})
        return USAGE
    if given.json:
        _print_json(found)
    return FINE if fine else FINDING


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2), flush=True)  # so that an error comes here, not at the exit


class _Parser(argparse.ArgumentParser):
    """Prints an error in the arguments as JSON too, if JSON is asked for."""

    as_json = False

    def error(self, message: str) -> NoReturn:
        if self.as_json:
            _print_json({"error": message})
        super().error(message)


def _parser(*, as_json: bool) -> argparse.ArgumentParser:
    about = "Run an iterable in a worker: what works here, and how fast."
    parser = _Parser(prog="farside", description=about, epilog=_EPILOG)
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    add = partial(commands.add_parser, epilog=_EPILOG)
    for each in (parser, _doctor(add), _check(add), _bench(add)):
        each.as_json = as_json
    return parser


def _doctor(add: Callable[..., _Parser]) -> _Parser:
    doctor = add(
        "doctor",
        help="tell what works here, and whether a factory does",
        description="Tell what works here. With a factory: whether it can be sent to a worker, "
        "what each backend makes of it, how fast it is there, and which one to take.",
    )
    doctor.add_argument(
        "factory",
        nargs="?",
        metavar="MODULE:FACTORY",
        help="what would be passed as fn, such as samples:train or 'samples:Samples(\"x.jsonl\")'; "
        "the module is found from the current folder too",
    )
    _add_common(doctor, seconds=2.0)
    return doctor


def _check(add: Callable[..., _Parser]) -> _Parser:
    check = add(
        "check",
        help="tell whether modules can be loaded in a subinterpreter",
        description="Load modules in subinterpreters, each in a process of its own, and tell which "
        "refuse, crash, or silently do without their extension modules. With --replay: run passes "
        "of an iterable in several workers, and tell whether they are the same.",
    )
    check.add_argument("modules", nargs="*", metavar="MODULE", help="such as numpy or json.decoder")
    check.add_argument(
        "--replay",
        metavar="MODULE:FACTORY",
        help="tell whether an iterable is the same each time, so that it can be resumed",
    )
    _add_common(check)
    return check


def _bench(add: Callable[..., _Parser]) -> _Parser:
    bench = add(
        "bench",
        help="measure the backends on this machine, in some fifteen seconds",
        description="Measure how fast each backend starts, and moves items of several kinds.",
    )
    bench.add_argument("--plot", metavar="FILE.svg", help="write the table as a picture, too")
    _add_common(bench, seconds=1.5)
    return bench


def _add_common(parser: argparse.ArgumentParser, seconds: float | None = None) -> None:
    add = partial(parser.add_argument, type=_seconds, metavar="S")
    if seconds is not None:
        what = "how long each measurement takes (default: %(default)s)"
        add("--seconds", default=seconds, help=what)
    what = "how long each step may take, beside the measurement (default: %(default)s)"
    add("--limit", default=20.0, help=what)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 3600:  # noqa: PLR2004  an hour
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and below 3600")
    return number
