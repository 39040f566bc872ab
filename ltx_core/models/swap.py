"""Block swap: the frozen weights of some blocks live on the host and come to the device when they are needed.

Design choices
- A block's weights are working copies while its function runs: they stand in the block's modules from before
  its first operation until after its last, then the host's stand there again, also after an exception. So
  between steps the model is whole and as ever, and whatever changes a weight changes the host's.
- Nothing drops a copy while it is needed: autograd holds what it saved. In the forward pass a swapped block
  is checkpointed, so nothing is saved and the copy dies at once; in the backward pass the block is computed
  again, and each weight's copy dies with the last operation that used it. Results are equal to the bit.
- The next block in the pass's direction is fetched while one runs. On CUDA the host's weights are pinned and
  the fetch runs on a stream of its own, into memory of the computing stream: it begins when that stream has
  come to the fetch, and the computing stream waits for its end. So freed memory is used again in the
  order of work, and a CPU that runs ahead takes no more than two blocks. (Memory of the fetching stream,
  marked by `record_stream`, would not be free again before the GPU is as far as the CPU.)
- Adapters stay on the device: they learn. Swapped blocks are evenly spread (`swap_plan.py`).
- Without a GPU all is the same but for the place: a copy of the weights on the same device.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ltx_core.models.errors import ModelError
from ltx_core.models.names import is_adapter
from ltx_core.models.swap_plan import swapped_blocks

logger = logging.getLogger(__name__)

ATTRIBUTE = "block_swap"
"""The model's attribute that holds its `BlockSwap`."""


@dataclass(frozen=True)
class Slot:
    """A place of a module that holds a frozen parameter or a buffer."""

    module: nn.Module
    name: str

    def get(self) -> Tensor:
        """What stands there."""
        found: Tensor = getattr(self.module, self.name)
        return found

    def put(self, value: Tensor) -> None:
        """Let `value` stand there."""
        held: dict[str, Any] = self.module._parameters
        (held if self.name in held else self.module._buffers)[self.name] = value


@dataclass(frozen=True)
class Copies:
    """A block's weights on the device.

    Attributes:
        values: in the order of the block's slots.
        ready: when they are there; None: now.
    """

    values: tuple[Tensor, ...]
    ready: torch.cuda.Event | None

    def wait(self) -> None:
        """Let the computing stream wait until they are there."""
        if self.ready is not None:
            torch.cuda.current_stream(self.values[0].device).wait_event(self.ready)


class BlockSwap:
    """The swapped blocks of one model; made by `swap_blocks`."""

    def __init__(self, slots: dict[int, tuple[Slot, ...]], device: torch.device) -> None:
        self.slots = slots
        self.device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._fetched: dict[int, Copies] = {}

    @contextmanager
    def forward(self) -> Iterator[Turn]:
        """A pass through the blocks; what runs again after the block is its backward pass."""
        self.release()
        turn = Turn(self)
        self.fetch(next(iter(self.slots), None))
        try:
            yield turn
        finally:
            turn.backward = True
            self.release()

    def fetch(self, index: int | None) -> None:
        """Begin to bring a block's weights to the device; nothing for None and for one that is on its way."""
        if index is None or index in self._fetched:
            return
        hosts = [slot.get() for slot in self.slots[index]]
        values = tuple(_like(host, self.device) for host in hosts)
        ready = None
        if self._stream is None:
            _fill(values, hosts)
        else:
            self._stream.wait_stream(torch.cuda.current_stream(self.device))
            with torch.cuda.stream(self._stream):
                _fill(values, hosts)
                ready = self._stream.record_event()
        self._fetched[index] = Copies(values, ready)

    def take(self, index: int) -> tuple[Tensor, ...]:
        """A block's weights on the device, which the caller alone holds from then on."""
        self.fetch(index)
        copies = self._fetched.pop(index)
        copies.wait()
        return copies.values

    def release(self) -> None:
        """Let go of what was fetched and not used: after an exception, or where a backward pass ended."""
        for copies in self._fetched.values():
            copies.wait()
        self._fetched.clear()


