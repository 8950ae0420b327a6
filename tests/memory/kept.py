"""An object of the user's whose finalizer keeps a view of farside's memory."""

from typing import ClassVar


class Kept:
    """Is in a cycle, and keeps its view when it is collected."""

    saved: ClassVar[list[memoryview]] = []

    def __init__(self, view: memoryview) -> None:
        self.view, self.me = view, self

    def __del__(self) -> None:
        self.saved.append(self.view)
