"""Sphinx configuration: `sphinx-build -W -n --keep-going -b html docs OUT`."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphinx.pycode import ModuleAnalyzer

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

sys.path.insert(0, str(Path(__file__).parent))  # for the extension `diagrams`

project = "farside"
author = "The farside authors"
copyright = author  # noqa: A001  that is what Sphinx calls it
release = installed_version("farside")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "diagrams",
]

# News fragments are towncrier's.
exclude_patterns = ["_build", "changelog.d"]

html_theme = "furo"
html_title = f"farside {release}"
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["farside.css"]
html_js_files = ["copy.js"]
html_copy_source = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
# So the same fences are drawn here and by code hosts.
myst_fence_as_directive = ["mermaid"]

default_role = "py:obj"  # what `name` means in a docstring
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [
    (group, "params_style")
    for group in ("What is read", "How far ahead", "Where it runs", "When it fails")
]

# Names in annotations that have no page.
nitpick_ignore_regex = [
    ("py:(class|obj)", r"(.+\.)?(M_co|R|T|T_co|Results)"),
    ("py:(class|obj)", r"(collections\.abc|multiprocessing|types|typing|unittest)\..+"),
    ("py:class", "BaseContext"),  # of multiprocessing
    ("py:(class|obj)", r"(concurrent\.futures\.(.+\.)?)?(Executor|Future|BrokenExecutor)"),
    ("py:obj", r"pickle\.PickleBuffer"),
    ("py:class", "DTypeLike|NDArray"),  # of numpy.typing
    ("py:class", "Arena"),  # the memory that a link shares; nothing that is documented uses it
]


def resolve_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Node | None:
    """Find what a docstring calls by its bare name, in whatever module that is documented.

    A name in small letters that is not found is that of an argument or a module. On the pages about
    what is inside, docstrings name private classes, which have no page.
    """
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    domain: Any = env.domains["py"]
    found = [name for name in domain.objects if name.endswith(f".{target}")]
    if found:
        best = min(found, key=lambda name: ("._" in name, len(name)))
        link: nodes.Node | None = domain.resolve_xref(
            env, node["refdoc"], app.builder, "obj", best, node, content
        )
        return link
    small = node["reftype"] == "obj" and target.islower()
    inside = node["refdoc"] in {"explain/protocol", "reference/backends"}
    private = node["reftype"] in {"class", "exc", "obj"} and inside
    return content if small or private else None


def forget_overloads(_app: Sphinx) -> None:
    """Let the signature at run time be shown, which lists all options; overloads do not."""
    for module in ("farside.api", "farside._parent.executors.executor"):
        analyzer = ModuleAnalyzer.for_module(module)
        analyzer.analyze()
        analyzer.overloads.clear()


_prose: dict[str, list[str]] = {}


def keep_prose(
    _app: Sphinx, what: str, name: str, _obj: object, _options: object, lines: list[str]
) -> None:
    """Keep the text of an attribute: Napoleon takes what comes before a colon for a type."""
    if what in {"attribute", "property"}:
        _prose[name] = lines.copy()


def restore_prose(
    _app: Sphinx, _what: str, name: str, _obj: object, _options: object, lines: list[str]
) -> None:
    """Undo what Napoleon did to the text of an attribute."""
    lines[:] = _prose.pop(name, lines)


def add_unreleased(_app: Sphinx, docname: str, content: list[str]) -> None:
    """Put the news that no release has told yet into the page of the changelog."""
    if docname == "changelog":
        command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "Unreleased"]
        done = subprocess.run(
            command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
        )
        news = re.sub(r"## Unreleased .*", "## Unreleased", done.stdout)  # it has no date yet
        if "No significant changes" in news:
            news = ""
        content[0] = content[0].replace("<!-- unreleased -->", news)


def setup(app: Sphinx) -> None:
    """Register what is defined here."""
    app.connect("builder-inited", forget_overloads)
    app.connect("source-read", add_unreleased)
    app.connect("missing-reference", resolve_name)
    app.connect("autodoc-process-docstring", keep_prose, priority=400)
    app.connect("autodoc-process-docstring", restore_prose, priority=600)
