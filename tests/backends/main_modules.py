"""What stands for a main module."""

from __future__ import annotations


class MainModule:
    """Stands for a ``__main__`` module."""

    def __init__(self, file: str | None = None, spec: str | None = None) -> None:
        if file is not None:
            self.__file__ = file
        self.__spec__ = None if spec is None else type("Spec", (), {"name": spec})()
