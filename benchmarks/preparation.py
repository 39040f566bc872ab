"""Preparing a dataset: frames of clips against decord called bare, and two workers against one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.measure import Result, in_turns, line
from ltx_core.config import build, dump
from ltx_core.media.container import frame_index
from ltx_core.media.fit import fit_box
from ltx_core.media.window import FrameWindow
from ltx_core.media.write import write_video
from ltx_core.run import Pipeline
from ltx_core.stages.clips import all_clips

ROOT = Path(__file__).parents[1]
SIZE, FRAMES = (360, 640), 192
"""Height and width, and length, of a film at 24 frames per second."""
BUCKET = "256x144x49"
LTX = ("-m", "flows.cli")


def make_films(folder: Path, number: int) -> None:
    """Films of a texture that moves, as large as footage is after a phone's or a site's encoder."""
    folder.mkdir(parents=True, exist_ok=True)
    for film in range(number):
        draw = np.random.default_rng(film)
        scene = draw.integers(0, 256, (SIZE[0] // 8 + 40, SIZE[1] // 8 + 40, 3), np.uint8)
        scene = scene.repeat(8, 0).repeat(8, 1)
        frames = np.stack([scene[n : n + SIZE[0], n : n + SIZE[1]] for n in range(FRAMES)])
        write_video(folder / f"{film}.mp4", frames, 24.0)


def config_text(folder: Path, workspace: Path, workers: int = 1) -> str:
    """A config whose preparation is decoding, scoring and encoding."""
    raw = {
        "workspace": str(workspace),
        "model": {"model_path": str(ROOT / "data" / "model")},
        "dataset": {
            "source": str(folder / "films"),
            "buckets": [BUCKET],
            "fps": 24,
            "captions": {"captioner": "describe"},
        },
        "engine": {"chunk_rows": 2, "threads": 1, "workers": workers},
    }
    return dump(build(raw, folder, "preparation"))


def decoding(folder: Path, rounds: int) -> Result:
    """Every clip's frames at its bucket's size, by our reader and by decord and OpenCV called bare."""
    make_films(folder / "films", 3)
    from ltx_core.config import load

    path = folder / "decoding.yaml"
    path.write_text(config_text(folder, folder / "decoded"), encoding="utf-8")
    pipeline = Pipeline(load(path, (), folder))
    for stage in ("sources", "scenes", "clips"):
        for chunk in pipeline.plan(stage).chunks:
            pipeline.compute(stage, chunk)
    clips, models = all_clips(pipeline.context), pipeline.context.models

    def ours() -> None:
        models._frames.clear()
        for clip in clips:
            models.frames(clip)

    def bare() -> None:
        for _ in _by_decord(pipeline):
            pass

    pair = in_turns(ours, bare, rounds)
    frames = sum(clip.bucket.frames for clip in clips)
    return line(
        "decode and resize, 640x360 to 256x144", "decord + OpenCV, a film opened once", pair, frames, "frames"
    )


def _by_decord(pipeline: Pipeline) -> Iterator[np.ndarray]:
    import cv2
    import decord

    clips = all_clips(pipeline.context)
    for path in dict.fromkeys(clip.path for clip in clips):
        reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
        times = list(frame_index(path).times)
        for clip in (one for one in clips if one.path == path):
            window = FrameWindow(clip.start_s, clip.fps, clip.bucket.frames, clip.start, clip.end)
            images = reader.get_batch(window.frames(times)).asnumpy()
            box = fit_box(clip.width, clip.height, clip.bucket.width, clip.bucket.height)
            size = (box.scaled_width, box.scaled_height)
            small = np.stack([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images])
            yield small[:, box.top : box.top + box.height, box.left : box.left + box.width]


MEASURED = """
import resource, sys
from pathlib import Path
from ltx_core.config import load
from ltx_core.run import Pipeline
pipeline = Pipeline(load(Path(sys.argv[1]), (), Path(sys.argv[1]).parent))
stages = pipeline.stages("dataset")
for stage in stages:
    for chunk in pipeline.plan(stage).chunks:
        pipeline.compute(stage, chunk, stages)
print(pipeline.plan("latents").total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
"""Prepares a dataset in one process; prints its clips and the peak of its memory in bytes."""


def flat_memory(folder: Path) -> Result:
    """Peak memory of a preparation of ten times as many clips."""
    few, many = (_peak(folder / f"memory {copies}", copies) for copies in (4, 40))
    return Result(
        f"memory, preparation of {many[0]} clips",
        f"of {few[0]} clips",
        many[1] / few[1],
        f"{many[1] / 1e6:,.0f} MB",
        f"{few[1] / 1e6:,.0f} MB",
        "flat: below 1.1",
        many[1] < 1.1 * few[1],
    )


def _peak(folder: Path, copies: int) -> tuple[int, int]:
    """Clips and peak bytes of preparing the demo's films so many times, each with other bytes at its end."""
    films = folder / "films"
    films.mkdir(parents=True)
    for film in ("morning", "evening"):
        data = (ROOT / "data" / "footage" / f"{film}.mp4").read_bytes()
        for number in range(copies):
            free = b"free" + number.to_bytes(4, "big")
            (films / f"{film}_{number}.mp4").write_bytes(data + (8 + 4).to_bytes(4, "big") + free)
    raw = {
        "workspace": str(folder / "workspace"),
        "model": {"model_path": str(ROOT / "data" / "model")},
        "dataset": {
            "source": str(films),
            "buckets": ["64x64x9"],
            "fps": 8,
            "captions": {"captioner": "describe"},
        },
        "engine": {"chunk_rows": 16, "threads": 1},
    }
    path = folder / "memory.yaml"
    path.write_text(dump(build(raw, folder, "memory")), encoding="utf-8")
    command = [sys.executable, "-c", MEASURED, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    clips, peak = done.stdout.split()[-2:]
    return int(clips), int(peak)


def two_workers(folder: Path, rounds: int) -> Result:
    """A whole preparation, from files to the dataset, with two worker processes and with one."""
    make_films(folder / "films", 12)
    numbers = count()

    def prepare(workers: int) -> None:
        place = folder / f"prepared {next(numbers)}"
        path = folder / "workers.yaml"
        path.write_text(config_text(folder, place, workers), encoding="utf-8")
        command = [sys.executable, *LTX, "stage", "dataset", str(path)]
        done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{command} failed:\n{done.stdout}{done.stderr}")

    pair = in_turns(lambda: prepare(2), lambda: prepare(1), rounds)
    return line("preparation of 12 films, two workers", "one worker", pair, 12, "films")
