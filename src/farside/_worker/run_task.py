"""What a worker of an executor does for each task."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def run_task(task: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]) -> Any:
    """Call what was submitted."""
    fn, args, kwargs = task
    return fn(*args, **kwargs)


def run_task_with(
    made: Any, task: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
) -> Any:
    """Call what was submitted, with what `setup` has made before its own arguments."""
    fn, args, kwargs = task
    return fn(made, *args, **kwargs)


class Chunk:
    """Calls a function several times."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self._fn = fn

    def __call__(self, *given: Any) -> list[Any]:
        """Return the results for the arguments in the last of what is given."""
        *made, calls = given
        return [self._fn(*made, *args) for args in calls]
