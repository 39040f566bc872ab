"""Six properties of every condition on every modality that it works on, and of the shipped configs.

The cases come from `CONDITIONS`: a condition that is added is tested without a change here, unless it has
fields without a default; those get a strategy in `FIELDS`.
"""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltx_core.assemble import Batch, Scales, assemble
from ltx_core.conditions import CONDITIONS
from ltx_core.config import build, load
from ltx_core.diffusion.levels import schedule
from ltx_core.diffusion.options import LevelParams
from ltx_core.diffusion.track import Track
from ltx_core.errors import ConfigError
from ltx_core.geometry.grid import AudioScale, VideoScale
from ltx_core.modes import MODES, Strategy
from ltx_core.sampling.sampler import sample
from ltx_core.training.draws import Draws
from ltx_core.training.step import StepOptions, prepare, training_step

MODALITIES = ("video", "audio")
CASES = [(c, m) for c in CONDITIONS for m in MODALITIES if m in c.modalities]
REFUSED = [(c, m) for c in CONDITIONS for m in MODALITIES if m not in c.modalities]
HOLDING = [(c, m) for c, m in CASES if not c.attaches]
FIELDS = {}
"""type -> {field: strategy}, for conditions with fields that have no default."""
AT_ONE = StepOptions(level_mode="uniform", level_params=LevelParams(min_value=1, max_value=1))
CONFIGS = Path(__file__).parents[2] / "configs"
MOST_LINES = 25

few = settings(max_examples=50, deadline=None)


def names(cases):
    return [f"{condition.model_fields['type'].default}-{modality}" for condition, modality in cases]


def kind(condition):
    return condition.model_fields["type"].default


