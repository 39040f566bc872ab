"""Clips as files: killed and gone on with, nothing twice; and a film of three hours in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from cli import Clone, finish, until

from ltx_core.media.decode import read_frames

pytestmark = pytest.mark.prove
HOURS = 3
FPS = 2
GROWTH_MIB = 24
"""What a film of three hours may take more than one of ten minutes: its index and a few series."""
WATCH = """
import resource, sys
from ltx_core.curation.options.scenes import SceneOptions
from ltx_core.curation.scenes import watch_film
found = watch_film(sys.argv[1], SceneOptions(luma_only=True))
print(len(found.times), len(found.scenes), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_an_export_that_is_killed_goes_on_and_writes_nothing_twice(tmp_path: Path) -> None:
    clone, out = Clone.make(tmp_path / "clone"), tmp_path / "out"
    clone.ltx("stage", "scores", "configs/demo.yaml")
    command = ("store", "export", "clips", "configs/demo.yaml", str(out))
    kept: dict[str, int] = {}
    for files in (3, 9):
        run = clone.start(*command)
        until(lambda files=files: len(list(out.glob("*.mp4"))) >= files, every=0.002)
        run.kill()
        run.communicate(timeout=30)
        assert not (out / "dataset.jsonl").exists()
        found = {path.name: path.stat().st_mtime_ns for path in out.glob("*.mp4")}
        assert files <= len(found) < 25 and kept.items() <= found.items()
        kept = found
    output = finish(clone.start(*command))
    assert f"{25 - len(kept)} clips written, {len(kept)} were there" in output
    rows = [json.loads(line) for line in (out / "dataset.jsonl").read_text("utf-8").splitlines()]
    names = [row["video"] for row in rows]
    assert len(set(names)) == 25 and {path.name for path in out.glob("*.mp4")} == set(names)
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept
    assert all(len(read_frames(out / name, list(range(9)))) == 9 for name in names)
    assert not [path for path in out.iterdir() if path.name.startswith(".") and path.suffix == ".tmp"]
    again = finish(clone.start(*command))
    assert "0 clips written, 25 were there" in again


def write_long(path: Path, seconds: int) -> None:
    """A film of a slowly changing grey with a cut every ten minutes."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.options = {"preset": "ultrafast", "crf": "30", "g": "250"}
        for number in range(seconds * FPS):
            minute = number // (60 * FPS)
            level = 60 + 90 * (minute // 10 % 2) + abs(number % 40 - 20)
            picture = np.full((48, 64, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def test_a_film_of_three_hours_is_watched_in_flat_memory(tmp_path: Path) -> None:
    peaks = {}
    for seconds in (600, HOURS * 3600):
        path = tmp_path / f"{seconds}.mp4"
        write_long(path, seconds)
        command = [sys.executable, "-c", WATCH, str(path)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        frames, scenes, peaks[seconds] = (int(number) for number in output.split())
        assert frames == seconds * FPS and scenes == max(1, seconds // 600)
    assert peaks[HOURS * 3600] - peaks[600] < GROWTH_MIB, peaks
