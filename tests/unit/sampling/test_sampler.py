"""The sampler's properties, without a model."""

from __future__ import annotations

import pytest
import torch

from ltx_core.diffusion.flow_match import corrupt
from ltx_core.diffusion.levels import schedule
from ltx_core.diffusion.track import Track
from ltx_core.geometry.grid import AudioGrid, AudioScale, VideoGrid, VideoScale
from ltx_core.sampling.guidance import Guidance
from ltx_core.sampling.sampler import sample, start_noise

BATCH = 2
FULL = Guidance(cfg=3, stg=1, modality=3, rescale=0.7)


def tracks(audio="generate"):
    """A video with a held, a soft and an attached part, and a sound."""
    draw = torch.Generator().manual_seed(0)
    grid = VideoGrid(3, 2, 2, VideoScale(8, 32, 32))
    video = Track.of(torch.randn(BATCH, 12, 8, generator=draw), grid.positions())
    hold = torch.zeros(BATCH, 12)
    hold[:, :4], hold[:, 6] = 1.0, 0.3
    reference = VideoGrid(1, 2, 2, VideoScale(8, 32, 32)).positions().expand(BATCH, -1, -1, -1)
    video = video.holding(hold).attaching(torch.randn(BATCH, 4, 8, generator=draw), reference)
    found = {"video": video}
    if audio != "absent":
        clean = torch.randn(BATCH, 5, 8, generator=draw)
        positions = AudioGrid(5, AudioScale(16000, 160)).positions()
        found["audio"] = Track.of(clean, positions, generated=audio == "generate")
    return found


class Exact:
    """A model that knows the clean tokens: its velocity leads exactly there."""

    def __init__(self, given):
        self.given, self.calls = given, []

    def __call__(self, tracks, inputs, timesteps, levels, variant):
        self.calls.append((variant, {name: float(level[0]) for name, level in levels.items()}))
        velocities = {}
        for name, track in tracks.items():
            t = timesteps[name][..., None]
            velocities[name] = ((inputs[name] - track.clean) / t.clamp(min=1e-9)).where(
                t > 0, torch.tensor(7.0)
            )
        return velocities


@pytest.mark.parametrize("audio", ["generate", "given", "absent"])
def test_an_exact_model_makes_the_target_and_held_tokens_stay(audio):
    given = tracks(audio)
    model = Exact(given)
    steps = []
    noise = start_noise(given, [1, 2])
    found = sample(
        model, given, noise, schedule(8), {"video": FULL, "audio": FULL}, lambda *done: steps.append(done)
    )
    for name, track in given.items():
        target = track.clean[:, -track.targets :]
        held = track.hold[:, -track.targets :] == 1
        torch.testing.assert_close(found[name], target, rtol=1e-5, atol=1e-5)
        assert torch.equal(found[name][held], target[held])
    assert steps == [(i, 8) for i in range(1, 9)]
    if audio == "given":
        assert torch.equal(found["audio"], given["audio"].clean)
        assert all(levels["audio"] == 0 for _, levels in model.calls)
    wanted = ["cond", "uncond", "perturbed"] + (["isolated"] if audio != "absent" else [])
    assert [variant for variant, _ in model.calls] == wanted * 8


def test_the_start_is_training_at_level_one_bit_for_bit():
    given = tracks()
    noise = start_noise(given, [3, 4])
    seen = {}

    def model(tracks, inputs, timesteps, levels, variant):
        seen.setdefault("first", ({**inputs}, {**timesteps}))
        return {name: torch.zeros_like(x) for name, x in inputs.items()}

    sample(model, given, noise, torch.tensor([1.0, 0.5, 0.0]))
    for name, track in given.items():
        full = torch.zeros_like(track.clean)
        full[:, -track.targets :] = noise[name]
        expected = corrupt(track, full, torch.ones(BATCH))
        assert torch.equal(seen["first"][0][name], expected[0])
        assert torch.equal(seen["first"][1][name], expected[1])


def test_held_tokens_stay_whatever_the_model_says():
    given = tracks()
    found = sample(
        lambda tracks, inputs, *_: {name: torch.randn_like(x) for name, x in inputs.items()},
        given,
        start_noise(given, [0, 0]),
        schedule(5),
    )
    assert torch.equal(found["video"][:, :4], given["video"].clean[:, 4:8])
    assert not torch.equal(found["video"][:, 4:], given["video"].clean[:, 8:])


def test_noise_depends_on_the_samples_seed_alone():
    given = tracks()
    both, again = start_noise(given, [5, 0]), start_noise(given, [0, 5])
    for name in ("video", "audio"):
        assert torch.equal(both[name][0], again[name][1]) and not torch.equal(both[name][0], both[name][1])
    assert both["video"].shape == (BATCH, 12, 8)
    assert start_noise(tracks("given"), [5, 0]).keys() == {"video"}


def test_nothing_to_generate_or_no_noise_is_refused():
    given = {"audio": tracks("given")["audio"]}
    with pytest.raises(ValueError, match="no modality is generated"):
        sample(Exact(given), given, {}, schedule(2))
    with pytest.raises(ValueError, match="audio is generated but there is no noise"):
        sample(Exact(given), tracks(), start_noise(tracks("given"), [0, 1]), schedule(2))
