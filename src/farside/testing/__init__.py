"""For tests and for debugging: a recorder, a check of iterables, and tests for backends and links.

`record` records the messages between parents and workers. `check_replay` checks whether an iterable
can be resumed and restarted. `BackendContract`, `ConcurrentBackendContract` and `LinkContract` are
suites of tests for those who write a backend or a link. To run an iterable in the calling thread,
where a debugger and coverage see it, pass ``backend="inline"`` to `iterate_in_worker`; nothing of
this package is needed for that.

The suites use nothing but the standard library; pytest and unittest both find their methods. With
pytest, put ``pytest.register_assert_rewrite("farside.testing")`` into ``conftest.py``, so that a
failed assertion shows its values.
"""

from __future__ import annotations

TYPE_CHECKING: bool = False  # annotated, as in `farside`
if TYPE_CHECKING:
    from .backend_contract import BackendContract as BackendContract
    from .concurrent_contract import ConcurrentBackendContract as ConcurrentBackendContract
    from .link_contract import LinkContract as LinkContract
    from .link_pair import LinkPair as LinkPair
    from .recorder import Record as Record
    from .recorder import Recording as Recording
    from .recorder import record as record
    from .replay import check_replay as check_replay

_HOMES = {
    "BackendContract": ".backend_contract",
    "LinkContract": ".link_contract",
    "LinkPair": ".link_pair",
    "ConcurrentBackendContract": ".concurrent_contract",
    "Record": ".recorder",
    "Recording": ".recorder",
    "check_replay": ".replay",
    "record": ".recorder",
}

# Written out, as in `farside`.
__all__ = [
    "BackendContract", "ConcurrentBackendContract", "LinkContract", "LinkPair", "Record",
    "Recording", "check_replay", "record",
]  # fmt: skip


def _find(name: str) -> object:
    # A worker whose function is in `jobs` imports this module too, so it imports nothing early.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


if not TYPE_CHECKING:  # as in `farside`
    __getattr__ = _find


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
