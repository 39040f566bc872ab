"""Noise levels: drawn for training, listed for sampling.

The shifted logit-normal follows the public LTX-2 trainer 1.2 (checked by `tests/golden/`): the mean of
the normal is linear in the token count, the result is stretched to reach 0 and 1, and one draw in ten
is uniform.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ltx_core.diffusion.options import SHIFT_ANCHORS, LevelMode, LevelParams, Schedule

SLOW_NOISE = 0.025
"""How much of the noise the first half of a linear-quadratic schedule takes away."""
DEFAULT_SCHEDULE = Schedule()
LOW_QUANTILE, HIGH_QUANTILE = 2.5758, 3.0902
"""Standard normal quantiles at 0.5% and 99.9%, between which the sigmoid is stretched to [0, 1]."""


def shift(tokens: int, anchors: tuple[tuple[int, float], tuple[int, float]] = SHIFT_ANCHORS) -> float:
    """Mean of the normal for a target of `tokens` tokens."""
    (low_tokens, low), (high_tokens, high) = anchors
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


def schedule(steps: int, plan: Schedule = DEFAULT_SCHEDULE, tokens: int = 0) -> Tensor:
    """Sampling levels `[steps + 1]` float32 from 1 down, then 0.

    Args:
        steps: how many.
        plan: of the model.
        tokens: of the target, for a plan by tokens.

    Raises:
        ValueError: for fewer than 2 steps (the stretch to the terminal level needs two levels).
    """
    if steps < 2:
        raise ValueError(f"{steps} inference steps; the schedule needs at least 2")
    if plan.kind == "linear_quadratic":
        return torch.cat([_linear_quadratic(steps), torch.zeros(1)])
    t = torch.linspace(1, 0, steps + 1)[:-1]
    scale = math.exp(plan.anchors[1][1] if plan.kind == "fixed" else shift(tokens, plan.anchors))
    levels = scale / (scale + 1 / t - 1)
    if plan.terminal is not None:
        levels = 1 - (1 - levels) * (1 - plan.terminal) / (1 - levels[-1])
    # The first level is 1 to the bit, so that the sampler starts as training does at level 1.
    levels[0] = 1
    return torch.cat([levels, torch.zeros(1)])


def _linear_quadratic(steps: int) -> Tensor:
    """Levels `[steps]`: half the steps take `SLOW_NOISE` away evenly, the rest ever more, without a bend."""
    slow = steps // 2
    fast = steps - slow
    slope = SLOW_NOISE / slow
    growth = (1 - SLOW_NOISE - slope * fast) / fast**2
    first, later = torch.arange(slow, dtype=torch.float64), torch.arange(fast, dtype=torch.float64)
    gone = torch.cat([slope * first, SLOW_NOISE + slope * later + growth * later**2])
    return (1 - gone).float()