class Turn:
    """One pass through the blocks, then back.

    Attributes:
        swap: whose blocks.
        backward: what runs now is a block's second time.
        learning: swapped blocks whose outputs take part in a backward pass.
    """

    def __init__(self, swap: BlockSwap) -> None:
        self.swap = swap
        self.backward = False
        self.learning: set[int] = set()

    def __contains__(self, index: int) -> bool:
        return index in self.swap.slots

    def around(self, index: int, step: Callable[..., Any]) -> Callable[..., Any]:
        """`step` with the block's weights on the device."""

        def present(*arguments: Any) -> Any:
            with self.weights(index):
                result = step(*arguments)
            if any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in tree_leaves(result)):
                self.learning.add(index)
            return result

        return present

    @contextmanager
    def weights(self, index: int) -> Iterator[None]:
        """Inside the block the working copies stand in the block's modules, and the next ones are fetched."""
        slots = self.swap.slots[index]
        hosts = [slot.get() for slot in slots]
        values = self.swap.take(index)
        self.swap.fetch(self._next(index))
        try:
            for slot, value in zip(slots, values, strict=True):
                slot.put(value)
            yield
        finally:
            for slot, host in zip(slots, hosts, strict=True):
                slot.put(host)

    def _next(self, index: int) -> int | None:
        if self.backward:
            return max((other for other in self.learning if other < index), default=None)
        return min((other for other in self.swap.slots if other > index), default=None)


def swap_of(model: Any) -> BlockSwap | None:
    """The model's block swap, where it has one."""
    found: BlockSwap | None = getattr(model, ATTRIBUTE, None)
    return found


def swap_blocks(model: Any, count: int, device: torch.device | str) -> BlockSwap | None:
    """Move the frozen weights of `count` blocks to the host for good, and everything else to `device`.

    Call it when adapters are in place and before an optimizer is made. 0 moves all to `device` and ends an
    earlier swap.

    Args:
        model: a transformer with `transformer_blocks`, wherever its weights lie.
        count: of blocks, see `swapped_blocks`.
        device: where the transformer computes.

    Raises:
        ModelError: when there are fewer blocks, weights learn that are no adapters, or a weight is of a kind
            that cannot be moved piecewise.
    """
    device = torch.device(device)
    blocks = list(model.transformer_blocks)
    try:
        chosen = swapped_blocks(len(blocks), count)
    except ValueError as error:
        raise ModelError(f"acceleration.blocks_to_swap: {error}") from error
    slots = {index: tuple(_frozen(blocks[index], f"transformer_blocks.{index}")) for index in chosen}
    swapped = {(id(slot.module), slot.name) for own in slots.values() for slot in own}
    for module in model.modules():
        for name, value in [*module._parameters.items(), *module._buffers.items()]:
            if value is not None:
                host = (id(module), name) in swapped
                _move(Slot(module, name), torch.device("cpu") if host else device)
                if host and device.type == "cuda":
                    _pin(Slot(module, name))
    swap = BlockSwap(slots, device) if slots else None
    setattr(model, ATTRIBUTE, swap)
    return swap


def _frozen(block: nn.Module, path: str) -> Iterator[Slot]:
    for prefix, module in block.named_modules(prefix=path):
        for name, value in [*module._parameters.items(), *module._buffers.items()]:
            full = f"{prefix}.{name}"
            if value is None or is_adapter(full):
                continue
            if value.requires_grad:
                raise ModelError(
                    f"{full} learns, and block swap moves frozen weights alone; set "
                    "`acceleration.blocks_to_swap: 0`, or train a LoRA"
                )
            if type(value) not in (Tensor, nn.Parameter, nn.Buffer):
                raise ModelError(
                    f"{full} is a {type(value).__name__}, which block swap cannot move; set "
                    "`acceleration.blocks_to_swap: 0`, or quantise as int8 or fp8"
                )
            yield Slot(module, name)


def _move(slot: Slot, device: torch.device) -> None:
    value = slot.get()
    if value.device.type != device.type or (device.index is not None and value.device != device):
        _place(slot, value.detach().to(device))


def _pin(slot: Slot) -> None:
    """Page-locked memory, from which a copy runs beside computing; where none is left all stays as it is."""
    try:
        _place(slot, slot.get().detach().pin_memory())
    except RuntimeError as error:
        logger.warning("no page-locked memory for a swapped weight, copies of it are slower: %s", error)


def _place(slot: Slot, value: Tensor) -> None:
    """Give a parameter other memory, of which it stays the same object; a buffer is replaced."""
    held = slot.get()
    if isinstance(held, nn.Parameter):
        held.data = value
    else:
        slot.put(value)


def _like(host: Tensor, device: torch.device) -> Tensor:
    """Memory on the device for a working copy, as a parameter where the host's is one."""
    value = torch.empty_like(host.detach(), device=device)
    return nn.Parameter(value, requires_grad=False) if isinstance(host, nn.Parameter) else value


@torch.no_grad()
def _fill(values: tuple[Tensor, ...], hosts: list[Tensor]) -> None:
    for value, host in zip(values, hosts, strict=True):
        value.copy_(host, non_blocking=True)
