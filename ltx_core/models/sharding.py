"""A transformer whose weights are shared out: each process holds its part of every block's (FSDP2).

Design choices
- torch's `fully_shard`, a group for each block and one for what is around them. A group's weights are whole
  in every process from before its function runs until after, forward and backward; those of the next are
  fetched meanwhile. Our pass runs functions over a block's submodules, so the block is called with the
  function: that is where torch's hooks sit, under activation checkpointing too.
- Each weight keeps its type: a frozen base in bfloat16 or in codes of 8 and 4 bits is shared out as it lies,
  and fetched so. Nothing is cast to float32.
- Adapters are small and learn: every process holds them whole, so that they learn, are saved and exported as
  without shards. Where all weights learn they are float32 shards, gradients are summed in float32, and each
  process updates its own.
- A sum, not a mean: losses are divided by the samples of the whole step already.
- The model is loaded on the host and goes to the device block by block: no whole copy is ever there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import MethodType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ltx_core.models.errors import ModelError

ATTRIBUTE = "shares"
"""The attribute of a module whose weights are shared out."""
ASK_NO_MORE = -1
F = TypeVar("F", bound=Callable[..., Any])


def shard_blocks(model: Any, device: torch.device | str, *, adapters: bool) -> None:
    """Share a transformer's weights out among the processes; what is held whole goes to the device.

    Call it when adapters are in place and before an optimizer is made, in every process.

    Args:
        model: with `transformer_blocks`, the same in every process, on the host.
        device: where this process computes.
        adapters: whether what learns stays whole in every process.

    Raises:
        ModelError: when a weight that is shared out has no dimension.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    device = torch.device(device)
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    whole = {p for p in model.parameters() if adapters and p.requires_grad}
    for name, parameter in model.named_parameters():
        if parameter.ndim == 0 and parameter not in whole:
            raise ModelError(f"{name} is one number, which cannot be shared out; use `distribution: ddp`")
    for module in (*model.transformer_blocks, model):
        module.forward = MethodType(_run, module)
        # The outermost group too gives its weights back: what reads them between passes finds shards always.
        fully_shard(module, mesh=mesh, reshard_after_forward=True, ignored_params=whole)
        module.set_gradient_divide_factor(1.0)
        module.set_force_sum_reduction_for_comms(True)
        setattr(module, ATTRIBUTE, True)
    for parameter in whole:
        parameter.data = parameter.data.to(device)
    # Of the pass's output, which nothing changes in place.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module", UserWarning)


def _run(module: nn.Module, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    return function(module, *arguments, **named)


def through(module: Any, function: F) -> F:
    """`function` of the module, with the weights that it shares out whole while it runs."""
    if not getattr(module, ATTRIBUTE, False):
        return function

    def run(module: Any, *arguments: Any, **named: Any) -> Any:
        return module(function, *arguments, **named)

    return run  # type: ignore[return-value]


def is_sharded(tensor: Tensor) -> bool:
    """Whether this process holds but a part of the tensor."""
    return hasattr(tensor, "full_tensor")


def local(tensor: Tensor) -> Tensor:
    """The part of a tensor that this process holds, over the same memory; all of a plain one."""
    sharded: Any = tensor
    found: Tensor = sharded.to_local() if is_sharded(tensor) else tensor
    return found


@torch.no_grad()
def fill(tensor: Tensor, values: Tensor) -> None:
    """Put a whole tensor's values into one of which this process may hold a part."""
    local(tensor).copy_(part_of(values, tensor))


def part_of(values: Tensor, like: Tensor) -> Tensor:
    """What of a whole tensor this process holds of `like`, which has its shape."""
    if not is_sharded(like):
        return values
    mesh = like.device_mesh  # type: ignore[attr-defined]
    parts = values.chunk(mesh.size())
    rank = mesh.get_local_rank()
    return parts[rank] if rank < len(parts) else values[:0]


def shared_like(values: Tensor, like: Tensor) -> Tensor:
    """A whole tensor shared out as `like` is; itself where that is plain or of another shape."""
    if not is_sharded(like) or values.shape != like.shape:
        return values
    from torch.distributed.tensor import DTensor

    own = part_of(values, like).to(like.device).clone()
    mesh, placements = like.device_mesh, like.placements  # type: ignore[attr-defined]
    stride = like.stride()
    return DTensor.from_local(own, mesh, placements, run_check=False, shape=like.shape, stride=stride)


@contextmanager
def lent(tensors: Sequence[Tensor], *, main: bool) -> Iterator[Callable[[Tensor], Tensor]]:
    """Give the first process whole tensors, one at a time, in whatever order it asks for them.

    Inside the block the first process calls what it is given with one of `tensors`, or with any plain one;
    the others answer until it has left the block, however it does, and then run an empty block.

    Args:
        tensors: those that are shared out, in the same order in every process.
        main: whether this is the first process.
    """
    # By where a part lies: a tensor may be asked for by another object over the same memory.
    places = {_address(tensor): place for place, tensor in enumerate(tensors)} if main else {}

    def whole(tensor: Tensor) -> Tensor:
        if not is_sharded(tensor):
            return tensor
        return _gathered(tensors[_agree(places[_address(tensor)], tensors)])

    if main:
        try:
            yield whole
        finally:
            _agree(ASK_NO_MORE, tensors)
        return
    while (place := _agree(ASK_NO_MORE, tensors)) != ASK_NO_MORE:
        _gathered(tensors[place])
    yield whole


def _address(tensor: Tensor) -> int:
    """Of the first process's part, which is never empty."""
    return local(tensor.detach()).data_ptr()


def _agree(place: int, tensors: Sequence[Tensor]) -> int:
    """The first process's number, in all."""
    if not tensors:
        return ASK_NO_MORE
    number = torch.tensor([place], device=tensors[0].device)
    torch.distributed.broadcast(number, src=0)
    return int(number.item())


def _gathered(tensor: Tensor) -> Tensor:
    found: Tensor = tensor.detach().full_tensor()  # type: ignore[attr-defined]
    return found
