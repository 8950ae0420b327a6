"""Which backend the workers of a client have, and what else takes over before one is started."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .._backends import registry
from .._backends.callables import SharedByProcessesError
from ..errors import BackendFallbackWarning, FarsideWarning
from .notes import logger, warn

if TYPE_CHECKING:
    from .._backends.base import Worker
    from .client import Client
    from .member import Member
    from .options import Options


def choose(client: Client) -> None:
    """Choose the backend. BackendUnavailableError: none can be used that the user allows."""
    options = client.options
    process = None if options.mp_context is None else "mp_context"
    if any(each.options.env is not None for each in client.members):
        process = "env"
    choice = registry.choose(
        options.backend,
        options.fallback,
        process=process,
        backend_options=options.backend_options,
    )
    client.reason = choice.reason
    for member in client.members:
        member.backend = choice.name
    if choice.warning:
        warn(choice.warning, FarsideWarning)
    if options.backend not in {choice.name, "auto"}:
        tell_of_fallback(client, choice.name)


def launch(client: Client, member: Member, options: Options) -> Worker:
    """Start a worker of the member's backend, or a process if only that can be given ``fn``."""
    try:
        return registry.launch(member.backend, options)
    except SharedByProcessesError as error:
        if options.fallback is None:
            raise
        member.backend, reason = options.fallback, error.reason
    if client.reason != reason:  # the first of them
        client.reason = reason
        client.news.waiting.append(partial(tell_of_fallback, client, member.backend))
    return registry.launch(member.backend, options)


def tell_of_fallback(client: Client, backend: str) -> None:
    """Warn of a worker of another kind, if the user has asked for a kind; else log it."""
    message = f"a {backend} runs the iterable, since {client.reason}"
    if client.options.backend != "auto":
        warn(message, BackendFallbackWarning)
    else:
        logger().info(message)
