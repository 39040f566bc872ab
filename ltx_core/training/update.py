"""The parts of an optimizer step that processes do together: counts, losses, gradients.

Everything is summed, not averaged: losses are already divided by the samples of the whole step. Losses and
the gradients' norm are made on the device and read together, so that a step waits for its device once.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ltx_core.conditions.base import Modality
from ltx_core.models.sharding import is_sharded, local
from ltx_core.training.log import mean, mean_losses
from ltx_core.training.reduce import sum_gradients
from ltx_core.training.step import StepResult

Tables = Mapping[Modality, Tensor]
"""`[n, 4]` per generated modality: loss, level, whether it counts, weight of every sample of a step."""
Rows = Mapping[Modality, list[list[float]]]
"""The same on the host."""
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


def begin_together(
    accelerator: Accelerator, counts: Mapping[Modality, int], stop: bool
) -> tuple[dict[Modality, int], bool]:
    """Counts over all processes, and whether any wants to stop: one exchange before a step's passes."""
    if accelerator.num_processes == 1:
        return dict(counts), stop
    values = [float(stop), *(float(value) for value in counts.values())]
    asked, *totals = accelerator.reduce(torch.tensor(values, device=accelerator.device), "sum").tolist()
    return {modality: int(total) for modality, total in zip(counts, totals, strict=True)}, asked > 0


def same_everywhere(accelerator: Accelerator, number: int) -> bool:
    """Whether all processes have the same number."""
    if accelerator.num_processes == 1:
        return True
    found = accelerator.gather(torch.tensor([number], device=accelerator.device))
    return bool((found == number).all().item())


def any_process(accelerator: Accelerator, flag: bool) -> bool:
    """Whether the flag is set in any process."""
    if accelerator.num_processes == 1:
        return flag
    value = torch.tensor(float(flag), device=accelerator.device)
    return bool(accelerator.reduce(value, "sum").item())


def loss_tables(accelerator: Accelerator, results: Sequence[StepResult], most: int) -> Tables:
    """The samples' losses over all processes and passes, on the device; `most`: samples of a process."""
    tables = {}
    for modality in results[0].losses:
        passes = []
        for result in results:
            loss = result.losses[modality]
            facts = (result.levels[modality], result.counted[modality], result.weights)
            passes.append(torch.stack([loss, *(fact.to(loss) for fact in facts)], 1))
        tables[modality] = _gathered(accelerator, torch.cat(passes), most)
    return tables


def read(tables: Tables, norm: Tensor) -> tuple[Rows, float]:
    """The numbers of a step on the host: the one moment of a step at which it waits for its device."""
    parts = [norm.detach().reshape(1), *(table.flatten() for table in tables.values())]
    first, *rest = torch.cat(parts).tolist()
    values, rows = iter(rest), {}
    for modality, table in tables.items():
        count, width = table.shape
        rows[modality] = [[next(values) for _ in range(width)] for _ in range(count)]
    return rows, first


def step_losses(found: Rows, weights: Mapping[Modality, float]) -> dict[str, float | None]:
    """The step's losses over all processes and passes: `loss` and the columns of each modality (`log.py`).

    `loss` is what the gradients are of, samples' weights included; the columns are plain means.
    """
    columns: dict[str, float | None] = {}
    total = 0.0
    for modality, rows in found.items():
        kept = [row for row in rows if row[2]]
        columns.update(mean_losses(modality, [row[0] for row in kept], [row[1] for row in kept]))
        total += weights.get(modality, 1.0) * (mean([row[0] * row[3] for row in kept]) or 0.0)
    return {"loss": total, **columns}


def _gathered(accelerator: Accelerator, table: Tensor, most: int) -> Tensor:
    """Rows of all processes, which may have different numbers of them; rows of zeros fill up to `most`."""
    if accelerator.num_processes > 1:
        table = accelerator.gather(torch.nn.functional.pad(table, (0, 0, 0, most - len(table))))
    return table


def gradient_norm(accelerator: Accelerator, optimizer: Any, parameters: Collection[nn.Parameter]) -> Tensor:
    """Sum gradients over processes and free them of the loss' scale; their norm, on the device."""
    if accelerator.num_processes > 1:
        sum_gradients([parameter for parameter in parameters if not is_sharded(parameter)])
    accelerator.unscale_gradients(optimizer)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    total = torch.nn.utils.get_total_norm([grad for grad in gradients if not is_sharded(grad)])
    parts = [local(grad) for grad in gradients if is_sharded(grad)]
    if not any(is_sharded(parameter) for parameter in parameters):
        return total
    squares = torch.nn.utils.get_total_norm(parts).to(accelerator.device, torch.float64) ** 2
    torch.distributed.all_reduce(squares)  # FSDP has summed the gradients themselves
    return (squares + total.to(squares) ** 2).sqrt().float()


def apply_gradients(
    accelerator: Accelerator,
    optimizer: Any,
    parameters: Collection[nn.Parameter],
    limit: float,
    norm: float,
) -> str:
    """Scale gradients of a norm to one of at most `limit` (0: never) and step; why nothing changed, or ""."""
    if not math.isfinite(norm) and accelerator.scaler is None:
        return f"gradient norm is {norm}"
    if norm > limit * BELOW_LIMIT > 0:
        _scale(parameters, limit, norm)
    optimizer.step()
    return OVERFLOW if optimizer.step_was_skipped or not math.isfinite(norm) else ""  # fused: it says nothing


def _scale(parameters: Collection[nn.Parameter], limit: float, norm: float) -> None:
    """As `torch.nn.utils.clip_grads_with_norm_`, to the bit, by a number that the device need not be sent."""
    gradients = [local(parameter.grad) for parameter in parameters if parameter.grad is not None]
    factor = limit / (torch.tensor(norm, dtype=gradients[0].dtype) + 1e-6)
    torch._foreach_mul_(gradients, min(1.0, factor.item()))
