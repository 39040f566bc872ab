"""Properties of the forward pass that golden outputs do not show."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ltx_core.diffusion.track import Track
from ltx_core.geometry.grid import VideoGrid, VideoScale
from ltx_core.models.forward import transformer_forward
from ltx_core.models.stream import Stream, first_frame_marker


@pytest.mark.parametrize("newer", [True, False])
def test_checkpointing_gives_equal_gradients(transformer, streams, newer):
    model, given = transformer(newer), streams(newer)
    gradients = []
    for checkpointing in (False, True):
        model.zero_grad()
        outputs = transformer_forward(model, **given, checkpointing=checkpointing)
        sum(o.square().mean() for o in outputs).backward()
        gradients.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    assert len(gradients[0]) == len(list(model.parameters()))
    assert all(torch.equal(gradients[0][n], gradients[1][n]) for n in gradients[0])


@pytest.mark.parametrize("alone, other", [("video", "audio"), ("audio", "video")])
def test_an_absent_stream_runs_no_layer_and_equals_isolation(transformer, streams, alone, other):
    model, given = transformer(), streams()
    ran = []
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(lambda *_, name=name: ran.append(name))
    with torch.no_grad():
        together = transformer_forward(model, **given, cross_attention=False)
        ran.clear()
        single = transformer_forward(model, **{alone: given[alone], other: None})
    index = ["video", "audio"].index(alone)
    assert torch.equal(single[index], together[index]) and single[1 - index] is None
    assert ran and not any(
        "a2v" in n or "v2a" in n or "av_cross" in n or "_to_" in n.split(".to_")[0] for n in ran
    )
    assert all(
        any(part.startswith("audio_") for part in name.split(".")) == (alone == "audio") for name in ran
    )


def test_an_absent_sample_gives_nothing_to_the_other_stream(transformer, streams):
    model, given = transformer(), streams()
    present = torch.tensor([True, False])
    with torch.no_grad():
        whole, _ = transformer_forward(model, **given)
        apart, _ = transformer_forward(model, **given, cross_attention=False)
        given["audio"] = replace(given["audio"], present=present)
        mixed, _ = transformer_forward(model, **given)
    torch.testing.assert_close(mixed[0], whole[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(mixed[1], apart[1], rtol=0, atol=1e-6)
    assert (mixed[1] - whole[1]).abs().max() > 1e-4


def test_one_level_for_all_tokens_equals_a_level_per_token(transformer, streams):
    model, given = transformer(), streams()
    uniform = {m: replace(s, timesteps=s.sigma[:, None].expand_as(s.timesteps)) for m, s in given.items()}
    short = {m: replace(s, timesteps=s.sigma[:, None]) for m, s in given.items()}
    with torch.no_grad():
        for a, b in zip(
            transformer_forward(model, **uniform), transformer_forward(model, **short), strict=True
        ):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


def test_marker_moves_only_the_target_of_models_that_have_one(transformer, streams):
    grid = VideoGrid(3, 2, 2, VideoScale(8, 32, 32))
    track = Track.of(torch.randn(2, 12, 8), grid.positions())
    reference = VideoGrid(1, 2, 2, VideoScale(8, 32, 32)).positions()
    attached = track.attaching(torch.randn(2, 4, 8), reference.expand(2, *reference.shape))
    marker = first_frame_marker(attached)
    assert marker[0].tolist() == [False] * 4 + [True] * 4 + [False] * 8
    given = streams()
    video = Stream.of(attached, attached.clean, attached.hold, torch.ones(2), given["video"].context)
    for has_marker in (True, False):
        model = transformer(use_keyframes_abs_pos_embedding=has_marker)
        with torch.no_grad():
            if has_marker:
                model.keyframes_abs_pos_embedding.fill_(0.5)
            marked, _ = transformer_forward(model, video, None)
            plain, _ = transformer_forward(model, replace(video, marker=None), None)
        assert torch.equal(marked, plain) != has_marker


def test_bf16_base_keeps_levels_and_positions_precise(transformer, streams):
    model, given = transformer(), streams()
    with torch.no_grad():
        exact = transformer_forward(model, **given)
        rough = transformer_forward(model.to(torch.bfloat16), **given)
    for a, b in zip(exact, rough, strict=True):
        assert b.dtype == torch.bfloat16
        assert (a - b.float()).square().mean().sqrt() < 0.03 * a.square().mean().sqrt()


def test_without_any_stream_it_refuses(transformer):
    with pytest.raises(ValueError, match="at least one"):
        transformer_forward(transformer(), None, None)
