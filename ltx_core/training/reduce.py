"""Gradients summed over processes: in a few large buffers instead of one exchange for each parameter.

Design choices
- Buffers are filled in the order of the parameters and summed while the next one is filled: the same parts in
  the same order in every run, so that the same processes give the same bits.
- A gradient may be missing in one process and not in another, as where nothing that it saw uses the
  parameter. Zeros stand for it, and a mask that goes along tells the parameters that no process has one of:
  those keep none, and so no moments and no weight decay, as in one process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor, nn

BUFFER_BYTES = 128 << 20
"""Of one exchange, at least one parameter's. Two are held at a time."""
UNDER_WAY = 2


def sum_gradients(parameters: Collection[nn.Parameter], buffer_bytes: int = BUFFER_BYTES) -> None:
    """Give every parameter the sum of its gradients over all processes, or none where none has one.

    Args:
        parameters: on one device, the same in every process and in the same order.
        buffer_bytes: of one exchange, about.
    """
    if not parameters:
        return
    owned = [parameter.grad is not None for parameter in parameters]
    device = next(iter(parameters)).device
    mask = torch.tensor(owned, dtype=torch.int32, device=device)
    asked = torch.distributed.all_reduce(mask, async_op=True)
    waiting: deque[tuple[Any, Tensor, list[nn.Parameter]]] = deque()
    for group in _groups(parameters, buffer_bytes):
        flat = torch.cat([_gradient(parameter).flatten() for parameter in group])
        waiting.append((torch.distributed.all_reduce(flat, async_op=True), flat, group))
        if len(waiting) == UNDER_WAY:
            _take(*waiting.popleft())
    while waiting:
        _take(*waiting.popleft())
    asked.wait()
    if not all(owned):
        for parameter, count in zip(parameters, mask.tolist(), strict=True):
            if count == 0:
                parameter.grad = None


def _groups(parameters: Collection[nn.Parameter], buffer_bytes: int) -> Iterator[list[nn.Parameter]]:
    """Parameters of one type, in order, up to so many bytes."""
    group: list[nn.Parameter] = []
    held = 0
    for parameter in parameters:
        if group and (parameter.dtype != group[0].dtype or held + parameter.nbytes > buffer_bytes):
            yield group
            group, held = [], 0
        group.append(parameter)
        held += parameter.nbytes
    yield group


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


@torch.no_grad()
def _take(asked: Any, flat: Tensor, group: list[nn.Parameter]) -> None:
    """Wait for a buffer's sums and give them to its parameters."""
    asked.wait()
    sums = torch.split(flat, [parameter.numel() for parameter in group])
    for parameter, total in zip(group, sums, strict=True):
        if parameter.grad is None:
            parameter.grad = torch.empty_like(parameter)
        parameter.grad.copy_(total.view_as(parameter))
