"""A single step against the golden strategy case, and what its draws depend on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from toy import CHANNELS, ToySamples, assemble_toy, contexts, reader

from ltx_core.assemble import Batch, Scales, assemble, audio_tokens, video_tokens
from ltx_core.diffusion.loss import masked_mse
from ltx_core.errors import LtxError
from ltx_core.geometry.grid import AudioScale, VideoScale
from ltx_core.modes import Strategy
from ltx_core.training.data import Ahead, Reader
from ltx_core.training.draws import Draws
from ltx_core.training.log import mean_losses
from ltx_core.training.step import StepOptions, count_samples, prepare, training_step

GOLDEN = Path(__file__).parents[2] / "golden" / "data" / "t2v.safetensors"
IDS = ("clip0", "clip1", "clip2")


def test_loss_of_the_golden_case():
    with safe_open(GOLDEN, "pt") as file:
        names = list(file.keys())
        tensors = {name: file.get_tensor(name) for name in names}
        facts = json.loads(file.metadata()["json"])
    strategy, scales = Strategy(**facts["config"]), Scales(VideoScale(8, 32, 32), AudioScale(16000, 160, 4))
    batch = Batch(
        ("a", "b"),
        tensors["in.video_latents"],
        tensors["in.audio_latents"],
        fps=torch.full((2,), facts["shapes"]["video"]["fps"]),
    )
    noise = {
        "video": video_tokens(tensors["in.noise_video"]),
        "audio": audio_tokens(tensors["in.noise_audio"]),
    }
    drawn = prepare(
        batch, ("a", "b"), Draws(0, 0), lambda b, c: assemble(strategy, b, scales, c), StepOptions()
    )
    seen = {}

    def predict(tracks, inputs, timesteps, levels, contexts):
        return {name: tensors[f"in.pred_{name}"] for name in tracks}

    result = training_step(replace(drawn, noise=noise), predict, lambda names: seen, StepOptions())
    for name in ("video", "audio"):
        torch.testing.assert_close(result.losses[name], tensors[f"out.loss_{name}"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(result.total, tensors["out.loss"].mean(), rtol=1e-6, atol=1e-6)


def prepared(step=0, names=IDS, **options):
    return prepare(reader()(IDS), names, Draws(7, step), assemble_toy, StepOptions(**options))


def test_a_sample_without_a_loss_token_counts_nothing():
    ready = prepared()
    assert count_samples([ready]) == {"video": 3, "audio": 2}, "clip1 is silent"

    def predict(tracks, inputs, timesteps, levels, contexts):
        return {name: torch.zeros_like(value) for name, value in inputs.items()}

    options = StepOptions(weights={"audio": 0.5})
    result = training_step(ready, predict, contexts, options)
    track = ready.tracks["audio"]
    alone = masked_mse(torch.zeros_like(track.clean), ready.noise["audio"] - track.clean, track.loss_tokens)
    assert alone[1] == 0
    assert result.counted["audio"].tolist() == [True, False, True]
    expected = result.losses["video"].mean() + 0.5 * (alone[0] + alone[2]) / 2
    torch.testing.assert_close(result.total, expected)


def test_draws_are_a_function_of_their_names():
    one, again, other = prepared(), prepared(), prepared(step=1)
    for modality in ("video", "audio"):
        assert torch.equal(one.noise[modality], again.noise[modality])
        assert torch.equal(one.levels[modality], again.levels[modality])
        assert not torch.equal(one.noise[modality], other.noise[modality])
    assert not torch.equal(one.levels["video"], one.levels["audio"])
    alone = prepare(reader()(IDS[2:]), IDS[2:], Draws(7, 0), assemble_toy, StepOptions())
    assert torch.equal(alone.noise["video"][0], one.noise["video"][2]), "other samples change nothing"
    repeated = prepare(
        reader()(("clip0",) * 2), ("clip0", "clip0#1"), Draws(7, 0), assemble_toy, StepOptions()
    )
    assert repeated.clip_ids == ("clip0", "clip0")
    assert not torch.equal(*repeated.noise["video"])
    shared = prepared(shared_level=True)
    assert torch.equal(shared.levels["video"], shared.levels["audio"])


def test_caption_dropout_is_drawn_per_sample():
    captions = [caption for step in range(200) for caption in prepared(step, caption_dropout=0.3).captions]
    assert 0.22 < captions.count(None) / len(captions) < 0.38
    assert None not in prepared().captions


def test_quarters_use_the_level_given():
    found = mean_losses("audio", [1.0, 3.0, 5.0], [0.0, 0.2, 1.0])
    assert found == {
        "loss_audio": 3.0,
        "loss_audio_q1": 2.0,
        "loss_audio_q2": None,
        "loss_audio_q3": None,
        "loss_audio_q4": 5.0,
    }


def test_batches():
    batch = reader()(("clip1", "clip0"))
    assert batch.audio_present.tolist() == [False, True]
    assert not batch.audio[0].any()
    assert batch.audio.shape == (2, 2, 3, CHANNELS // 2)
    with pytest.raises(LtxError, match="one shape"):
        reader()(("clip0", "clip7"))
    with pytest.raises(LtxError, match="no clip of a batch has"):
        Reader(ToySamples(), "latents", "audio_latents")(("clip1",))


@pytest.mark.parametrize("depth", [0, 3])
def test_reading_ahead_keeps_the_order_and_passes_errors(depth):
    def make(step):
        if step == 5:
            raise LtxError("broken row")
        return step

    with Ahead(make, range(2, 9), depth) as ahead:
        assert [ahead.next() for _ in range(3)] == [2, 3, 4]
        with pytest.raises(LtxError, match="broken row"):
            ahead.next()
