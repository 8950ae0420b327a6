"""Arguments, and what the exit code says."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from .errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

FINE, FINDING, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: all is well; something was found that will not work; the command itself is wrong, or
cannot be carried out here; Ctrl-C."""

_EPILOG = """\
exit codes: 0 all is well, 1 something was found that will not work, 2 the command is wrong or
cannot be carried out here
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code.

    Args:
        arguments: those of the command line; None takes the process's own.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.version:
        from .surroundings import installed

        print(f"farside {installed('farside') or 'not installed, imported from a folder'}")
        return FINE
    if given.command is None:
        parser.print_help()
        return FINE
    try:
        code: int = import_module(f".{given.command}", __package__).run(given)
        sys.stdout.flush()
    except CommandError as error:
        return _tell(given, error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever reads has gone (`| head`); Python would complain once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINDING
    return code


def _tell(given: argparse.Namespace, error: CommandError) -> int:
    print(f"farside {given.command}: error: {error}", file=sys.stderr)
    if given.json:
        from .output import print_json

        print_json({"error": str(error)})
    return USAGE


def _parser() -> argparse.ArgumentParser:
    about = "Run an iterable in a worker: what works here, and how fast."
    parser = argparse.ArgumentParser(prog="farside", description=about, epilog=_EPILOG)
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    doctor = commands.add_parser(
        "doctor",
        help="tell what works here, and whether a factory does",
        description="Tell what works here. With a factory: whether it can be sent to a worker, "
        "what each backend makes of it, how fast it is there, and which one to take.",
        epilog=_EPILOG,
    )
    doctor.add_argument(
        "factory",
        nargs="?",
        metavar="MODULE:FACTORY",
        help="what would be passed as fn, such as samples:train or 'samples:Samples(\"x.jsonl\")'; "
        "the module is found from the current folder too",
    )
    _add_common(doctor, seconds=2.0)
    check = commands.add_parser(
        "check",
        help="tell whether modules can be loaded in a subinterpreter",
        description="Load modules in subinterpreters, each in a process of its own, and tell which "
        "refuse, crash, or silently do without their extension modules. With --replay: run passes "
        "of an iterable in several workers, and tell whether they are the same.",
        epilog=_EPILOG,
    )
    check.add_argument("modules", nargs="*", metavar="MODULE", help="such as numpy or json.decoder")
    check.add_argument(
        "--replay",
        metavar="MODULE:FACTORY",
        help="tell whether an iterable is the same each time, so that it can be resumed",
    )
    _add_common(check)
    bench = commands.add_parser(
        "bench",
        help="measure the backends on this machine, in some fifteen seconds",
        description="Measure how fast each backend starts, and moves items of several kinds.",
        epilog=_EPILOG,
    )
    bench.add_argument("--plot", metavar="FILE.svg", help="write the table as a picture, too")
    _add_common(bench, seconds=1.5)
    return parser


def _add_common(parser: argparse.ArgumentParser, seconds: float | None = None) -> None:
    if seconds is not None:
        parser.add_argument(
            "--seconds",
            type=_seconds,
            default=seconds,
            metavar="S",
            help="how long each measurement takes (default: %(default)s)",
        )
    parser.add_argument(
        "--limit",
        type=_seconds,
        default=20.0,
        metavar="S",
        help="how long each step may take, beside the measurement (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 3600:  # noqa: PLR2004  an hour
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0 and below 3600")
    return number
