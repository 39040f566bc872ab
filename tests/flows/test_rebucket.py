"""`ltx plan --rebucket` says what a new choice changes, asks, and makes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from flows.cli import app
from ltx_core.config.load import load
from ltx_core.errors import LtxError
from ltx_core.media.write import write_video
from ltx_core.run import Pipeline

ROOT = Path(__file__).resolve().parents[2]


def write(folder: Path, name: str, width: int, height: int) -> None:
    noise = np.random.default_rng(width).integers(0, 255, (1, height // 4, width // 4, 3), np.uint8)
    write_video(folder / f"{name}.mp4", np.repeat(noise.repeat(4, 1).repeat(4, 2), 9, 0), 8.0)


def test_it_asks_before_it_chooses(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    films = tmp_path / "films"
    films.mkdir()
    write(films, "wide", 96, 48)
    settings = [
        *(f"workspace={tmp_path / 'workspace'}", f"dataset.source={films}", "training_strategy={video: {}}"),
        *("dataset.buckets=auto", "dataset.auto_buckets={area: 4608, min_frames: 5, max_frames: 9}"),
    ]
    config = "configs/t2v_lora.yaml"

    def prepared() -> list[str]:
        pipe = Pipeline(load(ROOT / config, settings, ROOT))
        for stage in pipe.stages("clips"):
            for chunk in pipe.plan(stage).chunks:
                pipe.compute(stage, chunk)
        ((_, row),) = pipe.context.results("buckets")
        return list(row.columns["buckets"])

    def plan(*options: str, answer: str = "") -> str:
        found = CliRunner().invoke(app, ["plan", config, *options, *settings], input=answer)
        assert found.exit_code == 0, found.output
        return found.output

    assert prepared() == ["96x48x9"]
    assert "used already" in plan("--rebucket")
    write(films, "tall", 48, 96)
    assert prepared() == ["96x48x9"]
    said = plan("--rebucket", answer="n\n")
    assert "1 of 2 clips are encoded anew, 0 clips of before are no more" in said
    assert "nothing was changed" in said and prepared() == ["96x48x9"]
    assert "48x96x9" in plan("--rebucket", "--yes")
    assert prepared() == ["48x96x9", "96x48x9"]
    settings.append("dataset.buckets=[96x48x9]")
    with pytest.raises(LtxError, match="this config states its buckets"):
        CliRunner().invoke(app, ["plan", config, "--rebucket", *settings], catch_exceptions=False)
