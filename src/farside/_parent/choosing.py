"""Chooses the backend of a client's workers, and falls back to another one as they start."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from .._backends import registry
from .._backends.base import Worker
from .._backends.callables import SharedByProcessesError
from .._backends.registry import Choice
from ..errors import BackendFallbackWarning, BackendUnavailableError, FarsideWarning
from .notes import logger, warn
from .options import Options

if TYPE_CHECKING:
    from .client import Client
    from .member import Member


def choose(client: Client) -> None:
    """Choose the backend. Raise BackendUnavailableError if none that is allowed can be used."""
    choice = _choice([member.options for member in client.members])
    client.reason = choice.reason
    for member in client.members:
        member.backend = choice.name
    if not client.news.nobody_catches:
        _warn(choice, client.options)
    elif choice != client.announced:  # it was another one when the executor was made
        client.news.waiting.append(partial(_warn, choice, client.options))


def warn_of_choice(several: Sequence[Options]) -> Choice | None:
    """Warn of the choice for workers that a thread of farside starts later; return the choice."""
    if several[0].backend == "auto":
        return None
    with suppress(BackendUnavailableError):  # their start raises it
        choice = _choice(several)
        _warn(choice, several[0])
        return choice
    return None


def _choice(several: Sequence[Options]) -> Choice:
    first = several[0]
    process = next(filter(None, [each.needs_process for each in several]), None)
    return registry.choose(
        first.backend, first.fallback, process=process, backend_options=first.backend_options
    )


def _warn(choice: Choice, options: Options) -> None:
    if choice.warning:
        warn(choice.warning, FarsideWarning)
    if options.backend not in {choice.name, "auto"}:
        _tell_of_fallback(options, choice.name, choice.reason)


def launch(client: Client, member: Member, options: Options) -> Worker:
    """Start a worker of the member's backend, or a process if only that can be given ``fn``."""
    try:
        return registry.launch(member.backend, options)
    except SharedByProcessesError as error:
        if options.fallback is None:
            raise
        member.backend, reason = options.fallback, error.reason
    take_fallback(client, member, reason)
    return registry.launch(member.backend, options)


def take_fallback(client: Client, member: Member, reason: str) -> None:
    """Record why a worker is of another backend, and let the user be told, if it is news."""
    if client.reason == reason:
        return  # another worker of the group was first
    client.reason = reason
    client.news.waiting.append(partial(_tell_of_fallback, client.options, member.backend, reason))


def _tell_of_fallback(options: Options, backend: str, reason: str) -> None:
    """Warn of a worker of another backend, if the user has asked for one; else log it."""
    message = f"a {backend} runs the iterable, since {reason}"
    if options.backend != "auto":
        warn(message, BackendFallbackWarning)
    else:
        logger().info(message)
