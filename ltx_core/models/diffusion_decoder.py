"""LTX-2.5's diffusion decoder: latents to pixels by a small diffusion model in place of the autoencoder's.

Design choices
- The library's class runs it, but for its attention: there every token sees its neighbours, and the library
  needs either a kernel that is fetched from the network or a mask of all pairs of tokens, which no memory
  holds at real sizes. Ours takes a block of queries with the window that they reach: plain attention, the
  same numbers, memory that does not grow with the video.
- The noise that it takes away comes from a seed of its own: decoding has one result.
- It is loaded when the first video is decoded, since encoding never needs it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ltx_core.models.info import ModelInfo
from ltx_core.models.loading import load_component
from ltx_core.models.tiling.cut import TilingMode

BLOCK = (4, 8, 8)
"""Frames, rows and columns of queries that are worked on at a time."""
DECODE_SEED = 0
"""Seed of the noise."""


@dataclass(frozen=True)
class DiffusionDecoder:
    """The diffusion decoder of a model, read from its files when it is first used.

    Attributes:
        info: the model.
        device, dtype: where and in which type it runs.
        tiling: `always` decodes the last two stages in the library's overlapping tiles, which is close to the
            whole but not equal.
    """

    info: ModelInfo
    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float32
    tiling: TilingMode = "auto"

    @cached_property
    def module(self) -> Any:
        """`LTX2VideoDiffusionDecoderModel`.

        Raises:
            ModelError: when the model has none, or it is damaged.
        """
        from diffusers import LTX2VideoDiffusionDecoderModel

        self.info.require("diffusion_decoder")
        part = self.info.part("diffusion_decoder")
        found = load_component(
            part, lambda: LTX2VideoDiffusionDecoderModel.from_config(part.config), self.device, self.dtype
        )
        return prepared(found, self.tiling)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Pixels `[B, 3, F, H, W]` in [-1, 1], float32, of normalised latents `[B, C, f, h, w]`."""
        module, shape = self.module, (1, -1, 1, 1, 1)
        latents = latents.to(self.device, torch.float32)
        mean, std = module.latents_mean.to(latents).view(shape), module.latents_std.to(latents).view(shape)
        raw = (latents * std / module.config.scaling_factor + mean).to(module.dtype)
        generator = torch.Generator().manual_seed(DECODE_SEED)
        pixels: Tensor = module.decode(raw, generator=generator, return_dict=False)[0]
        return pixels.float().clamp(-1, 1)


def prepared(module: Any, tiling: TilingMode = "auto") -> Any:
    """`LTX2VideoDiffusionDecoderModel` with our attention."""
    module.set_attn_processor(NeighbourAttention())
    if tiling == "always":
        module.enable_tiling()
    return module


class NeighbourAttention:
    """Attention of every token to the window around it, moved inwards at the edges, block by block."""

    def __call__(self, attn: Any, hidden_states: Tensor, block_mask: None = None) -> Tensor:
        """The layer's result `[B, T, H, W, C]`; the signature is the library's."""
        grid = hidden_states.shape[1:4]
        kernel = tuple(min(size, length) for size, length in zip(attn.kernel_size, grid, strict=True))
        query, key, value = attn.project_qkv(hidden_states)
        result = torch.empty_like(value)
        for block in itertools.product(*map(_spans, grid, BLOCK, kernel)):
            queries, keys = ((slice(None), *(span[i] for span in block)) for i in (0, 1))
            mask = _reach(block, grid, kernel, hidden_states.device)
            result[queries] = _attended(query[queries], key[keys], value[keys], mask)
        projected: Tensor = attn.to_out[0](result.flatten(4))
        return projected


Span = tuple[slice, slice]
"""Queries along one axis, and the keys that they reach."""


def _spans(length: int, step: int, kernel: int) -> Iterator[Span]:
    for start in range(0, length, step):
        stop = min(start + step, length)
        yield (
            slice(start, stop),
            slice(_first(start, length, kernel), _first(stop - 1, length, kernel) + kernel),
        )


def _first(position: int, length: int, kernel: int) -> int:
    """The first key that a query sees."""
    return max(0, min(position - kernel // 2, length - kernel))


def _reach(
    block: tuple[Span, ...], grid: torch.Size, kernel: tuple[int, ...], device: torch.device
) -> Tensor:
    """Which query of a block `[Q]` sees which key of its window: `[Q, K]`."""
    seen = torch.ones(1, 1, dtype=torch.bool, device=device)
    for (queries, keys), length, size in zip(block, grid, kernel, strict=True):
        position = torch.arange(queries.start, queries.stop, device=device)
        first = (position - size // 2).clamp(0, length - size)[:, None]
        other = torch.arange(keys.start, keys.stop, device=device)[None]
        seen = torch.kron(seen, (other >= first) & (other < first + size))
    return seen


def _attended(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Attention of `[B, t, h, w, heads, d]`; the queries are scaled already."""
    queries, keys, values = (part.flatten(1, 3).transpose(1, 2) for part in (query, key, value))
    found = scaled_dot_product_attention(queries, keys, values, attn_mask=mask, scale=1.0)
    return found.transpose(1, 2).reshape(query.shape)
