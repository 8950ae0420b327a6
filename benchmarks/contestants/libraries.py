"""Modules whose import is timed."""

from __future__ import annotations

from .base import Contestant


class Library(Contestant):
    """A statement that imports what its users import."""

    offers = frozenset({"import"})

    def __init__(self, name: str, module: str, library: str = "", group: str = "peer") -> None:
        self.name = f"import-{name}"
        self.module = module
        self.library = library
        self.group = group
        self.distribution = "spdl-core" if name == "spdl" else ""


CONTESTANTS: tuple[Contestant, ...] = (
    Library("farside", "farside", "farside", "farside"),
    Library("spdl", "spdl.pipeline", "spdl"),
    Library("multiprocessing", "multiprocessing.pool"),
    Library("concurrent.futures", "concurrent.futures.process"),
    Library("torch", "torch.utils.data", "torch"),
    Library("joblib", "joblib", "joblib"),
)
