"""The way of batches to the device, while it computes something else.

Design choices
- A batch is sent by the reader's thread: from page-locked memory, on a stream of its own, so that the copy
  runs beside the step before. The step then lets the device, not the host, wait for the copy.
- Its memory belongs to the copying stream; the computing stream is noted on every tensor (`record_stream`),
  so that no other batch gets it before the step is through. A batch is small beside a model.
- On other devices than CUDA sending is a plain `to`; on the CPU nothing is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ltx_core.training.step import Prepared


@dataclass(frozen=True)
class Sent:
    """A step's passes on their way.

    Attributes:
        passes: on the device.
        ready: when they are there; None: now.
    """

    passes: tuple[Prepared, ...]
    ready: Any = None


class Transfer:
    """Brings prepared passes to one device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def send(self, passes: Sequence[Prepared]) -> Sent:
        """Begin to bring passes to the device; called by whichever thread made them."""
        if self._stream is None:
            return Sent(tuple(prepared.to(self.device) for prepared in passes))
        with torch.cuda.device(self.device), torch.cuda.stream(self._stream):
            moved = tuple(prepared.each(self._copied) for prepared in passes)
            return Sent(moved, self._stream.record_event())

    def receive(self, sent: Sent) -> tuple[Prepared, ...]:
        """The passes, for what the calling thread computes next; the host does not wait."""
        if sent.ready is not None:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(sent.ready)

            def noted(tensor: Tensor) -> Tensor:
                tensor.record_stream(stream)
                return tensor

            for prepared in sent.passes:
                prepared.each(noted)
        return sent.passes

    def _copied(self, tensor: Tensor) -> Tensor:
        # Positions are one tensor's views for all samples of a batch, which cannot be pinned as they are.
        return tensor.contiguous().pin_memory().to(self.device, non_blocking=True)
