"""The strategy's numbers against tensors computed once by the public LTX-2 trainer (docs/modes.md)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from ltx_core.assemble import Batch, Scales, assemble, audio_tokens, video_tokens
from ltx_core.diffusion.flow_match import corrupt, velocity_target
from ltx_core.diffusion.levels import draw_level, shift
from ltx_core.diffusion.loss import masked_mse
from ltx_core.diffusion.options import LevelParams
from ltx_core.geometry.grid import AudioGrid, AudioScale, VideoGrid, VideoScale
from ltx_core.modes import Strategy

DATA = Path(__file__).parent / "data"
SCALES = Scales(VideoScale(8, 32, 32), AudioScale(16000, 160, 4))


def load(name):
    with safe_open(DATA / f"{name}.safetensors", "pt") as file:
        names = list(file.keys())
        return {name: file.get_tensor(name) for name in names}, json.loads(file.metadata()["json"])


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


CASES = ["t2v", "i2v", "video_extend", "v2v_ic", "a2v", "video_inpainting", "t2a", "a2a_ic"]
CONTENT = ("in.ref_video.", "in.ref_audio.", "in.mask.")


@pytest.mark.parametrize("case", CASES)
def test_strategy_case(case):
    tensors, facts = load(case)
    strategy = Strategy(**facts["config"])
    assert strategy.mode == case
    content = {
        name.removeprefix(start): value
        for name, value in tensors.items()
        for start in CONTENT
        if name.startswith(start)
    }
    batch = Batch(
        clip_ids=("a", "b"),
        video=tensors.get("in.video_latents"),
        audio=tensors.get("in.audio_latents"),
        fps=torch.full((2,), facts["shapes"].get("video", {"fps": 24.0})["fps"]),
        columns=content,
    )
    total = torch.zeros(2)
    for modality, track in assemble(strategy, batch, SCALES).items():
        patchify = video_tokens if modality == "video" else audio_tokens
        if not track.generated:
            assert not track.loss_tokens.any()
            given, timesteps = corrupt(track, torch.full_like(track.clean, 9.0), torch.zeros(2))
            close(given, tensors[f"out.{modality}_tokens"])
            close(timesteps, tensors[f"out.{modality}_timesteps"])
            close(track.positions, tensors[f"out.{modality}_positions"])
            continue
        noise = patchify(tensors[f"in.noise_{modality}"])
        attached = track.clean.shape[1] - track.targets
        noise = torch.cat([torch.zeros_like(track.clean[:, :attached]), noise], 1)
        tokens, timesteps = corrupt(track, noise, tensors[f"in.sigma_{modality}"])
        target = velocity_target(track.clean, noise)
        loss = masked_mse(tensors[f"in.pred_{modality}"], target, track.loss_tokens)
        total += loss
        close(tokens, tensors[f"out.{modality}_tokens"])
        close(timesteps, tensors[f"out.{modality}_timesteps"])
        close(track.positions, tensors[f"out.{modality}_positions"])
        close(target[:, attached:], tensors[f"out.{modality}_targets"])
        assert torch.equal(track.loss_tokens, tensors[f"out.{modality}_loss_mask"])
        close(loss, tensors[f"out.loss_{modality}"])
    close(total, tensors["out.loss"])


def test_positions():
    tensors, facts = load("positions")
    for case in facts["grids"]:
        grid = VideoGrid(
            case["F"], case["H"], case["W"], VideoScale(*case["scale_time_height_width"]), case["fps"]
        )
        close(grid.positions()[None], tensors[case["key"]])
    for key in (name for name in tensors if name.startswith("audio.T")):
        close(AudioGrid(int(key.removeprefix("audio.T")), SCALES.audio).positions()[None], tensors[key])


def test_levels_from_given_draws():
    tensors, facts = load("timestep_sampler_injected")
    draws = torch.stack([tensors["in.normals"], tensors["in.uniforms"], tensors["in.mix_draw"]])
    for tokens, mean in facts["shift_mu"].items():
        assert shift(int(tokens)) == pytest.approx(mean, rel=1e-9)
    checked = 0
    for key, expected in tensors.items():
        if key.startswith("out."):
            _, variant, length = key.split(".")
            params = LevelParams(**facts["variants"][variant])
            close(draw_level("shifted_logit_normal", draws, int(length[3:]), params), expected)
            checked += 1
    assert checked == 19


def test_levels_quantiles():
    tensors, _ = load("timestep_sampler_quantiles")
    generator = torch.Generator().manual_seed(0)
    count = 200_000
    for tokens in (25, 1024, 8192):
        draws = torch.stack(
            [torch.randn(count, generator=generator), *torch.rand(2, count, generator=generator)]
        )
        levels = draw_level("shifted_logit_normal", draws, tokens, LevelParams())
        found = torch.quantile(levels.double(), tensors["quantile_levels"])
        mean, std = tensors[f"quantiles.seq{tokens}.mean"], tensors[f"quantiles.seq{tokens}.std"]
        assert ((found - mean).abs() <= 3 * std + 1e-6).all()
