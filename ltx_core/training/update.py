"""The parts of an optimizer step that processes do together: counts, losses, gradients.

Everything is summed, not averaged: losses are already divided by the samples of the whole step.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ltx_core.conditions.base import Modality
from ltx_core.training.log import mean, mean_losses
from ltx_core.training.step import StepResult

OVERFLOW = "gradient overflow, the loss scale is lowered"
"""Normal for fp16, above all in the first steps."""
BELOW_LIMIT = 0.9999
"""Gradients whose norm lies below this share of the limit are left alone: scaling would multiply by 1."""


def seed_model(device: torch.device, seed: int) -> None:
    """Seed what a model draws from on `device` (dropout). On a CPU alone, no other device is asked."""
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def summed_counts(accelerator: Accelerator, counts: Mapping[Modality, int]) -> dict[Modality, int]:
    """Counts over all processes."""
    if accelerator.num_processes == 1:
        return dict(counts)
    values = torch.tensor([float(value) for value in counts.values()], device=accelerator.device)
    totals = accelerator.reduce(values, "sum").tolist()
    return {modality: int(total) for modality, total in zip(counts, totals, strict=True)}


def any_process(accelerator: Accelerator, flag: bool) -> bool:
    """Whether the flag is set in any process."""
    if accelerator.num_processes == 1:
        return flag
    value = torch.tensor(float(flag), device=accelerator.device)
    return bool(accelerator.reduce(value, "sum").item())


def step_losses(
    accelerator: Accelerator, results: Sequence[StepResult], weights: Mapping[Modality, float]
) -> dict[str, float | None]:
    """The step's losses over all processes and passes: `loss` and the columns of each modality (`log.py`).

    `loss` is what the gradients are of, samples' weights included; the columns are plain means.
    """
    columns: dict[str, float | None] = {}
    total = 0.0
    for modality in results[0].losses:
        passes = []
        for result in results:
            loss = result.losses[modality]
            facts = (result.levels[modality], result.counted[modality], result.weights)
            passes.append(torch.stack([loss, *(fact.to(loss) for fact in facts)], 1))
        kept = [row for row in _gathered(accelerator, torch.cat(passes)) if row[2]]
        columns.update(mean_losses(modality, [row[0] for row in kept], [row[1] for row in kept]))
        total += weights.get(modality, 1.0) * (mean([row[0] * row[3] for row in kept]) or 0.0)
    return {"loss": total, **columns}


def _gathered(accelerator: Accelerator, table: Tensor) -> list[list[float]]:
    """Rows of all processes, which may have different numbers of them; rows of zeros fill up."""
    if accelerator.num_processes > 1:
        table = accelerator.gather(accelerator.pad_across_processes(table))
    rows: list[list[float]] = table.tolist()
    return rows


def apply_gradients(
    accelerator: Accelerator, optimizer: Any, parameters: Collection[nn.Parameter], limit: float
) -> tuple[float, str]:
    """Sum gradients over processes, scale them to a norm of at most `limit` (0: never) and step.

    Returns:
        The norm before scaling, and why nothing was changed or "".
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if accelerator.num_processes > 1:
        for gradient in gradients:
            gradient.copy_(accelerator.reduce(gradient, "sum"))
    accelerator.unscale_gradients(optimizer)
    total = torch.nn.utils.get_total_norm(gradients)
    norm = float(total)
    if not math.isfinite(norm) and accelerator.scaler is None:
        return norm, f"gradient norm is {norm}"
    if norm > limit * BELOW_LIMIT > 0:
        torch.nn.utils.clip_grads_with_norm_(parameters, limit, total)
    optimizer.step()
    return norm, OVERFLOW if optimizer.step_was_skipped else ""
