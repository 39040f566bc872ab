"""Films, references and masks of a dataset file, made of the demo's footage."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np

from ltx_core.config.load import load
from ltx_core.media.decode import frame_times, read_frames
from ltx_core.media.write import write_video
from ltx_core.run import Pipeline

ROOT = Path(__file__).parents[3]
FOOTAGE = ROOT / "data" / "footage"
THREADS = ("engine.threads=1", "acceleration.threads=1", "dataset.holdout.fraction=0.4")


def film(name: str, seconds: float | None = None) -> tuple[np.ndarray, float]:
    """The frames of a film of the demo, or its first seconds, and their rate."""
    path = FOOTAGE / name
    times = frame_times(path)
    rate = (len(times) - 1) / (times[-1] - times[0])
    count = len(times) if seconds is None else round(seconds * rate)
    return read_frames(path, list(range(count))), rate


def write_negative(path: Path, name: str, seconds: float | None = None) -> None:
    """A film of the demo with its brightness turned round: a reference that no stage makes."""
    frames, rate = film(name, seconds)
    write_video(path, 255 - frames, rate, crf=4)


def write_table(folder: Path, rows: list[dict[str, str]], name: str = "films.csv") -> Path:
    """A dataset file; the films of its column `video` are copied beside it."""
    for row in rows:
        path = row.get("video") or row["media_path"]
        if not (folder / path).exists():
            shutil.copy(FOOTAGE / path, folder)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (folder / name).open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, columns)
        writer.writeheader()
        writer.writerows(rows)
    return folder / name


def pipeline(workspace: Path, source: Path, mode: str, *overrides: str) -> Pipeline:
    """A pipeline of video alone with the conditions `mode`."""
    strategy = f"training_strategy={{video: {{conditions: [{mode}]}}}}"
    settings = [f"workspace={workspace}", f"dataset.source={source}", strategy, *THREADS, *overrides]
    return Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", settings, ROOT))


def prepare(pipe: Pipeline, until: str = "dataset") -> dict[str, int]:
    """Compute a stage and what it needs; the number of new rows of each stage that has any."""
    computed = {}
    for stage in pipe.stages(until):
        computed[stage] = sum(pipe.compute(stage, chunk)["rows"] for chunk in pipe.plan(stage).chunks)
    pipe.context.refresh()
    return {stage: rows for stage, rows in computed.items() if rows}
