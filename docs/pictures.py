"""Where the pictures of the Mermaid diagrams are; knows neither Sphinx nor a browser."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

DOCS = Path(__file__).resolve().parent
PICTURES = DOCS / "_diagrams"

_FENCE = re.compile(r"^```mermaid\n(?P<source>.*?)^```$", re.DOTALL | re.MULTILINE)


def sources() -> list[str]:
    """Return the source of every diagram in the documentation."""
    pages = sorted(DOCS.rglob("*.md"))
    return [match["source"] for page in pages for match in _FENCE.finditer(page.read_text("utf-8"))]


def picture_of(source: str) -> Path:
    """Return where the picture of a diagram is, or belongs."""
    return PICTURES / f"d{sha256(source.strip().encode()).hexdigest()[:12]}.svg"
