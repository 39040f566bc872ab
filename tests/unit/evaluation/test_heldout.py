"""Held-out loss: the same numbers whatever the batch size, the order or what is attached."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from ltx_core.diffusion.track import Track
from ltx_core.evaluation.heldout import fixed_noise, heldout_loss, midpoint_levels, with_model
from ltx_core.evaluation.rows import LossRow, labelled, mean_loss

CLIPS = ["a", "b", "c", "d", "e"]
SILENT = {"c"}
LEVELS = midpoint_levels(4)


@dataclass(frozen=True)
class Clips:
    clip_ids: list[str]


def clean(clip: str, modality: str, tokens: int = 12, channels: int = 8) -> torch.Tensor:
    return fixed_noise(1, clip, f"content of {modality}", 0, (tokens, channels))


def assemble(batch: Clips, reference: bool = False) -> dict[str, Track]:
    tracks = {}
    for modality, axes, tokens in (("video", 3, 12), ("audio", 1, 5)):
        values = torch.stack([clean(clip, modality, tokens) for clip in batch.clip_ids])
        tracks[modality] = Track.of(values, torch.zeros(axes, tokens, 2))
    if reference:
        video = tracks["video"]
        tracks["video"] = video.attaching(video.clean[:, :4], video.positions[:, :, :4])
    audio = tracks["audio"]
    present = torch.tensor([clip not in SILENT for clip in batch.clip_ids])
    tracks["audio"] = Track(audio.clean, audio.hold, audio.target, audio.positions, True, present)
    return tracks


def predict(batch: Clips, noisy: dict) -> dict[str, torch.Tensor]:
    return {name: torch.tanh(item.tokens) * (1 + item.timesteps[..., None]) for name, item in noisy.items()}


def measure(size: int, clips: list[str] = CLIPS, seed: int = 7) -> list[LossRow]:
    batches = [Clips(clips[i : i + size]) for i in range(0, len(clips), size)]
    return heldout_loss(batches, assemble, predict, LEVELS, seed)


def test_the_loss_is_equal_for_any_batch_size_and_order():
    expected = measure(1)
    assert measure(1) == expected
    for size in (2, 3, 5):
        assert measure(size) == expected
    assert measure(2, CLIPS[::-1]) == expected
    assert measure(1, seed=8) != expected


def test_one_row_per_modality_and_level_and_silent_clips_count_for_video_only():
    rows = measure(2)
    assert [(row.modality, row.level) for row in rows] == [
        (modality, level) for modality in ("audio", "video") for level in LEVELS
    ]
    assert {row.clips for row in rows if row.modality == "audio"} == {4}
    assert {row.clips for row in rows if row.modality == "video"} == {5}
    without = measure(2, [clip for clip in CLIPS if clip not in SILENT])
    assert [row for row in rows if row.modality == "audio"] == [r for r in without if r.modality == "audio"]


def test_exact_velocity_has_no_loss_and_an_attached_reference_keeps_the_draws():
    def exact(batch: Clips, noisy: dict) -> dict[str, torch.Tensor]:
        return {
            name: (item.tokens - item.track.clean) / item.level[:, None, None] for name, item in noisy.items()
        }

    with_reference = heldout_loss([Clips(CLIPS)], lambda b: assemble(b, True), exact, LEVELS, 7)
    assert all(row.loss < 1e-9 for row in with_reference)
    plain = heldout_loss([Clips(CLIPS)], assemble, predict, LEVELS, 7)
    attached = heldout_loss([Clips(CLIPS)], lambda b: assemble(b, True), predict, LEVELS, 7)
    assert [r.loss for r in attached] == pytest.approx([r.loss for r in plain], rel=1e-6)


def test_a_given_modality_is_clean_and_has_no_row():
    def given_audio(batch: Clips) -> dict[str, Track]:
        tracks = assemble(batch)
        audio = tracks["audio"]
        tracks["audio"] = Track(audio.clean, audio.hold, audio.target, audio.positions, generated=False)
        return tracks

    def check(batch: Clips, noisy: dict) -> dict[str, torch.Tensor]:
        assert torch.equal(noisy["audio"].tokens, noisy["audio"].track.clean)
        assert not noisy["audio"].level.any()
        return predict(batch, noisy)

    rows = heldout_loss([Clips(CLIPS)], given_audio, check, LEVELS, 7)
    assert {row.modality for row in rows} == {"video"}


def test_a_clip_counts_once():
    with pytest.raises(ValueError, match="'a' is twice"):
        heldout_loss([Clips(["a"]), Clips(["a"])], assemble, predict, LEVELS, 7)
    with pytest.raises(ValueError, match="at least 1"):
        midpoint_levels(0)


def test_means_are_per_modality_and_model():
    rows = [LossRow("video", 0.25, 1.0, 4), LossRow("video", 0.75, 2.0, 4)]
    rows = [*labelled(rows, "base"), LossRow("video", 0.25, 9.0, 4)]
    assert mean_loss(rows, "video", "base") == 1.5 and mean_loss(rows, "video", "lora") == 9
    assert mean_loss(rows, "audio", "base") is None


def test_the_loss_is_of_the_tokens_that_are_named():
    def first(batch: Clips) -> dict[str, torch.Tensor]:
        return {"video": (torch.arange(12) < 4).expand(len(batch.clip_ids), 12)}

    def off_after_the_first(batch: Clips, noisy: dict) -> dict[str, torch.Tensor]:
        found = {}
        for name, item in noisy.items():
            exact = (item.tokens - item.track.clean) / item.level[:, None, None]
            attached = exact.shape[1] - item.track.targets
            found[name] = exact + (torch.arange(exact.shape[1]) >= attached + 4)[:, None]
        return found

    for attach in (False, True):
        rows = heldout_loss(
            [Clips(CLIPS)],
            lambda b, attach=attach: assemble(b, attach),
            off_after_the_first,
            LEVELS,
            7,
            first,
        )
        assert {row.modality for row in rows} == {"video"}
        assert all(row.loss < 1e-9 for row in rows)
    whole = heldout_loss([Clips(CLIPS)], assemble, off_after_the_first, LEVELS, 7)
    assert [r.loss for r in whole if r.modality == "video"] == [pytest.approx(8 / 12)] * len(LEVELS)


def test_the_callables_of_a_training_step_serve_as_they_are():
    def model(tracks: dict, inputs: dict, timesteps: dict, levels: dict, contexts: dict) -> dict:
        assert list(tracks) == ["video", "audio"] and contexts == {"asked": tuple(CLIPS)}
        return {
            name: torch.tanh(inputs[name]) * (1 + timesteps[name][..., None]) + 0 * levels[name].sum()
            for name in inputs
        }

    bound = with_model(model, lambda clip_ids: {"asked": tuple(clip_ids)})
    assert heldout_loss([Clips(CLIPS)], assemble, bound, LEVELS, 7) == measure(5)
