"""Noise levels: drawn for training, listed for sampling.

The shifted logit-normal follows the public LTX-2 trainer 1.2 (checked by `tests/golden/`): the mean of
the normal is linear in the token count, the result is stretched to reach 0 and 1, and one draw in ten
is uniform.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ltx_core.diffusion.options import LevelMode, LevelParams

SHIFT_ANCHORS = ((1024, 0.95), (4096, 2.05))
"""(tokens, mean) points of the line through which the mean of the normal runs; not clamped (LTX-2)."""
SAMPLING_SHIFT = 2.05
"""The line's value at 4096 tokens, used for sampling whatever the size (public trainer's validation)."""
TERMINAL = 0.1
"""The last level before 0 when sampling (LTX-2 scheduler's shift_terminal)."""
LOW_QUANTILE, HIGH_QUANTILE = 2.5758, 3.0902
"""Standard normal quantiles at 0.5% and 99.9%, between which the sigmoid is stretched to [0, 1]."""


def shift(tokens: int) -> float:
    """Mean of the normal for a target of `tokens` tokens."""
    (low_tokens, low), (high_tokens, high) = SHIFT_ANCHORS
    return low + (high - low) * (tokens - low_tokens) / (high_tokens - low_tokens)


def shifted_logit_normal(
    normal: Tensor, uniform: Tensor, mix: Tensor, tokens: int, params: LevelParams
) -> Tensor:
    """Levels `[B]` from standard normal, uniform and mixing draws `[B]`."""
    mean = shift(tokens)
    ends = torch.tensor([mean - LOW_QUANTILE * params.std, mean + HIGH_QUANTILE * params.std])
    low, high = torch.sigmoid(ends).to(normal)
    stretched = (torch.sigmoid(normal * params.std + mean) - low) / (high - low)
    mirrored = torch.where(stretched < params.eps, 2 * params.eps - stretched, stretched).clamp(0, 1)
    flat = (1 - params.eps) * uniform + params.eps
    return torch.where(mix <= params.uniform_prob, flat, mirrored)


def draw_level(mode: LevelMode, draws: Tensor, tokens: int, params: LevelParams) -> Tensor:
    """Levels `[B]` from draws `[3, B]` (standard normal, uniform, mixing uniform)."""
    normal, uniform, mix = draws[0], draws[1], draws[2]
    if mode == "uniform":
        return params.min_value + (params.max_value - params.min_value) * uniform
    return shifted_logit_normal(normal, uniform, mix, tokens, params)


def schedule(steps: int) -> Tensor:
    """Sampling levels `[steps + 1]` float32 from 1 down to `TERMINAL`, then 0.

    Raises:
        ValueError: for fewer than 2 steps (the stretch to the terminal level needs two levels).
    """
    if steps < 2:
        raise ValueError(f"{steps} inference steps; the schedule needs at least 2")
    t = torch.linspace(1, 0, steps + 1)[:-1]
    scale = math.exp(SAMPLING_SHIFT)
    shifted = scale / (scale + 1 / t - 1)
    stretched = 1 - (1 - shifted) * (1 - TERMINAL) / (1 - shifted[-1])
    # The first level is 1 to the bit, so that the sampler starts as training does at level 1.
    stretched[0] = 1
    return torch.cat([stretched, torch.zeros(1)])
