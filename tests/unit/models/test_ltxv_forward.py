"""The forward pass of LTX-Video against diffusers' own, on both kinds of positions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ltx_core.conditions.base import Content
from ltx_core.conditions.reference import Reference
from ltx_core.geometry.grid import VideoGrid, VideoScale
from ltx_core.models.ltxv.forward import ltxv_forward
from ltx_core.models.stream import Stream

CAUSAL, PLAIN = VideoScale(8, 32, 32), VideoScale(8, 32, 32, causal=False)
FPS, TEXT, VALID = 25.0, 6, (6, 4)
"""Frames per second, tokens of the context, and how many of them each caption has."""


@pytest.fixture(scope="module")
def model():
    from diffusers import LTXVideoTransformer3DModel

    torch.manual_seed(0)
    return LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=2,
        attention_head_dim=16,
        cross_attention_dim=32,
        num_layers=3,
        caption_channels=20,
    ).eval()


def stream(scale=CAUSAL, held=0, batch=2):
    """A stream whose first `held` tokens are clean, with captions of `VALID` tokens."""
    draw = torch.Generator().manual_seed(1)
    grid = VideoGrid(3, 2, 4, scale, FPS)
    context = torch.randn(batch, TEXT, 20, generator=draw)
    for index in range(batch):
        context[index, VALID[index] :] = 0
    sigma = torch.tensor([0.7, 0.3])[:batch]
    timesteps = sigma[:, None].repeat(1, grid.tokens)
    timesteps[:, :held] = 0
    tokens = torch.randn(batch, grid.tokens, 8, generator=draw)
    positions = grid.positions().expand(batch, 3, grid.tokens, 2)
    return Stream(tokens, timesteps, sigma, positions, context)


def stock(model, given, **coordinates):
    """diffusers' forward of the same inputs, with a mask as its pipelines pass and noise in the padding."""
    mask = torch.zeros(given.context.shape[:2])
    noise = torch.randn(given.context.shape, generator=torch.Generator().manual_seed(9))
    for index in range(len(mask)):
        mask[index, : VALID[index]] = 1
    context = torch.where(mask[..., None] == 1, given.context, noise)
    timesteps = given.timesteps * 1000
    uniform = bool((timesteps == timesteps[:, :1]).all())
    return model(
        given.tokens,
        context,
        timesteps[:, 0] if uniform else timesteps,
        mask,
        return_dict=False,
        **coordinates,
    )[0]


def conditioned_coordinates(fps):
    """What `LTXConditionPipeline` makes of a grid of 3 x 2 x 4 latents."""
    from diffusers import LTXConditionPipeline

    ids = LTXConditionPipeline._prepare_video_ids(2, 3, 2, 4)
    found = LTXConditionPipeline._scale_video_ids(ids, 32, 8).float()
    found[:, 0] /= fps
    return found


@pytest.mark.parametrize("held", [0, 8])
@pytest.mark.parametrize("scale", [CAUSAL, PLAIN], ids=["causal", "plain"])
def test_it_equals_the_librarys_forward_on_the_positions_of_the_librarys_pipelines(model, scale, held):
    given = stream(scale, held)
    if scale.causal:
        coordinates = {"video_coords": conditioned_coordinates(FPS)}
    else:
        coordinates = {
            "num_frames": 3,
            "height": 2,
            "width": 4,
            "rope_interpolation_scale": (8 / FPS, 32, 32),
        }
    with torch.no_grad():
        ours, sound = ltxv_forward(model, given, None)
        theirs = stock(model, given, **coordinates)
        other, _ = ltxv_forward(model, stream(PLAIN if scale.causal else CAUSAL, held), None)
    assert sound is None
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert (other - theirs).abs().max() > 1e-3  # the kind of positions matters


def test_one_level_and_a_stated_mask_are_the_same_as_a_level_per_token_and_rows_of_zeros(model):
    given = stream()
    mask = (given.context != 0).any(-1)
    short = replace(given, timesteps=given.sigma[:, None], context_mask=mask)
    with torch.no_grad():
        whole, brief = ltxv_forward(model, given, None)[0], ltxv_forward(model, short, None)[0]
        second = {name: getattr(given, name)[1:] for name in ("tokens", "timesteps", "sigma", "positions")}
        cut = ltxv_forward(model, Stream(**second, context=given.context[1:, : VALID[1]]), None)[0]
    torch.testing.assert_close(whole, brief, rtol=0, atol=1e-6)
    torch.testing.assert_close(whole[1:], cut, rtol=0, atol=1e-6)  # padding changes nothing


def test_a_reference_of_fewer_frames_begins_where_the_targets_frames_begin():
    for scale in (CAUSAL, PLAIN):
        target, reference = VideoGrid(5, 2, 2, scale, FPS), VideoGrid(3, 1, 1, scale, FPS / 2)
        found = Reference().attach(target, Content(torch.zeros(1, 3, 8), reference)).positions[0, 0, :, 0]
        starts = target.positions()[0, ::4, 0]
        # By the causal rule a reference frame stands for target frames 1 and 2, the next for 3 and 4.
        torch.testing.assert_close(found, starts[[0, 1, 3]] if scale.causal else starts[::2])


def test_guidance_blocks_attend_to_nothing_but_themselves(model):
    given = stream()
    with torch.no_grad():
        plain, _ = ltxv_forward(model, given, None)
        every, _ = ltxv_forward(model, given, None, stg_blocks=(0, 1, 2))
        one, _ = ltxv_forward(model, given, None, stg_blocks=(1,))
        moved = replace(given, tokens=torch.cat([given.tokens[:, :1] + 1, given.tokens[:, 1:]], 1))
        other, _ = ltxv_forward(model, moved, None, stg_blocks=(0, 1, 2))
    assert torch.equal(every[:, 1:], other[:, 1:]) and not torch.equal(every[:, 0], other[:, 0])
    assert (one - plain).abs().max() > 1e-4 and (one - every).abs().max() > 1e-4


def test_recomputed_activations_give_equal_gradients(model):
    gradients = []
    for checkpointing in (0, 1, 2):
        model.zero_grad()
        ltxv_forward(model, stream(held=8), None, checkpointing=checkpointing)[0].square().mean().backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters()})
    model.zero_grad(set_to_none=True)
    assert all(bool(found.any()) for found in gradients[0].values())
    for other in gradients[1:]:
        assert all(torch.equal(found, other[name]) for name, found in gradients[0].items())


def test_bf16_weights_keep_levels_and_positions_precise(model):
    import copy

    with torch.no_grad():
        exact, _ = ltxv_forward(model, stream(), None)
        rough, _ = ltxv_forward(copy.deepcopy(model).to(torch.bfloat16), stream(), None)
    assert rough.dtype == torch.bfloat16
    assert (exact - rough.float()).square().mean().sqrt() < 0.03 * exact.square().mean().sqrt()


def test_sound_is_refused(model):
    with pytest.raises(ValueError, match="has no audio"):
        ltxv_forward(model, stream(), stream())
    with pytest.raises(ValueError, match="needs video"):
        ltxv_forward(model, None, None)
