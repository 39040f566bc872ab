"""Which weights a mode trains and which predictions it looks at, on the demo's transformer."""

from __future__ import annotations

import pytest
import torch
from tiny import FRAMES, IDS, SIDE, STEPS, backward, contexts, prepared, transformer
from toy import accelerator

from ltx_core.conditions import CONDITIONS
from ltx_core.diffusion.levels import draw_level
from ltx_core.diffusion.options import LevelParams
from ltx_core.models.full import train_all
from ltx_core.models.lora.adapters import add_lora, load_lora_state, lora_state
from ltx_core.models.names import BOTH, modality_of
from ltx_core.models.options import LoraOptions
from ltx_core.models.velocity import Velocity
from ltx_core.modes import Strategy
from ltx_core.training.draws import Draws
from ltx_core.training.step import StepOptions, training_step
from ltx_core.training.update import loss_tables, read, step_losses

EVERYWHERE = LoraOptions(rank=2, target_modules=("to_k", "to_q", "to_v", "to_out.0", "net.2"))
OUTPUTS = ("proj_out", "scale_shift_table", "norm_out")
FIELDS = {"prefix": {"temporal_boundary": 1}, "suffix": {"temporal_boundary": 2}}
FIELDS["spatial_crop"] = {"spatial_region": (0, 16, 32, 64)}
CASES = [
    (condition.model_fields["type"].default, modality)
    for condition in CONDITIONS
    for modality in condition.modalities
]


def of_lora(modalities, loaded=BOTH):
    """A transformer whose adapters have left zero, so that both halves of each can get a gradient."""
    model = transformer(loaded)
    add_lora(model, EVERYWHERE, 0, modalities)
    draw = torch.Generator().manual_seed(3)
    state = {n: t + 0.05 * torch.randn(t.shape, generator=draw) for n, t in lora_state(model).items()}
    load_lora_state(model, state)
    return model


def trained(model):
    """Names of the parameters with a gradient that is not zero."""
    named = model.named_parameters()
    return {name for name, p in named if p.grad is not None and bool(p.grad.any())}


def condition(kind, modality):
    columns = {
        "reference": {"latents_dir": {"video": "reference_latents", "audio": "reference_audio_latents"}},
        "mask": {"mask_dir": {"video": "video_masks", "audio": "audio_masks"}},
    }
    fields = {name: each[modality] for name, each in columns.get(kind, {}).items()}
    return {"type": kind, **FIELDS.get(kind, {}), **fields}


@pytest.mark.parametrize(("alone", "other"), [BOTH, BOTH[::-1]])
@pytest.mark.parametrize("adapted", [True, False], ids=["lora", "full"])
def test_the_other_modality_and_the_cross_attentions_learn_nothing(alone, other, adapted):
    """In the whole model too, where their layers are there and could learn."""
    model = of_lora(BOTH) if adapted else transformer()
    if not adapted:
        train_all(model, BOTH)
    backward(Velocity(model), Strategy(**{alone: {}}))
    got = trained(model)
    assert got and {modality_of(name) for name in got} == {alone}
    assert all(p.grad is None for name, p in model.named_parameters() if modality_of(name) != alone)
    part = of_lora([alone], [alone])
    backward(Velocity(part), Strategy(**{alone: {}}))
    assert adapted is False or trained(part) == got


@pytest.mark.parametrize(("made", "given"), [BOTH, BOTH[::-1]])
def test_a_given_modality_learns_only_what_it_tells_the_other(made, given):
    model = transformer()
    train_all(model, BOTH)
    strategy = Strategy(**{made: {}, given: {"is_generated": False}})
    tracks, predictions = backward(Velocity(model, checkpointing=True), strategy)
    prefix = {"video": "", "audio": "audio_"}[given]
    for name, parameter in model.named_parameters():
        if name.split(".")[0] in [prefix + output for output in OUTPUTS]:
            assert parameter.grad is None, f"{name} makes a prediction that has no loss"
    got, last = trained(model), f"transformer_blocks.{len(model.transformer_blocks) - 1}."
    towards = f"{given}_to_{made}_attn"
    assert {name for name in got if towards in name} == {
        name for name, _ in model.named_parameters() if towards in name
    }
    backwards = [name for name in got if name.startswith(last) and f"{made}_to_{given}_attn" in name]
    assert backwards == [] and not any(name.startswith(f"{last}{prefix}ff.") for name in got)
    assert any(name.startswith(f"transformer_blocks.0.{prefix}attn1") for name in got)
    assert predictions[given].grad is None and not tracks[given].loss_tokens.any()


@pytest.mark.parametrize(("kind", "modality"), CASES)
def test_held_and_attached_tokens_have_no_gradient(kind, modality):
    strategy = Strategy(**{modality: {"conditions": [condition(kind, modality)]}})
    model = of_lora([modality], [modality])
    tracks, predictions = backward(Velocity(model), strategy)
    track, gradient = tracks[modality], predictions[modality].grad
    kept = ~track.target | (track.hold > 0)
    assert kept.any() and not kept.all() and torch.equal(track.loss_tokens, ~kept)
    assert not gradient[kept].any(), "exactly 0"
    assert gradient[~kept].abs().amin(-1).gt(0).all()
    soft = (track.hold > 0) & (track.hold < 1)
    assert bool(soft.any()) == (kind == "mask"), "a soft value is held in part, and has no loss"
    assert trained(model)


def test_sound_alone_has_its_own_levels_and_losses():
    alone, both = Strategy(audio={}), Strategy(video={}, audio={})
    ready = prepared(alone)

    def drawn(owner, tokens):
        return draw_level("shifted_logit_normal", Draws(7, 0).levels(owner, IDS), tokens, LevelParams())

    assert ready.levels.keys() == {"audio"} and torch.equal(ready.levels["audio"], drawn("audio", STEPS))
    assert torch.equal(prepared(both).levels["audio"], ready.levels["audio"]), "video or not"
    assert torch.equal(prepared(alone, shared_level=True).levels["audio"], drawn("any", STEPS))
    shared = prepared(both, shared_level=True).levels
    assert torch.equal(shared["audio"], drawn("any", FRAMES * SIDE**2)), "the first generated one's tokens"
    assert torch.equal(shared["audio"], shared["video"])

    def nothing(tracks, inputs, *rest):
        return {name: torch.zeros_like(value) for name, value in inputs.items()}

    result = training_step(ready, nothing, contexts, StepOptions())
    rows, _ = read(loss_tables(accelerator(), [result], 0), torch.tensor(0.0))
    row = step_losses(rows, {"video": 3.0, "audio": 0.5})
    assert row["loss"] == 0.5 * row["loss_audio"] and not any("video" in name for name in row)
    quarters = {min(int(level * 4), 3) + 1 for level in ready.levels["audio"].tolist()}
    assert {q for q in range(1, 5) if row[f"loss_audio_q{q}"] is not None} == quarters
