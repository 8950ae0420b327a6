"""Classes of records, which both sides import."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  pydantic asks for it when it runs

import msgspec
import pydantic


class Sample(msgspec.Struct):  # type: ignore[misc]  # of type Any
    """A struct of msgspec."""

    id: int
    tags: list[str]


class Model(pydantic.BaseModel):  # type: ignore[misc]  # of type Any
    """A model of pydantic."""

    id: int
    when: dt.datetime
    scores: list[float]
