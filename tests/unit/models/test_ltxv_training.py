"""LoRAs and whole weights of LTX-Video after some steps through our pass, loaded by what their users load."""

from __future__ import annotations

import pytest
import torch
from zoo import folders

from ltx_core.geometry.grid import VideoGrid
from ltx_core.models.families import family_of
from ltx_core.models.full import load_full, save_full, train_all
from ltx_core.models.info import ModelError, ModelInfo
from ltx_core.models.lora.adapters import add_lora, lora_off, save_lora
from ltx_core.models.ltxv.forward import ltxv_forward
from ltx_core.models.options import LoraOptions
from ltx_core.models.stream import Stream

VIDEO = ("video",)
TARGETS = ("to_k", "to_q", "to_v", "to_out.0", "ff.net.2")


@pytest.fixture(scope="module")
def info(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ltxv") / "model"
    return ModelInfo.read(folders.build_model(folder, "ltxv", "0.9.0", dtype=torch.float32))


def load(info):
    return family_of(info).load_transformer(info)


def given(info):
    draw = torch.Generator().manual_seed(4)
    grid, sigma = VideoGrid(2, 2, 2, info.video_scale, 25.0), torch.tensor([0.6])
    tokens, context = torch.randn(1, 8, 16, generator=draw), torch.randn(1, 5, 32, generator=draw)
    return Stream(tokens, sigma[:, None], sigma, grid.positions()[None], context)


def ours(model, stream):
    with torch.no_grad():
        return ltxv_forward(model, stream, None)[0]


def theirs(model, stream):
    """The library's pass over the same input, as its pipeline calls it."""
    with torch.no_grad():
        return model(
            stream.tokens,
            stream.context,
            stream.sigma * 1000,
            torch.ones(stream.context.shape[:2]),
            num_frames=2,
            height=2,
            width=2,
            rope_interpolation_scale=(8 / 25, 32, 32),
            return_dict=False,
        )[0]


def train(model, stream, steps=3):
    """A few steps towards zero; returns the parameters that learned."""
    learning = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        ltxv_forward(model, stream, None, checkpointing=1)[0].square().mean().backward()
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in learning)
        optimizer.step()
    return learning


def test_a_lora_that_learned_here_does_the_same_in_the_pipeline(info, tmp_path):
    from diffusers import LTXPipeline

    model, stream = load(info), given(info)
    base = ours(model, stream)
    learning = add_lora(model, LoraOptions(rank=4, alpha=8, target_modules=TARGETS), 0, VIDEO)
    assert torch.equal(ours(model, stream), base)
    assert {id(p) for p in train(model, stream)} == {id(p) for p in learning}
    learned = ours(model, stream)
    assert (learned - base).abs().max() > 0.05
    with lora_off(model):
        assert torch.equal(ours(model, stream), base)
    save_lora(tmp_path / "lora.safetensors", model, {})
    pipe = LTXPipeline.from_pretrained(info.path)
    pipe.load_lora_weights(tmp_path / "lora.safetensors")
    torch.testing.assert_close(theirs(pipe.transformer, stream), learned, rtol=0, atol=1e-5)


def test_whole_weights_that_learned_here_are_a_folder_of_the_library(info, tmp_path):
    from diffusers import LTXVideoTransformer3DModel

    model, stream = load(info), given(info)
    base = ours(model, stream)
    train_all(model, VIDEO)
    assert len(train(model, stream)) == len(list(model.parameters()))
    learned = ours(model, stream)
    assert (learned - base).abs().max() > 0.05
    save_full(tmp_path / "transformer", model, [info.path / "transformer"], {"step": "3"})
    read = LTXVideoTransformer3DModel.from_pretrained(tmp_path / "transformer")
    torch.testing.assert_close(theirs(read, stream), learned, rtol=0, atol=1e-5)
    again = load(info)
    load_full(again, tmp_path / "transformer")
    assert torch.equal(ours(again, stream), learned)


def test_audio_layers_are_no_target(info):
    with pytest.raises(ModelError, match=r"audio_attn1\.to_k.*matches no linear layer"):
        add_lora(load(info), LoraOptions(target_modules=("audio_attn1.to_k",)), 0, VIDEO)
