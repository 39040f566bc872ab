"""The source pass against decoding alone: frames per second of processor time, 1920 x 1080.

Run: `python -m benchmarks.source_pass`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

from ltx_core.curation.measures.film import FilmMeasures
from ltx_core.curation.options.scenes import SceneOptions
from ltx_core.curation.scenes import watch_film
from ltx_core.media.film import every_frame

FRAMES, ROUNDS = 240, 3
SIZE = (1920, 1080)


def write_film(path: Path) -> None:
    """A camera that pans over a texture, with a cut every 80 frames."""
    width, height = SIZE
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.options = {"preset": "veryfast"}
        for number in range(FRAMES):
            if number % 80 == 0:
                noise = cv2.GaussianBlur(rng.normal(0, 1, (height, width + 80, 3)), (0, 0), 3)
                texture = np.clip(128 + 50 * noise / noise.std(), 0, 255).astype(np.uint8)
            shift = number % 80
            picture = np.ascontiguousarray(texture[:, shift : shift + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def decode(path: Path) -> None:
    """Decode every frame and do nothing with it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for _ in container.decode(stream):
            pass


def shrink(path: Path) -> None:
    """Decode every frame and make it small."""
    for shown in every_frame(path):
        shown.at()


def speed(job: Callable[[Path], object], path: Path) -> float:
    """Frames per second of processor time, the best of some rounds."""
    found = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        job(path)
        found.append(FRAMES / (time.process_time() - begun))
    return max(found)


def main() -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    options = SceneOptions()
    jobs: dict[str, Callable[[Path], object]] = {
        "decode": decode,
        "decode, made small": shrink,
        "source pass: detectors, fades, borders": lambda path: watch_film(path, options),
        "source pass with all measures": lambda path: watch_film(path, options, [FilmMeasures()]),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        write_film(path)
        bare = 0.0
        for name, job in jobs.items():
            found = speed(job, path)
            bare = bare or found
            print(f"{name:<40} {found:7.0f} frames/s {found / bare:6.2f}")


if __name__ == "__main__":
    main()
