"""What options of `optimization` do: rates by modality, loss weights, clipping, bad steps, schedules."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from test_loop import product
from torch import nn
from toy import CLIPS, SILENT, accelerator, make, run

from ltx_core.config.load import build
from ltx_core.stages.train import Train, step_options
from ltx_core.training.learner import Learner
from ltx_core.training.log import read_metrics
from ltx_core.training.loop import TrainingError, train
from ltx_core.training.options import OptimizationOptions
from ltx_core.training.step import StepOptions

SGD = {"optimizer_type": "torch.optim:SGD", "weight_decay": 0.0}
PLAIN = {"scheduler_type": "constant", "dropout": 0, **SGD}


class Streams(nn.Module):
    """A parameter of each kind, named as a LoRA's."""

    def __init__(self):
        super().__init__()
        for name in ("attn1", "audio_attn1", "audio_to_video_attn"):
            self.add_module(name, nn.Linear(2, 2, bias=False))


def moved(model, options, step):
    """(how far each kind's weights go for a gradient of one, the rates of the records)."""
    learner = Learner(model, options, accelerator())
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    columns = learner.begin(step)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    learner.update(1.0, 1.0)
    after = dict(model.named_parameters())
    return {name.split(".")[0]: float((before[name] - after[name]).mean()) for name in before}, columns


def test_modalities_have_rates_of_their_own():
    """The schedule scales each: at step 5 of 20, warm-up of 10, all are at six tenths."""
    options = OptimizationOptions(
        0.1, 20, video_learning_rate=0.3, audio_learning_rate=0.02, warmup_steps=10, max_grad_norm=0, **SGD
    )
    steps, columns = moved(Streams(), options, 5)
    assert steps == pytest.approx({"attn1": 0.18, "audio_attn1": 0.012, "audio_to_video_attn": 0.06})
    assert columns == pytest.approx({"lr": 0.06, "lr_video": 0.18, "lr_audio": 0.012})
    one = OptimizationOptions(0.1, 20, warmup_steps=10, max_grad_norm=0, **SGD)
    steps, columns = moved(Streams(), one, 5)
    assert steps == pytest.approx(dict.fromkeys(steps, 0.06))
    assert list(columns) == ["lr"], "where they do not differ there is one column"


def test_a_rate_of_the_only_modality_is_the_rate(tmp_path):
    """The toy's names are those of video."""
    run(tmp_path / "own", learning_rate=1e-3, video_learning_rate=2e-2)
    run(tmp_path / "all", learning_rate=2e-2)
    assert product(tmp_path / "own") == product(tmp_path / "all")
    for own, other in zip(read_metrics(tmp_path / "own"), read_metrics(tmp_path / "all"), strict=True):
        assert own["lr_video"] == other["lr"] == pytest.approx(20 * own["lr"])
        assert own["lr_audio"] is None and other["lr_video"] is None


def change(folder, **options):
    """(what one step of plain descent at rate 1 changes, its row)."""
    _, before = make(folder / "before", **PLAIN)
    _, model = run(folder, steps=1, learning_rate=1.0, **PLAIN | options)
    return model.layer.weight - before.model.layer.weight, read_metrics(folder)[0]


def test_gradients_are_scaled_down_to_the_norm(tmp_path):
    free, row = change(tmp_path / "free", max_grad_norm=0)
    _, bias_row = change(tmp_path / "same", max_grad_norm=1e9)
    assert row["grad_norm"] == bias_row["grad_norm"] > 0.2
    limited, limited_row = change(tmp_path / "limited", max_grad_norm=0.1)
    assert limited_row["grad_norm"] == row["grad_norm"], "recorded as it was before"
    torch.testing.assert_close(limited, free * 0.1 / row["grad_norm"], rtol=1e-4, atol=1e-7)


def test_losses_are_weighed_by_modality(tmp_path):
    def weighed(video, audio):
        options = StepOptions(weights={"video": video, "audio": audio})
        return change(tmp_path / f"{video}-{audio}", step=options, batch_size=4, max_grad_norm=0)

    both, row = weighed(2.0, 0.5)
    assert row["loss"] == pytest.approx(2 * row["loss_video"] + 0.5 * row["loss_audio"])
    (video, _), (audio, _) = weighed(1.0, 0.0), weighed(0.0, 1.0)
    assert video.norm() > 0.1 and audio.norm() > 0.1
    torch.testing.assert_close(both, 2 * video + 0.5 * audio, rtol=1e-4, atol=1e-6)


