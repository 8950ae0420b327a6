"""Draw the Mermaid diagrams of the documentation into ``docs/_diagrams``.

    python docs/render_diagrams.py

It needs npm, Chromium with its driver (Debian: ``chromium-driver``) and the package ``selenium``.
Only pictures that are missing are drawn, and those that no page shows are deleted. Colours are left
out: the style sheet gives them, for a light and a dark page.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))

from pictures import PICTURES, picture_of, sources  # noqa: E402  see above

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome

MERMAID = "mermaid@12.3.0"

# Small enough that the longest name of a status is not cut in two: labels are 200 px wide.
_DRAW = """
const [name, source, done] = arguments;
mermaid.initialize({
    startOnLoad: false, theme: "base", deterministicIds: true, htmlLabels: false,
    fontFamily: "Liberation Sans, Arial, Helvetica, sans-serif",
    themeVariables: {fontSize: "13px"},
    sequence: {actorFontSize: 13, messageFontSize: 13, noteFontSize: 13, mirrorActors: false},
});
mermaid.render(name, source).then(made => done(made.svg), error => done("failed: " + error));
"""


def main() -> int:
    """Draw what is missing, and delete what is not shown."""
    wanted = {picture_of(source): source for source in sources()}
    PICTURES.mkdir(exist_ok=True)
    for path in PICTURES.glob("*.svg"):
        if path not in wanted:
            path.unlink()
            print(f"deleted {path.name}")
    missing = [path for path in wanted if not path.exists()]
    if missing:
        with _browser() as browser:
            for path in missing:
                picture = browser.execute_async_script(_DRAW, path.stem, wanted[path])
                if not picture.startswith("<svg"):
                    print(picture, wanted[path], sep="\n")
                    return 1
                path.write_text(_plain(picture) + "\n", "utf-8")
                print(f"drawn {path.name}")
    return 0


def _plain(picture: str) -> str:
    """Leave out the colours, and give it the size that it was drawn in."""
    picture = re.sub(r"<style>.*?</style>", "", picture, flags=re.DOTALL)
    size = re.search(r'viewBox="\S+ \S+ (?P<width>\S+) (?P<height>\S+)"', picture)
    assert size is not None
    width = round(float(size["width"]))
    # Numbers of pixels need no more digits.
    picture = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", picture)
    head, rest = picture.split(">", 1)
    rest = re.sub(r' (data-points|filter)="[^"]*"', "", rest)
    head = re.sub(r' (style|width|height|aria-roledescription)="[^"]*"', "", head)
    return f'{head} style="width: {width}px">{rest}'


@contextmanager
def _browser() -> Iterator[Chrome]:
    """Open a page in which ``mermaid`` is loaded."""
    from selenium import webdriver

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        raise SystemExit("Chromium is not found; on Debian: apt-get install chromium-driver")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", MERMAID], cwd=folder, check=True)  # noqa: S607
        (packed,) = Path(folder).glob("mermaid-*.tgz")
        shutil.unpack_archive(packed, folder, filter="data")
        page = Path(folder, "page.html")
        page.write_text('<meta charset=utf-8><script src="package/dist/mermaid.min.js"></script>')
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for argument in (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            f"--user-data-dir={folder}/profile",
        ):
            options.add_argument(argument)
        browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
        try:
            browser.get(page.as_uri())
            yield browser
        finally:
            browser.quit()


if __name__ == "__main__":
    sys.exit(main())
