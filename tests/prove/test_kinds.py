"""New kinds of references and masks by the real command on the demo: made, trained with, shown, reused."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from cli import Clone, new_rows, rows
from picture_models import depth_folder
from PIL import Image

pytestmark = pytest.mark.prove
DEPTH = "dataset.references={kind: depth, model: models/depth}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, prefect: dict[str, str]) -> Clone:
    """A clone with a model of depth and a function of one's own; a server that all its runs use."""
    clone = Clone.make(tmp_path_factory.mktemp("kinds") / "clone", "optimization.steps=3")
    depth_folder(clone.folder / "models" / "depth")
    (clone.folder / "my_sounds.py").write_text("def turned(wave, rate):\n    return wave[:, ::-1]\n")
    return replace(clone, env=prefect)


@pytest.mark.parametrize(
    ("config", "overrides", "stages", "sides"),
    [
        ("v2v_ic_lora", (DEPTH,), {"references": "depth"}, 2),
        ("video_inpainting_lora", ("dataset.masks={kind: moving, grow: 8}",), {"masks": "moving"}, 2),
        (
            "av2av_ic_lora",
            (
                "dataset.references.kind=sketch",
                "dataset.audio_references={kind: function, function: 'my_sounds:turned'}",
            ),
            {"references": "sketch", "audio_references": "function"},
            4,
        ),
    ],
)
def test_a_mode_runs_with_another_kind_and_shows_it(
    place: Clone,
    monkeypatch: pytest.MonkeyPatch,
    config: str,
    overrides: tuple[str, ...],
    stages: dict[str, str],
    sides: int,
):
    before = rows(place.workspace) if (place.workspace / "store").exists() else {}
    output = place.ltx("run", f"configs/{config}.yaml", *overrides)
    assert f"published/{config}/lora.safetensors" in output
    found = new_rows(before, rows(place.workspace))
    shown = place.ltx("show", f"configs/{config}.yaml", "wide.mp4 #1", *overrides)
    (path,) = (place.workspace / "shown").glob("*.png")
    assert path.name in shown.replace("\n", "")
    width = Image.open(path).width
    assert width > sides * 384  # of 64 x 64 pixels, three frames of 192; sounds are 384
    path.unlink()

    monkeypatch.chdir(place.folder)  # functions are found from where the command is run
    pipe = place.pipeline(*overrides, config=config)
    for stage, kind in stages.items():
        made = [row for _, row in pipe.context.results(stage) if row.ok]
        assert len(made) >= 20 and {row.columns["kind"] for row in made} == {kind} and found[stage]

    # Another kind's options, and a model of the same weights elsewhere, compute nothing.
    moved = [one.replace("models/depth", "elsewhere") for one in overrides]
    if moved != list(overrides):
        shutil.copytree(place.folder / "models" / "depth", place.folder / "elsewhere")
    other = [] if DEPTH in overrides else ["dataset.references.people=3", "dataset.masks.label=dog"]
    again = place.pipeline(*moved, *other, config=config)
    assert {stage: again.plan(stage).missing for stage in again.stages()} == dict.fromkeys(again.stages(), 0)
