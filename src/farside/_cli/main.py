"""Arguments, and what the exit code says."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

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
    given = _parser().parse_args(arguments)
    try:
        code: int = given.run(given)
        sys.stdout.flush()
    except CommandError as error:
        print(f"farside {given.command}: error: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever reads has gone (`| head`); Python would complain once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINDING
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="farside",
        description="Run an iterable in a worker: what works here, and how fast.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action=_Version, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_doctor(commands)
    _add_check(commands)
    _add_bench(commands)
    return parser


class _Version(argparse.Action):
    """Looks the version up when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from .surroundings import installed

        version = installed("farside") or "not installed, imported from a folder"
        print(f"farside {version}")
        parser.exit()


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
        help="what would be passed as fn, such as 'samples:train_samples': a module, found from "
        "the current folder too, and the name of a callable in it that takes no arguments",
    )
    _add_common(doctor, seconds=2.0)
    doctor.set_defaults(run=_run_doctor)


def _add_check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = commands.add_parser(
        "check",
        help="tell whether modules can be loaded in a subinterpreter",
        description="Load modules in subinterpreters, each in a process of its own, and tell which "
        "refuse, crash, or silently do without their extension modules.",
        epilog=_EPILOG,
    )
    check.add_argument("modules", nargs="+", metavar="MODULE", help="such as numpy or json.decoder")
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(run=_run_check)


def _add_bench(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    bench = commands.add_parser(
        "bench",
        help="measure the backends on this machine, in some fifteen seconds",
        description="Measure how fast each backend starts, and moves items of several kinds.",
        epilog=_EPILOG,
    )
    bench.add_argument(
        "--plot", metavar="FILE", help="draw a chart, too: .svg, .png or .pdf (needs farside[plot])"
    )
    _add_common(bench, seconds=1.5)
    bench.set_defaults(run=_run_bench)


def _add_common(parser: argparse.ArgumentParser, seconds: float) -> None:
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=seconds,
        metavar="S",
        help="how long each measurement takes (default: %(default)s)",
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


def _run_doctor(given: argparse.Namespace) -> int:
    from .doctor import run

    return run(given.factory, given.seconds, as_json=given.json)


def _run_check(given: argparse.Namespace) -> int:
    from .check import run

    return run(given.modules, as_json=given.json)


def _run_bench(given: argparse.Namespace) -> int:
    from .bench import run

    return run(given.seconds, given.plot, as_json=given.json)
