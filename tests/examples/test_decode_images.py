"""The example that decodes images by several workers: the whole script, then its parts."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytest.importorskip("PIL", reason="the example needs Pillow")
pytest.importorskip("numpy", reason="the example needs NumPy")

import decode_images
import image_batches
from decode_images import Outcome

_SLOW = Outcome(100, 4.0, 3.0, "d")
_FAST = Outcome(100, 2.0, 0.5, "d")


def test_all_numbers_of_workers_agree(examples_dir: Path, tmp_path: Path) -> None:
    options = ["--images=24", "--batch-size=4", "--workers=1,2", "--step=1", "--no-progress"]
    env = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, str(examples_dir / "decode_images.py"), *options, "--picture=made.svg"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for workers in "12":
        (row,) = re.findall(rf"^{workers} +(.*)$", done.stdout, re.MULTILINE)
        assert re.fullmatch(r"([\d.]+ +){2}\d+% +\d+%", row)
    assert done.stdout.endswith("All gave the same batches in the same order.\n")
    ET.parse(tmp_path / "made.svg")  # noqa: S314  made here


def test_a_batch_is_the_images_of_its_shard(tmp_path: Path) -> None:
    paths = image_batches.make_images(str(tmp_path), 3)
    first, second = image_batches.cut(paths, 2)
    (batch,) = image_batches.read_batch(first)
    (other,) = image_batches.read_batch(second)
    assert batch.shape == (2, image_batches.SIDE, image_batches.SIDE, 3)
    assert len(other) == 1
    assert (batch[0] != batch[1]).any()


def test_the_table_tells_shares() -> None:
    header, slow, fast = decode_images.format_table({1: _SLOW, 4: _FAST}).splitlines()
    assert header.split() == ["workers", "seconds", "images/s", "waited", "busy"]
    assert slow.split() == ["1", "4.00", "25", "75%", "25%"]
    assert fast.split() == ["4", "2.00", "50", "25%", "75%"]


def test_bars_are_as_long_as_the_times() -> None:
    root = ET.fromstring(decode_images.draw({1: _SLOW, 4: _FAST}))  # noqa: S314  made here
    bars = [
        (each.get("class"), float(each.attrib["width"]))
        for each in root.iter("{http://www.w3.org/2000/svg}rect")
        if each.get("height") == "26"
    ]
    assert bars == [("busy", 110.0), ("waited", 330.0), ("busy", 165.0), ("waited", 55.0)]
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[2:] == ["1 worker", "4.00 s", "4 workers", "2.00 s"]


def test_disagreement_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = iter([_SLOW, _FAST._replace(digest="other")])
    monkeypatch.setattr(decode_images, "run", lambda *_arguments: next(outcomes))
    picture = str(tmp_path / "made.svg")
    assert (
        decode_images.main(f"--images 1 --workers 1,2 --no-progress --picture {picture}".split())
        == 1
    )
    assert "DISAGREEMENT" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "two"], "'two' is not a list of numbers"),
        (["--images", "0"], "take positive numbers"),
        (["--step", "-1"], "-1.0 is negative"),
    ],
)
def test_bad_options_are_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        decode_images.main(options)
    assert message in capsys.readouterr().err


def test_missing_tqdm_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    progress = decode_images.make_progress(3, wanted=True)
    assert list(progress([1, 2], "label")) == [1, 2]
    assert "pip install tqdm" in capsys.readouterr().out


def test_a_bar_passes_every_batch(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    progress = decode_images.make_progress(3, wanted=True)
    assert list(progress([1, 2, 3], "label")) == [1, 2, 3]
    assert "3/3" in capsys.readouterr().err
