"""Video files to clips: ``python examples/video_to_clips.py``.

It needs NumPy and PyAV, and makes its own videos. What to measure: frames a second, and the
processor time of the main thread. It is bound by decoding. PyAV lets go of the GIL meanwhile, but
turning frames into arrays holds it. Decoders have threads of their own, one for each core: with
several workers give each one thread, as here.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beside import run_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

VIDEOS = 4
FRAMES = 120
CLIP = 16
WIDTH, HEIGHT = 160, 120


class Clips:
    """Decodes videos one after the other; each clip is one array of frames."""

    def __init__(self, folder: str) -> None:
        self.paths = sorted(Path(folder).glob("*.mp4"))

    def __iter__(self) -> Iterator[Any]:
        import av
        import numpy as np

        for path in self.paths:
            with av.open(str(path)) as video:
                video.streams.video[0].codec_context.thread_count = 1
                frames: list[Any] = []
                for frame in video.decode(video=0):
                    small = frame.reformat(width=WIDTH, height=HEIGHT, format="rgb24")
                    frames.append(small.to_ndarray())
                    if len(frames) == CLIP:
                        yield np.stack(frames)
                        frames = []
                if frames:
                    yield np.stack(frames)  # the last clip of a video may be shorter


def make_videos(folder: str) -> None:
    """Write what would be there already."""
    import av
    import numpy as np

    random = np.random.default_rng(1)
    for number in range(VIDEOS):
        with av.open(str(Path(folder) / f"{number}.mp4"), "w") as video:
            stream = video.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 2 * WIDTH, 2 * HEIGHT, "yuv420p"
            picture = random.integers(0, 256, (2 * HEIGHT, 2 * WIDTH, 3), "uint8")
            for shift in range(FRAMES):
                moved = np.ascontiguousarray(np.roll(picture, shift, axis=1))
                video.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
            video.mux(stream.encode())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        make_videos(folder)
        run_beside(partial(Clips, folder), "frames", len)
