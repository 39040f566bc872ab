"""What evaluations decide: the key, settings that make no sense, what they cost, which weights are given."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest

from ltx_core.config.judged_checks import judging_refusals
from ltx_core.config.load import load
from ltx_core.errors import LtxError
from ltx_core.run import Pipeline
from ltx_core.stages.judged import chosen_checkpoint, judge_options
from ltx_core.store.dataset import Sample
from ltx_core.training.cost import Cost
from ltx_core.training.heldout_log import means, read_heldout
from ltx_core.training.judging import read_best
from ltx_core.training.log import read_measured

ROOT = Path(__file__).parents[3]
STOP = "validation.early_stopping={patience: 2}"


def config(*overrides, mode="i2v_lora"):
    return load(ROOT / "configs" / f"{mode}.yaml", ["dataset.source=/nowhere", *overrides], ROOT)


def section(*overrides):
    pipe = Pipeline(config(*overrides))
    return pipe.registry["train"].section(pipe.context)


def test_a_key_knows_of_evaluations_only_where_they_decide():
    plain = section()
    assert "judged" not in plain
    recorded = ("validation.heldout_interval=7", "validation.heldout_clips=3", "validation.best_metric=video")
    assert section(*recorded, "checkpoints.keep_best=false", "validation.heldout_levels=4") == plain
    for first in (STOP, "checkpoints.publish=best"):
        decided = section(first)
        assert decided != plain and decided.keys() - plain.keys() == {"judged"}
        for other in (
            *recorded[:2],
            "validation.heldout_levels=4",
            "validation.seed=1",
            "validation.interval=9",
        ):
            assert section(first, other) != decided
        assert section(first, "checkpoints.keep_last_n=4") == decided
    assert section(STOP, "checkpoints.publish=best") != section(STOP)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ((STOP, "validation.interval=null"), "set `heldout_interval`"),
        (("validation.best_metric=audio", "training_strategy={video: {}}"), "use weighted or video"),
        (("checkpoints.publish=best", "checkpoints.keep_best=false"), "set `keep_best: true`"),
        (("validation.heldout_levels_per_clip=9",), "is 9 of 8 levels"),
    ],
)
def test_settings_that_decide_nothing_are_refused(overrides, said):
    (problem,) = judging_refusals(config(*overrides))
    assert said in problem
    assert (
        judging_refusals(
            config(*overrides[:1], "validation.heldout_interval=5", "validation.heldout_levels=9")
        )
        == []
    )


def test_nothing_decides_without_a_held_out_clip():
    def sample(split):
        return Sample("a", "a", "f", split, "64x64x9", 8.0, 1.0, "x", "")

    stopping = config(STOP, "optimization.audio_loss_weight=0.25")
    with pytest.raises(LtxError, match=r"early_stopping goes by .*dataset\.holdout\.fraction"):
        judge_options(stopping, [sample("train")])
    with pytest.raises(LtxError, match="publish: best goes by"):
        judge_options(config("checkpoints.publish=best"), [sample("train")])
    found = judge_options(stopping, [sample("train"), sample("heldout")])
    assert (found.patience, found.min_delta, found.weights["audio"]) == (2, 0.0, 0.25)
    assert judge_options(config(), [sample("train")]).patience is None


def test_the_weights_of_the_last_step_or_of_the_best(caplog):
    last, best = Path("step_000009"), Path("step_000004")
    assert chosen_checkpoint(config(), last, best) == last
    published = config("checkpoints.publish=best")
    assert chosen_checkpoint(published, last, best) == best
    assert chosen_checkpoint(published, last, None) == last and "no best step" in caplog.text


def test_what_evaluations_cost_is_told_with_what_would_lower_it(caplog):
    """3 of 33 seconds: a share of 9 %; advised is what makes it 5 %."""
    now = 0.0

    def clock():
        return now

    cost = Cost(100, clock)
    with caplog.at_level(logging.WARNING):
        for step, between in ((0, 50.0), (100, 10.0), (200, 10.0), (300, 10.0)):
            now += between
            with cost.counting(step):
                now += 1.0
    assert cost.share == pytest.approx(3 / 33) and cost.facts()["heldout_seconds"] == 1.0
    (told,) = caplog.records
    assert "step 100: held-out loss takes 9% of the time, 1.0 s each time" in told.message
    assert "heldout_interval: 190" in told.message, "10 s for 100 steps, and 19 s beside each evaluation"
    cheap = Cost(100, clock)
    caplog.clear()
    for step, between in ((0, 0.0), (100, 10.0), (200, 10.0)):
        now += between
        with cheap.counting(step):
            now += 0.1
    assert not caplog.records and cheap.share < 0.01
    assert "heldout_share" not in Cost(None).facts()


SHORT = (
    "engine.threads=1",
    "acceleration.threads=1",
    "dataset.captions.order=[folder]",
    "dataset.holdout.fraction=0.5",
    "optimization.steps=30",
    "optimization.batch_size=1",
    "optimization.warmup_steps=0",
    "optimization.learning_rate=10",
    "optimization.scheduler_type=constant",
    "checkpoints.interval=3",
    "validation.interval=null",
    "validation.heldout_interval=2",
    "validation.heldout_levels=2",
    "training_strategy={video: {conditions: [{type: first_frame, probability: 0.5}]}}",
)


@pytest.mark.prove
def test_a_training_that_gets_worse_ends_and_gives_its_best_weights(tmp_path):
    """The learning rate is so high that the first steps are the best."""
    for path in (ROOT / "data" / "footage").glob("wide*"):
        (tmp_path / "films").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "films")
    places = (f"workspace={tmp_path / 'workspace'}", f"dataset.source={tmp_path / 'films'}")
    own = ("validation.early_stopping={patience: 2, min_delta: 0.001}", "checkpoints.publish=best")
    pipe = Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", [*places, *SHORT, *own], ROOT))
    for stage in pipe.stages("train"):
        for chunk in pipe.plan(stage).chunks:
            pipe.compute(stage, chunk)
    folder = Path(pipe.manifest("train")["run"])
    measured = dict(read_measured(folder)["heldout_video"])
    best = min((step for step in measured if step), key=measured.__getitem__)
    (row,) = (row for _, row in pipe.context.results("train"))
    assert row.columns["steps"] == best + 4 < 30, "two evaluations without a gain"
    found = read_best(folder)
    assert (found["step"], found["value"], found["base"]) == (best, measured[best], measured[0])
    kept = folder / found["checkpoint"] / "lora.safetensors"
    assert kept.read_bytes() == (folder / "lora.safetensors").read_bytes()
    last = folder / "checkpoints" / f"step_{best + 4:06d}" / "lora.safetensors"
    assert last.read_bytes() != kept.read_bytes()
    rows = read_heldout(folder)
    assert {row.condition for row in rows} == {"all", "without video.first_frame"}
    for step, value in measured.items():
        assert means(row for row in rows if row.step == step)["heldout_video"] == value
    events = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [event["step"] for event in events if event["event"] == "early_stop"] == [best + 4]
    shares = [event["heldout_share"] for event in events if "heldout_share" in event]
    assert shares and all(0 < share < 1 for share in shares)
