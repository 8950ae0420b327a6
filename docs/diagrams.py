"""A Sphinx extension: show Mermaid diagrams as pictures that were drawn before.

The site then needs neither a network nor a script of five megabytes, and diagrams can be printed.
A picture is found by a digest of its source, so one that is out of date cannot be shown: the build
warns instead. `render_diagrams.py` draws them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docutils import nodes
from pictures import picture_of
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class Diagram(SphinxDirective):
    """The fence ``mermaid``, which code hosts draw by themselves."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Put the picture into the page."""
        path = picture_of("\n".join(self.content))
        if not path.exists():
            warning = self.state.document.reporter.warning(
                "a diagram has no picture, or has changed since it was drawn; run: "
                "python docs/render_diagrams.py",
                line=self.lineno,
            )
            return [warning]
        self.env.note_dependency(str(path))
        picture = path.read_text("utf-8")
        html = f'<div class="diagram" tabindex="0">{picture}</div>'
        return [nodes.raw("", html, format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("mermaid", Diagram)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
