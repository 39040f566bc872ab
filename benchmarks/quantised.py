"""A quantised base beside an exact one: bytes, time of a LoRA's training step, error of a forward pass."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks.measure import Result, in_turns, per_second
from benchmarks.one_modality import LTX23
from ltx_core.geometry.grid import VideoGrid, VideoScale
from ltx_core.models.forward import transformer_forward
from ltx_core.models.lora.adapters import add_lora
from ltx_core.models.memory.weights import transformer_bytes
from ltx_core.models.options import LoraOptions
from ltx_core.models.quantise.layers import quantise
from ltx_core.models.quantise.methods import SKIP_TRANSFORMER, Method
from ltx_core.models.stream import Stream

ALL: tuple[Method, ...] = ("int8", "fp8", "int4", "nf4")
MIDDLE: dict[str, Any] = {
    **LTX23,
    "num_attention_heads": 4,
    "cross_attention_dim": 512,
    "audio_num_attention_heads": 4,
    "audio_cross_attention_dim": 256,
    "num_layers": 4,
}
"""LTX-2.3's proportions, an eighth as wide and four blocks deep."""
GRID = (3, 8, 10)
"""Latent frames, rows, columns: 240 tokens."""
CONTEXT = 64
"""Text tokens."""


def quantised(rounds: int) -> list[Result]:
    """Three lines for each method: LTX-2.3's bytes, seconds of a step, and how far a forward pass is off."""
    from diffusers import LTX2VideoTransformer3DModel

    torch.manual_seed(0)
    model = LTX2VideoTransformer3DModel(**MIDDLE).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if name.endswith("scale_shift_table"):
            parameter.normal_()  # gates as large as trained ones: as made, they hide what blocks compute
    exact = _Training(copy.deepcopy(model))
    expected = exact.forward()
    found = list(_real_sizes())
    for method in ALL:
        base = copy.deepcopy(model)
        quantise(base, method, SKIP_TRANSFORMER)
        own = _Training(base)
        error = float((own.forward() - expected).norm() / expected.norm())
        pair = in_turns(own.step, exact.step, rounds)
        speeds = per_second(1, pair.ours, "steps"), per_second(1, pair.bare, "steps")
        found.append(Result(f"training step on a base in {method}", "the exact base", pair.ratio, *speeds))
        found.append(Result(f"forward pass in {method}", "the exact base", None, f"{error:.2%} off (rms)"))
    return found


class _Training:
    """A LoRA's step on random latents of a video, with gradient checkpointing."""

    def __init__(self, model: Any) -> None:
        cuda = torch.cuda.is_available()
        # bfloat16 is what is trained in; a CPU without instructions for it would measure their absence.
        device, dtype = ("cuda", torch.bfloat16) if cuda else ("cpu", torch.float32)
        self.model = model.to(device, dtype)
        learning = add_lora(self.model, LoraOptions(rank=16), 0, ["video"])
        self.optimizer = torch.optim.AdamW(learning, lr=1e-4)
        draw = torch.Generator().manual_seed(1)
        positions = VideoGrid(*GRID, VideoScale(8, 32, 32)).positions()[None]
        count = positions.shape[2]
        self.stream = Stream(
            tokens=torch.randn(1, count, 128, generator=draw).to(device, dtype),
            timesteps=torch.full((1, count), 0.6, device=device),
            sigma=torch.full((1,), 0.6, device=device),
            positions=positions.to(device),
            context=torch.randn(1, CONTEXT, 512, generator=draw).to(device, dtype),
        )

    @torch.no_grad()
    def forward(self) -> Tensor:
        """The velocity."""
        found, _ = transformer_forward(self.model, self.stream, None)
        assert found is not None
        return found.float()

    def step(self) -> None:
        """Forward, backward, optimizer."""
        found, _ = transformer_forward(self.model, self.stream, None, checkpointing=1)
        assert found is not None
        found.float().square().mean().backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.synchronize()


def _real_sizes() -> Iterator[Result]:
    """Bytes of LTX-2.3's transformer, from the shapes of its layers: nothing is loaded."""
    from accelerate import init_empty_weights
    from diffusers import LTX2VideoTransformer3DModel

    with init_empty_weights():
        model = LTX2VideoTransformer3DModel(**LTX23)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    whole = transformer_bytes(shapes, 2).resident()
    for method in ALL:
        size = transformer_bytes(shapes, 2, method).resident()
        amounts = f"{size / 1e9:.1f} GB", f"{whole / 1e9:.1f} GB"
        yield Result(f"LTX-2.3's transformer in {method}", "in bfloat16", size / whole, *amounts)
