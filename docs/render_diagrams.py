"""Draw the Mermaid diagrams of the documentation into ``docs/_diagrams``.

    python docs/render_diagrams.py

It needs npm and Chromium. Only pictures that are missing are drawn, and those that no page shows
are deleted. Colours are left out: the style sheet gives them, for a light and a dark page.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))

from pictures import PICTURES, picture_of, sources  # noqa: E402  see above

MERMAID = "mermaid@12.3.0"

# Small enough that the longest name of a status is not cut in two: labels are 200 px wide.
_PAGE = """
<meta charset="utf-8">
<body>
<script src="package/dist/mermaid.min.js"></script>
<script>
mermaid.initialize({
    startOnLoad: false, theme: "base", deterministicIds: true, htmlLabels: false,
    fontFamily: "Liberation Sans, Arial, Helvetica, sans-serif",
    themeVariables: {fontSize: "13px"},
    sequence: {actorFontSize: 13, messageFontSize: 13, noteFontSize: 13, mirrorActors: false},
});
(async () => {
    const made = {};
    for (const [name, source] of Object.entries(SOURCES)) {
        made[name] = await mermaid.render(name, source).then(one => one.svg, error => `${error}`);
    }
    document.body.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(made))));
})();
</script>
"""


def main() -> int:
    """Draw what is missing, and delete what is not shown."""
    wanted = {picture_of(source): source for source in sources()}
    PICTURES.mkdir(exist_ok=True)
    for path in PICTURES.glob("*.svg"):
        if path not in wanted:
            path.unlink()
            print(f"deleted {path.name}")
    missing = {path.stem: source for path, source in wanted.items() if not path.exists()}
    for name, picture in _draw(missing).items() if missing else ():
        if not picture.startswith("<svg"):
            print(picture, missing[name], sep="\n")
            return 1
        (PICTURES / f"{name}.svg").write_text(_plain(picture) + "\n", "utf-8")
        print(f"drawn {name}.svg")
    return 0


def _draw(wanted: dict[str, str]) -> dict[str, str]:
    """Let Chromium draw diagrams; what fails comes back as the text of its error."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("Chromium is not found; on Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", MERMAID], cwd=folder, check=True)  # noqa: S607  wherever npm is
        (packed,) = Path(folder).glob("mermaid-*.tgz")
        shutil.unpack_archive(packed, folder)
        page = Path(folder, "page.html")
        page.write_text(
            _PAGE.replace("SOURCES", json.dumps(wanted).replace("<", "\\u003c")), "utf-8"
        )
        command = [
            chromium,
            "--headless",
            "--no-sandbox",  # root needs it
            "--disable-gpu",
            "--disable-background-networking",
            f"--user-data-dir={folder}/profile",
            "--virtual-time-budget=60000",
            "--dump-dom",
            page.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    text = re.search(r"<body>\s*([\w+/=]+)\s*</body>", done.stdout)
    assert text is not None, done.stderr
    pictures: dict[str, str] = json.loads(base64.b64decode(text[1]))
    return pictures


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
    return f'{head} style="--width: {width}px">{rest}'


if __name__ == "__main__":
    sys.exit(main())
