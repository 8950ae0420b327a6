"""Reads what the kernel tells of a process until it is reaped: the fields of proc_pid_stat(5)."""

from __future__ import annotations

import signal

_PF_EXITING = 0x4  # among its flags; include/linux/sched.h names them


def is_stopped(pid: int) -> bool:
    try:
        return fields(pid)[0] in b"Tt"
    except OSError:
        return False


def is_ending(pid: int) -> bool:
    """Tell whether a process is about to end, or has ended, as far as the kernel says.

    The process closes its descriptors a moment before its parent can learn of its end. On a busy
    machine, that moment may be long.
    """
    try:
        return bool(int(fields(pid)[6]) & _PF_EXITING)
    except OSError:
        return False


def fields(pid: int) -> list[bytes]:
    """Return the fields of a process from its state on."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def signal_name(number: int) -> str:
    """Return the name of the signal that has ended a process, such as ``"SIGKILL"``."""
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have none
        return f"signal {number}"