@st.composite
def cases(draw, condition, modality, probability=1.0):
    """A strategy with the condition, a batch that has its content, and the model's factors."""
    size = draw(st.integers(1, 3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    frames, height, width = draw(st.integers(2, 4)), 2 * draw(st.integers(1, 2)), 2 * draw(st.integers(1, 2))
    steps = draw(st.integers(1, 9))
    video = torch.randn(size, 4, frames, height, width, generator=generator)
    audio = torch.randn(size, 2, steps, 3, generator=generator)
    fields = draw(st.fixed_dictionaries(FIELDS.get(kind(condition), {})))
    made = condition(probability=probability, **fields)
    content = {}
    for column in made.columns:
        shape = (video if modality == "video" else audio).shape
        if modality == "video" and draw(st.booleans()):
            shape = (*shape[:3], height // 2, width // 2)
        content[column] = torch.randn(shape, generator=generator)
    both = draw(st.booleans())
    streams = {name: {} for name in MODALITIES if both or name == modality}
    streams[modality] = {"conditions": [made.model_dump()]}
    batch = Batch(
        clip_ids=tuple("abc"[:size]),
        video=video if "video" in streams else None,
        audio=audio if "audio" in streams else None,
        audio_present=torch.rand(size, generator=generator) < 0.7 if "audio" in streams else None,
        fps=torch.tensor([draw(st.sampled_from([8.0, 24.0, 29.97])) for _ in range(size)]),
        columns=content,
    )
    scales = Scales(VideoScale(8, 32, 32), AudioScale(16000, 160, 4))
    return Strategy(**streams), batch, scales


def prepared(case, options=AT_ONE, draws=None):
    strategy, batch, scales = case
    return prepare(
        batch,
        batch.clip_ids,
        draws or Draws(seed=1, step=2),
        lambda found, coins: assemble(strategy, found, scales, coins),
        options,
    )


def target_noise(training):
    return {m: noise[:, -training.tracks[m].targets :] for m, noise in training.noise.items()}


@pytest.mark.parametrize(("condition", "modality"), CASES, ids=names(CASES))
@few
@given(data=st.data())
def test_training_at_level_one_is_the_samplers_start_bit_for_bit(condition, modality, data):
    case = data.draw(cases(condition, modality))
    training, seen = prepared(case), {}

    def predict(tracks, inputs, timesteps, levels, variant):
        seen.setdefault("start", (dict(inputs), dict(timesteps), dict(levels)))
        return {name: torch.zeros_like(value) for name, value in inputs.items()}

    sample(predict, assemble(*case), target_noise(training), torch.tensor([1.0, 0.5, 0.0]))
    for found, expected in zip(
        seen["start"], (training.inputs, training.timesteps, training.levels), strict=True
    ):
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(("condition", "modality"), CASES, ids=names(CASES))
@few
@given(data=st.data())
def test_an_exact_model_makes_the_target_and_held_tokens_stay(condition, modality, data):
    case = data.draw(cases(condition, modality))
    training, tracks = prepared(case), assemble(*case)

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
        lambda tracks, inputs, *_: {name: torch.randn_like(x) * 100 for name, x in inputs.items()},
        tracks,
        target_noise(training),
        schedule(3),
    )
    for name, track in tracks.items():
        clean, held = track.clean[:, -track.targets :], track.hold[:, -track.targets :] == 1
        torch.testing.assert_close(found[name], clean, rtol=1e-4, atol=1e-4)
        assert found[name].shape == clean.shape
        assert torch.equal(found[name][held], clean[held]) and torch.equal(wild[name][held], clean[held])


@pytest.mark.parametrize(("condition", "modality"), CASES, ids=names(CASES))
@few
@given(data=st.data())
def test_held_and_attached_predictions_have_no_gradient(condition, modality, data):
    case = data.draw(cases(condition, modality))
    training = prepared(case, StepOptions())
    leaves = {name: torch.randn_like(value).requires_grad_() for name, value in training.inputs.items()}
    training_step(training, lambda *_: leaves, lambda _: {}, StepOptions()).total.backward()
    track = training.tracks[modality]
    touched = track.hold.bool() | ~track.target
    assert touched.any()
    for name, track in training.tracks.items():
        gradient = leaves[name].grad
        learns = track.target & (track.hold == 0)
        if track.present is not None:
            learns &= track.present[:, None]
        assert (gradient[~learns] == 0).all()
        assert (gradient[learns] != 0).any(-1).all()


@pytest.mark.parametrize(("condition", "modality"), CASES, ids=names(CASES))
@few
@given(data=st.data())
def test_draws_are_a_function_of_seed_step_and_sample(condition, modality, data):
    probability = 1.0 if condition.attaches else 0.5
    case = data.draw(cases(condition, modality, probability))
    strategy, batch, scales = case
    whole, again = prepared(case, StepOptions()), prepared(case, StepOptions())
    row = data.draw(st.integers(0, batch.size - 1))
    part = [row]
    alone = prepared(
        (
            strategy,
            Batch(
                clip_ids=(batch.clip_ids[row],),
                video=None if batch.video is None else batch.video[part],
                audio=None if batch.audio is None else batch.audio[part],
                audio_present=None if batch.audio_present is None else batch.audio_present[part],
                fps=batch.fps[part],
                columns={name: value[part] for name, value in batch.columns.items()},
            ),
            scales,
        ),
        StepOptions(),
    )
    other = prepared(case, StepOptions(), Draws(seed=1, step=3))
    for name, track in whole.tracks.items():
        for values in ("noise", "inputs", "timesteps", "levels"):
            found = getattr(whole, values)[name]
            assert torch.equal(found, getattr(again, values)[name])
            assert torch.equal(found[part], getattr(alone, values)[name])
        assert torch.equal(track.hold[part], alone.tracks[name].hold)
        assert not torch.equal(whole.noise[name], other.noise[name])


@pytest.mark.parametrize("modality", MODALITIES)
@few
@given(data=st.data())
def test_the_order_of_conditions_changes_nothing(modality, data):
    attached = [c for c, m in CASES if m == modality and c.attaches][:1]
    found = [c for c, m in HOLDING if m == modality] + attached
    drawn = {c: data.draw(cases(c, modality)) for c in found}
    whole = max(drawn.values(), key=lambda case: len(case[1].columns))
    made = [drawn[c][0].streams[modality].conditions[0].model_dump() for c in found]
    results = []
    for order in list(permutations(made))[:6]:
        streams = {name: {"conditions": list(order)} if name == modality else {} for name in whole[0].streams}
        results.append(assemble(Strategy(**streams), whole[1], whole[2])[modality])
    for track in results[1:]:
        assert torch.equal(track.hold, results[0].hold) and torch.equal(track.clean, results[0].clean)


@few
@given(data=st.data())
def test_holds_commute(data):
    size, tokens = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 8))
    strengths = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=tokens, max_size=tokens)
    holds = [torch.tensor([data.draw(strengths) for _ in range(size)]) for _ in range(3)]
    bare = Track.of(torch.ones(size, tokens, 2), torch.zeros(3, tokens, 2))
    orders = [bare.holding(a).holding(b).holding(c).hold for a, b, c in permutations(holds)]
    assert all(torch.equal(found, torch.stack(holds).amax(0)) for found in orders)


