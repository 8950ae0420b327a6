"""What type checkers make of ``import *``, and of names that are not there. Nothing here runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import farside
import farside.testing
from farside import *
from farside import nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
from farside.testing import *

if TYPE_CHECKING:
    from typing_extensions import assert_type  # noqa: TC004  nothing here runs


def all_names() -> None:
    assert_type(iterate_in_worker(partial(range, 3)), RemoteIterable[int])
    assert_type(get_worker_info(), WorkerInfo | None)
    assert_type(FarsideError("what").refused_module, str | None)
    with record() as log:
        assert_type(log, Recording)


def misspelt() -> None:
    print(nothing)
    farside.iterate_in_wrker  # type: ignore[attr-defined]  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]
    farside.testing.recrd  # type: ignore[attr-defined]  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]
