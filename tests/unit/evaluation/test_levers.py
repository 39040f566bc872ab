"""Levers: what is withheld, what is swapped, and that everything else stays equal."""

from __future__ import annotations

import pytest
import torch

from ltx_core.assemble import Batch, Scales, assemble
from ltx_core.evaluation.heldout import heldout_loss
from ltx_core.evaluation.levers import Apart, held, levers, swapped, without, wrong_partners
from ltx_core.evaluation.rows import mean_loss
from ltx_core.geometry.grid import AudioScale, VideoScale
from ltx_core.models.velocity import Velocity
from ltx_core.modes import Strategy

SCALES = Scales(VideoScale(4, 16, 16), AudioScale(8000, 200))
VIDEO, AUDIO = (2, 4, 3, 2, 2), (2, 4, 6, 4)
JOINT = {
    "video": {
        "conditions": [
            {"type": "first_frame", "probability": 0.3},
            {"type": "reference", "latents_dir": "reference_latents"},
            {"type": "suffix", "temporal_boundary": 1, "probability": 0},
        ]
    },
    "audio": {"conditions": [{"type": "mask", "mask_dir": "audio_masks"}]},
}


def batch() -> Batch:
    torch.manual_seed(0)
    columns = {"reference_latents": torch.randn(VIDEO), "audio_masks": torch.zeros(2, 6)}
    columns["audio_masks"][:, :2] = 1
    return Batch(("a", "b"), torch.randn(VIDEO), torch.randn(AUDIO), columns=columns)


def content(found: Batch):
    whole = {"video": found.video, "audio": found.audio, **found.columns}
    return lambda clip, name: whole[name][found.clip_ids.index(clip)]


PARTNERS = {"a": "b", "b": "a"}


def test_every_applied_condition_and_every_given_modality_is_a_lever():
    found = levers(Strategy.model_validate(JOINT))
    assert [(one.key, one.measured, one.holds) for one in found] == [
        ("video.first_frame", "video", True),
        ("video.reference", "video", False),
        ("audio.mask", "audio", True),
    ]
    foley = levers(Strategy.model_validate({"video": {"is_generated": False}, "audio": {}}))
    assert [(one.key, one.kind, one.measured) for one in foley] == [("video", "given", "audio")]
    twice = [{"type": "reference", "latents_dir": name} for name in ("one", "two")]
    several = levers(Strategy.model_validate({"video": {"conditions": twice}}))
    assert [one.key for one in several] == ["video.reference 1", "video.reference 2"]
    assert levers(Strategy.model_validate({"video": {}, "audio": {}})) == []


def test_one_condition_is_withheld_and_all_others_apply():
    strategy, samples = Strategy.model_validate(JOINT), batch()
    first, reference, mask = levers(strategy)
    tracks = {one.key: assemble(strategy, samples, SCALES, without(one)) for one in (first, reference, mask)}
    video = tracks[first.key]["video"]
    assert video.clean.shape[1] == 24 and not video.hold[:, 12:20].any()
    assert tracks[reference.key]["video"].clean.shape[1] == 12
    assert tracks[reference.key]["video"].hold[:, :4].all()
    assert not tracks[mask.key]["audio"].hold.any() and tracks[mask.key]["video"].clean.shape[1] == 24


def test_only_what_is_held_changes_to_another_clips():
    strategy, samples = Strategy.model_validate(JOINT), batch()
    first, reference, mask = levers(strategy)
    hold = held(first, strategy, samples, SCALES)
    assert hold.tolist() == [[1.0] * 4 + [0.0] * 8] * 2
    wrong = swapped(samples, first, PARTNERS, content(samples), hold)
    assert torch.equal(wrong.video[:, :, :1], samples.video.flip(0)[:, :, :1])
    assert torch.equal(wrong.video[:, :, 1:], samples.video[:, :, 1:]) and wrong.audio is samples.audio
    sound = swapped(samples, mask, PARTNERS, content(samples), held(mask, strategy, samples, SCALES))
    assert torch.equal(sound.audio[:, :, :2], samples.audio.flip(0)[:, :, :2])
    assert torch.equal(sound.audio[:, :, 2:], samples.audio[:, :, 2:])
    other = swapped(samples, reference, PARTNERS, content(samples))
    assert torch.equal(other.columns["reference_latents"], samples.columns["reference_latents"].flip(0))
    assert torch.equal(other.video, samples.video)
    with pytest.raises(KeyError):
        swapped(samples, reference, {"a": "b"}, content(samples))


def test_variants_share_draws_and_tokens():
    """A model that says what is attached: the target's noise and the counted tokens stay equal."""
    strategy, samples = Strategy.model_validate(JOINT), batch()
    first, reference, _ = levers(strategy)
    counted = assemble(strategy, samples, SCALES)["video"].loss_tokens[:, -12:]
    seen: list[torch.Tensor] = []

    def follow(batch: Batch, noisy: dict) -> dict[str, torch.Tensor]:
        item = noisy["video"]
        seen.append(item.tokens[:, -8:])
        offset = item.tokens.sum((1, 2))[:, None, None] * 1e-2
        return {
            "video": torch.zeros_like(item.tokens) + offset,
            "audio": torch.zeros_like(noisy["audio"].tokens),
        }

    variants = {
        "right": (samples, None),
        "wrong": (swapped(samples, reference, PARTNERS, content(samples)), None),
        "withheld": (samples, without(reference)),
        "no first frame": (samples, without(first)),
    }
    losses = {}
    for name, (changed, coins) in variants.items():
        rows = heldout_loss(
            [changed],
            lambda b, c=coins: assemble(strategy, b, SCALES, c),
            follow,
            [0.5],
            7,
            lambda b: {"video": counted},
        )
        assert {row.modality for row in rows} == {"video"}
        losses[name] = mean_loss(rows, "video", "lora")
    assert all(torch.equal(tokens, seen[0]) for tokens in seen)
    assert len(set(losses.values())) == 4


def test_a_given_modality_is_withheld_by_cutting_the_attention():
    seen = {}

    class Spy(Velocity):
        pass

    velocity = Spy(None, 2, forward=len, wake=print)
    apart = Apart.of(velocity)
    assert (apart.model, apart.checkpointing, apart.forward, apart.wake) == (None, 2, len, print)
    original = Velocity.__call__
    Velocity.__call__ = lambda self, *items, **options: seen.update(options) or {}
    try:
        assert apart({}, {}, {}, {}, {}, cross_attention=True, stg_blocks=(1,)) == {}
    finally:
        Velocity.__call__ = original
    assert seen == {"cross_attention": False, "stg_blocks": (1,)}


def test_wrong_partners_are_another_clip_of_the_same_bucket():
    buckets = {"a": 1, "b": 2, "c": 1, "d": 1, "e": 2, "alone": 3}
    partners = wrong_partners(["e", "d", "c", "b", "a", "alone"], buckets)
    assert partners == {"a": "c", "c": "d", "d": "a", "b": "e", "e": "b"}
    place = {"a": 0.0, "b": 1.0, "c": 9.0, "d": float("nan")}
    assert wrong_partners(list(place), distance=lambda x, y: abs(place[x] - place[y]))["b"] == "c"