def read(tmp_path, strategy):
    return build({"training_strategy": strategy}, tmp_path, "run.yaml")


@pytest.mark.parametrize(("condition", "modality"), REFUSED, ids=names(REFUSED))
def test_a_condition_is_refused_where_it_makes_no_sense(condition, modality, tmp_path):
    with pytest.raises(ConfigError, match=f"'{kind(condition)}' makes no sense on {modality}: it works on"):
        read(tmp_path, {"video": {}, "audio": {}, modality: {"conditions": [{"type": kind(condition)}]}})


@pytest.mark.parametrize(("condition", "modality"), HOLDING, ids=names(HOLDING))
def test_holding_a_given_modality_is_refused(condition, modality, tmp_path):
    stream = {"is_generated": False, "conditions": [{"type": kind(condition)}]}
    with pytest.raises(ConfigError, match=f"holds tokens of {modality}, which is given whole"):
        read(tmp_path, {"video": {}, "audio": {}, modality: stream})


@pytest.mark.parametrize("condition", CONDITIONS, ids=[kind(c) for c in CONDITIONS])
def test_unknown_fields_and_wrong_values_are_errors(condition, tmp_path):
    modality = condition.modalities[0]
    for wrong, message in (
        ({"strength": 1}, "strength: unknown key"),
        ({"probability": 1.5}, "less than or equal to 1"),
        ({"probability": -0.1}, "greater than or equal to 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            read(tmp_path, {modality: {"conditions": [{"type": kind(condition), **wrong}]}})


def test_a_run_needs_something_to_learn_and_columns_of_its_own(tmp_path):
    with pytest.raises(ConfigError, match="no modality is generated"):
        read(tmp_path, {"video": {"is_generated": False}, "audio": {"is_generated": False}})
    with pytest.raises(ConfigError, match="no modality is generated"):
        read(tmp_path, {})
    with pytest.raises(ConfigError, match="both read the column 'latents'"):
        read(tmp_path, {"video": {"conditions": [{"type": "reference", "latents_dir": "latents"}]}})
    with pytest.raises(ConfigError, match="sound: unknown key"):
        read(tmp_path, {"video": {}, "sound": {}})


SHIPPED = sorted(CONFIGS.glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_shipped_configs_load_are_short_and_name_their_mode(path):
    config = load(path, base_dir=CONFIGS.parent)
    mode = config.training_strategy.mode
    assert mode in {known.name for known in MODES}
    if path.stem.endswith("_lora"):
        assert path.stem.startswith(mode)
    if path.stem != "base":
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        assert len([line for line in lines if line and not line.startswith("#")]) <= MOST_LINES