def test_options_of_the_config_reach_the_step(tmp_path):
    raw = {"workspace": str(tmp_path), "optimization": {"video_loss_weight": 0.25, "audio_loss_weight": 3}}
    raw["optimization"] |= {"caption_dropout": 0.125}
    found = step_options(build(raw, tmp_path, "x.yaml"))
    assert found.weights == {"video": 0.25, "audio": 3}
    assert found.caption_dropout == 0.125


@pytest.mark.parametrize("accumulation", [1, 3])
def test_schedules_count_optimizer_steps(tmp_path, accumulation):
    options = {"steps": 6, "warmup_steps": 2, "scheduler_type": "step", "learning_rate": 1e-2}
    run(tmp_path, gradient_accumulation_steps=accumulation, **options)
    assert [row["lr"] for row in read_metrics(tmp_path)] == pytest.approx(
        [0.005, 0.01, 0.01, 0.01, 0.001, 0.001]
    )


def test_an_epoch_and_a_batch_are_what_they_say(tmp_path):
    run(tmp_path, steps=3, batch_size=4)
    assert [row["samples"] for row in read_metrics(tmp_path)] == [4, 4, 4]
    assert [row["epoch"] for row in read_metrics(tmp_path)] == [0, 0, 0]


def test_bad_steps_end_the_run_after_the_stated_number(tmp_path):
    with pytest.raises(TrainingError, match="2 steps in a row"):
        run(tmp_path / "two", bad=(2, 4, 5), max_bad_steps=2)
    assert len(read_metrics(tmp_path / "two")) == 5
    assert run(tmp_path / "three", bad=(2, 4, 5), max_bad_steps=3)[0].step == 12


def test_the_samples_that_made_a_loss_not_finite_are_named(tmp_path):
    """Sound of one clip predicts NaN; of the other clips of its steps nothing is said."""
    plan, parts = make(tmp_path, batch_size=4, steps=6, max_bad_steps=9, dropout=0)
    culprit = "clip3"
    read = parts.read

    def broken(ids):
        batch = read(ids)
        for place, name in enumerate(ids):
            if name == culprit:
                batch.audio[place] = float("nan")
        return batch

    train(plan, replace(parts, read=broken), accelerator())
    events = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    skipped = [event for event in events if event["event"] == "skipped"]
    assert skipped and all(event["clips"] == [culprit] for event in skipped)
    assert {row["step"] for row in read_metrics(tmp_path) if culprit in row["clips"]} == {
        event["step"] for event in skipped
    }
    assert culprit not in SILENT and culprit in CLIPS


def test_new_fields_at_their_defaults_leave_a_key_as_it_was(tmp_path):
    def section(**optimization):
        raw = {"workspace": str(tmp_path), "optimization": optimization}
        context = SimpleNamespace(config=build(raw, tmp_path, "x.yaml"))
        return Train().section(context)["optimization"]

    assert section() == {
        "learning_rate": 5e-4,
        "steps": 3000,
        "batch_size": 2,
        "gradient_accumulation_steps": 1,
        "max_grad_norm": 1.0,
        "optimizer_type": "adamw",
        "scheduler_type": "linear",
        "scheduler_params": {},
        "warmup_steps": 0,
        "video_loss_weight": 1.0,
        "audio_loss_weight": 1.0,
        "caption_dropout": 0.0,
        "weight_decay": 0.01,
        "betas": (0.9, 0.999),
    }
    assert section(max_bad_steps=9, ema_decay=0.9, ema_offload=True) == section(ema_decay=0.9)
    assert section(ema_decay=0.9)["ema_decay"] == 0.9
    own = section(optimizer_type="toy_optimizers:Nested", video_learning_rate=1e-3)
    assert own["video_learning_rate"] == 1e-3
    assert own["optimizer"].startswith("digest "), "a user's own code is a part of the key"
