"""Six properties of every condition on every modality that it works on, alone and two or three together."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltx_core.assemble import assemble
from ltx_core.conditions import FirstFrame
from ltx_core.diffusion.levels import schedule
from ltx_core.diffusion.options import LevelParams
from ltx_core.geometry.grid import VideoGrid, VideoScale
from ltx_core.modes import Strategy
from ltx_core.sampling.sampler import sample
from ltx_core.training.draws import Draws
from ltx_core.training.step import StepOptions, training_step
from tests.properties.cases import HOLDING, KINDS, cases, combinations, names, prepared, row_of

AT_ONE = StepOptions(level_mode="uniform", level_params=LevelParams(min_value=1, max_value=1))
TOGETHER = "two or three"
EVERY = pytest.mark.parametrize(
    "picked", [*[[found] for found in KINDS], TOGETHER], ids=[*names(KINDS), TOGETHER]
)
few = settings(max_examples=40, deadline=None)


def case_of(data, picked, probability=1.0):
    kinds = data.draw(combinations()) if picked == TOGETHER else picked
    return data.draw(cases(kinds, probability))


def target_noise(training):
    return {m: noise[:, -training.tracks[m].targets :] for m, noise in training.noise.items()}


@EVERY
@few
@given(data=st.data())
def test_training_at_level_one_is_the_samplers_start_bit_for_bit(picked, data):
    case = case_of(data, picked)
    training, seen = prepared(case, AT_ONE), {}

    def predict(tracks, inputs, timesteps, levels, variant):
        seen.setdefault("start", (dict(inputs), dict(timesteps), dict(levels)))
        return {name: torch.zeros_like(value) for name, value in inputs.items()}

    sample(predict, assemble(*case), target_noise(training), torch.tensor([1.0, 0.5, 0.0]))
    for found, expected in zip(
        seen["start"], (training.inputs, training.timesteps, training.levels), strict=True
    ):
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


@EVERY
@few
@given(data=st.data())
def test_an_exact_model_makes_the_target_and_held_tokens_stay(picked, data):
    case = case_of(data, picked)
    training, tracks = prepared(case, AT_ONE), assemble(*case)

    def exact(tracks, inputs, timesteps, levels, variant):
        # What is predicted for tokens at level 0 must not matter.
        made = {}
        for name, track in tracks.items():
            kept = (track.hold == 1) | ~track.target
            assert torch.equal(inputs[name][kept], track.clean[kept])
            assert (timesteps[name][kept] == 0).all()
            velocity = training.noise[name] - track.clean
            made[name] = velocity.where(timesteps[name][..., None] > 0, torch.tensor(1e3))
        return made

    found = sample(exact, tracks, target_noise(training), schedule(6))
    wild = sample(
        lambda tracks, inputs, *_: {name: torch.full_like(x, 77.0) for name, x in inputs.items()},
        tracks,
        target_noise(training),
        schedule(3),
    )
    for name, track in tracks.items():
        clean, held = track.clean[:, -track.targets :], track.hold[:, -track.targets :] == 1
        torch.testing.assert_close(found[name], clean, rtol=1e-4, atol=1e-4)
        assert found[name].shape == clean.shape
        assert torch.equal(found[name][held], clean[held]) and torch.equal(wild[name][held], clean[held])
        free = track.hold[:, -track.targets :] == 0
        assert (wild[name][free] != clean[free]).any(-1).all()


@EVERY
@few
@given(data=st.data())
def test_held_and_attached_predictions_have_no_gradient(picked, data):
    case = case_of(data, picked)
    training = prepared(case, StepOptions())
    leaves = {name: torch.randn_like(value).requires_grad_() for name, value in training.inputs.items()}
    training_step(training, lambda *_: leaves, lambda _: {}, StepOptions()).total.backward()
    assert any((track.hold.bool() | ~track.target).any() for track in training.tracks.values())
    for name, track in training.tracks.items():
        gradient = leaves[name].grad
        learns = track.target & (track.hold == 0)
        if track.present is not None:
            learns &= track.present[:, None]
        assert (gradient[~learns] == 0).all()
        assert (gradient[learns] != 0).any(-1).all()


@EVERY
@few
@given(data=st.data())
def test_draws_are_a_function_of_seed_step_and_sample(picked, data):
    attaches = picked == TOGETHER or any(condition.attaches for condition, _ in picked)
    case = case_of(data, picked, 1.0 if attaches else 0.5)
    strategy, batch, scales = case
    whole, again = prepared(case, StepOptions()), prepared(case, StepOptions())
    row = data.draw(st.integers(0, batch.size - 1))
    alone = prepared((strategy, row_of(batch, row), scales), StepOptions())
    other = prepared(case, StepOptions(), Draws(seed=1, step=3))
    for name, track in whole.tracks.items():
        for values in ("noise", "inputs", "timesteps", "levels"):
            found = getattr(whole, values)[name]
            assert torch.equal(found, getattr(again, values)[name])
            assert torch.equal(found[[row]], getattr(alone, values)[name])
        assert torch.equal(track.hold[[row]], alone.tracks[name].hold)
        assert not torch.equal(whole.noise[name], other.noise[name])


@pytest.mark.parametrize("probability", [1.0, 0.5])
@few
@given(data=st.data())
def test_holding_conditions_commute(probability, data):
    modality = data.draw(st.sampled_from(["video", "audio"]))
    known = [found for found in HOLDING if found[1] == modality]
    kinds = data.draw(st.lists(st.sampled_from(known), min_size=2, max_size=3, unique=True))
    strategy, batch, scales = data.draw(cases(kinds, probability))
    made = [condition.model_dump() for condition in strategy.streams[modality].conditions]
    results = []
    for order in permutations(made):
        streams = {name: {"conditions": list(order)} if name == modality else {} for name in strategy.streams}
        results.append(prepared((Strategy(**streams), batch, scales), StepOptions()))
    for training in results[1:]:
        for name, track in training.tracks.items():
            assert torch.equal(track.hold, results[0].tracks[name].hold)
            assert torch.equal(training.inputs[name], results[0].inputs[name])
            assert torch.equal(training.timesteps[name], results[0].timesteps[name])


@few
@given(data=st.data())
def test_a_probability_is_met_when_the_draw_is_strictly_below_it(data):
    condition, modality = data.draw(st.sampled_from(KINDS))
    probability = data.draw(st.sampled_from([0.0, 0.25, 1.0]))
    strategy, batch, scales = data.draw(cases([(condition, modality)], probability))
    for coin in (0.0, 0.125, 0.25, 0.999):
        track = assemble(strategy, batch, scales, lambda m, i, ids, c=coin: torch.full((len(ids),), c))[
            modality
        ]
        applied = bool((track.hold.bool() | ~track.target).any())
        assert applied == (coin < probability)


@few
@given(data=st.data())
def test_what_is_held_is_what_the_positions_say(data):
    """Prefix, suffix, first frame and crop, told from the tokens' own times, rows and columns."""
    condition, modality = data.draw(st.sampled_from(HOLDING))
    strategy, batch, scales = data.draw(cases([(condition, modality)]))
    (made,) = strategy.streams[modality].conditions
    track = assemble(strategy, batch, scales)[modality]
    for row in range(batch.size):
        start, end = track.positions[row, 0].T
        if made.type == "first_frame":
            expected = start == 0
        elif made.type in ("prefix", "suffix"):
            times = sorted(set(end.tolist()))
            count = made.temporal_boundary
            expected = (
                end <= times[count - 1] if made.type == "prefix" else end > times[len(times) - count - 1]
            )
        elif made.type == "spatial_crop":
            (y1, y2), (x1, x2) = track.positions[row, 1].T, track.positions[row, 2].T
            top, left, bottom, right = made.spatial_region
            expected = (y1 >= top) & (y2 <= bottom) & (x1 >= left) & (x2 <= right)
        else:
            expected = batch.columns[made.mask_dir][row].flatten()
        assert torch.equal(track.hold[row], expected.float())


@few
@given(data=st.data())
def test_references_end_with_their_target_and_lie_on_its_picture(data):
    """Each reference by itself: its rows and columns span the target's, and both end together."""
    reference = next(found for found in KINDS if found[0].attaches and found[1] == "video")
    strategy, batch, scales = data.draw(cases([reference, reference]))
    track = assemble(strategy, batch, scales)["video"]
    target = track.positions[:, :, track.clean.shape[1] - track.targets :]
    offset = 0
    for condition in reversed(strategy.video.conditions):  # the last one attached stands in front
        latents = batch.columns[condition.latents_dir]
        count = latents[0, 0].numel()
        own = track.positions[:, :, offset : offset + count]
        offset += count
        ends = own.amax((2, 3)), target.amax((2, 3))
        torch.testing.assert_close(ends[0], ends[1])
        assert (own.amin((2, 3)) == target.amin((2, 3))).all()
    assert offset == track.clean.shape[1] - track.targets


def test_a_single_frame_keeps_nothing_of_itself():
    scale = VideoScale(8, 32, 32)
    assert FirstFrame().hold(VideoGrid(1, 2, 2, scale), None).sum() == 0
    assert FirstFrame().hold(VideoGrid(2, 2, 2, scale), None).sum() == 4
