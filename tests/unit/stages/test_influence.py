"""The evaluation of modes on the demo's footage: conditions, given modalities, sound alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ltx_core.config.load import load
from ltx_core.evaluation.effects import DRIFT
from ltx_core.evaluation.rows import LOSS, by_condition
from ltx_core.run import Pipeline
from ltx_core.stages.batches import Rows, open_contexts
from ltx_core.stages.dataset import load_samples
from ltx_core.stages.influence import Influence
from ltx_core.stages.influence_views import group
from ltx_core.stages.network import open_velocity

ROOT = Path(__file__).parents[3]
SHORT = (
    "engine.threads=1",
    "acceleration.threads=1",
    "dataset.captions.order=[folder]",
    "dataset.holdout.fraction=0.5",
    "optimization.steps=1",
    "optimization.batch_size=2",
    "optimization.warmup_steps=0",
    "validation.interval=null",
    "validation.inference_steps=2",
    "validation.heldout_levels=1",
    "validation.heldout_samples=1",
    "validation.influence_clips=1",
)
EVERYTHING = (
    "training_strategy={video: {conditions: [{type: first_frame, probability: 0.5}, {type: reference}]},"
    " audio: {conditions: [{type: mask, mask_dir: audio_masks}]}}"
)


@pytest.fixture(scope="module")
def open_mode(tmp_path_factory):
    """A function that prepares a mode on one film of the demo up to a stage."""
    workspace, source = tmp_path_factory.mktemp("workspace"), tmp_path_factory.mktemp("footage")
    for path in (ROOT / "data" / "footage").glob("wide*"):
        shutil.copy(path, source)

    def prepare(*overrides, until="dataset", config="t2v_lora"):
        settings = [f"workspace={workspace}", f"dataset.source={source}", *SHORT, *overrides]
        pipe = Pipeline(load(ROOT / "configs" / f"{config}.yaml", settings, ROOT))
        for stage in pipe.stages(until):
            for chunk in pipe.plan(stage).chunks:
                pipe.compute(stage, chunk)
        pipe.context.refresh()
        return pipe

    return prepare


def influence(pipe: Pipeline) -> Influence:
    """Of the base model: what is measured does not need a trained one."""
    rows = Rows(pipe.context, load_samples(pipe.context)[1])
    return Influence(pipe.context, rows, open_velocity(pipe.context), open_contexts(pipe.context, rows))


def test_each_condition_is_withheld_by_itself(open_mode):
    found = influence(open_mode(EVERYTHING))
    effects = []
    for lever in found.levers:
        trial = found.trial(lever)
        (comparison,) = found.comparisons(trial, trial.clips[:1])
        tally = found.tally(trial)
        tally.add(comparison)
        effects += tally.rows(found.losses(trial), len(trial.clips))
        shown = group(found, trial, trial.clips[0], comparison)
        assert len(shown.views) >= 4 and all(view.sheet for view in shown.views)
    rows = {key: {row.measure: row for row in found} for key, found in by_condition(effects).items()}
    assert list(rows) == ["video.first_frame", "video.reference", "audio.mask"]
    for key, measured in rows.items():
        loss = measured[LOSS]
        assert len({loss.right, loss.wrong, loss.withheld}) == 3, key
        (change,) = [row for name, row in measured.items() if name.startswith("change against the right")]
        assert change.right == 0 and min(change.wrong, change.withheld) > 0, key
        if key != "video.reference":
            assert measured[DRIFT].right == 0 and measured[DRIFT].withheld > 0.1
    kept = rows["audio.mask"]["distance of the kept sound, dB"]
    # What is kept is heard: the clip's own, or the other's that was given.
    assert kept.right < kept.wrong / 2 and kept.followed < kept.wrong / 2


def test_a_given_modality_is_withheld_whole(open_mode):
    found = influence(open_mode(config="a2v_lora"))
    (lever,) = found.levers
    trial = found.trial(lever)
    (comparison,) = found.comparisons(trial, trial.clips[:1])
    right, wrong, withheld = (comparison.samples[name] for name in ("right", "wrong", "withheld"))
    assert (right.frames != wrong.frames).any() and (right.frames != withheld.frames).any()
    assert right.wave is not None and (right.wave != wrong.wave).any()
    # Without the attention between the two, another sound changes nothing.
    tally = found.tally(trial)
    tally.add(comparison)
    rows = {row.measure: row for row in tally.rows(found.losses(trial), len(trial.clips))}
    change = rows["change by another clip's content, levels of 255"]
    assert change.right > 0 and change.withheld == 0
    assert len({getattr(rows[LOSS], name) for name in ("right", "wrong", "withheld")}) == 3


def test_sound_alone_is_evaluated_and_shown(open_mode):
    pipe = open_mode(until="evaluate", config="audio_extend_lora")
    folder = Path(pipe.manifest("evaluate")["run"])
    page, found = (folder / "report.html").read_text(), json.loads((folder / "evaluation.json").read_text())
    assert page.count("<audio") >= 6 and "<video" not in page and "mode audio_extend" in page
    assert "Audio loss by noise level" in page and "Video loss" not in page
    assert {row["modality"] for row in found["heldout"]} == {"audio"}
    assert {row["condition"] for row in found["influence"]} == {"audio.prefix"}
    assert "distance of the sound next to it, dB" in {row["measure"] for row in found["influence"]}
    assert sorted(path.suffix for path in (folder / "samples" / "after").iterdir()) == [".png", ".wav"]
