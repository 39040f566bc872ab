"""A step that does not fit into memory: what it was, what it asked for, and what would make it fit."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from ltx_core.training.step import Prepared


class SharedShortageError(MemoryError):
    """Memory did not suffice in one process of several, and all have agreed that it did not."""


@dataclass(frozen=True)
class Shortage:
    """A forward pass that did not fit.

    Attributes:
        step: that it was part of, from 1.
        bucket: of its samples.
        batch: its samples.
        tokens: of one sample, by modality; attached references included.
        message: what the allocator said.
    """

    step: int
    bucket: str
    batch: int
    tokens: Mapping[str, int]
    message: str

    @classmethod
    def of(cls, error: BaseException, step: int, bucket: str, prepared: Prepared) -> Shortage:
        """What is known of a pass that ended with `error`."""
        tokens: dict[str, int] = {}
        for name, track in prepared.tracks.items():
            tokens[name] = int(track.clean.shape[1])
        return cls(step, bucket, len(prepared.clip_ids), tokens, str(error))

    @property
    def asked(self) -> str:
        """What the allocator was asked for, or ""."""
        return asked_for(self.message)

    def text(self, remedies: Sequence[str], saved: str) -> str:
        """The error of the run.

        Args:
            remedies: what would make it fit, the first first.
            saved: what became of the run's state.
        """
        each = " + ".join(f"{count} {name}" for name, count in self.tokens.items())
        lines = [
            f"out of memory at step {self.step}: bucket {self.bucket}, a batch of {self.batch}, "
            f"{each} tokens a sample"
        ]
        if self.asked:
            lines.append(f"The allocator was asked for {self.asked} more: {self.message.splitlines()[0]}")
        lines += remedies or (
            "What would make it fit, in this order:",
            "  1. optimization.enable_gradient_checkpointing=true",
            "  2. half of optimization.batch_size with twice optimization.gradient_accumulation_steps",
            "  3. smaller buckets",
        )
        return "\n".join((*lines, saved))


def asked_for(message: object) -> str:
    """What an allocator's error says it was asked for, or ""."""
    found = re.search(r"[Tt]ried to allocate (\d+(?:\.\d+)? ?\w+)", str(message))
    return "" if found is None else found.group(1)


def is_shortage(error: BaseException) -> bool:
    """Whether memory did not suffice, on the device or on the host."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def free(error: BaseException) -> None:
    """Give back what the frames of a failed pass still hold: its graph and its activations."""
    traceback.clear_frames(error.__traceback__)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
