"""Measured speed of a model's blocks, remembered in the workspace by model, device and precision. No torch.

Design choices
- A block's time is a rate for what grows with its tokens and a rate for what grows with their square, of a
  pass without gradients and of one with: two sizes are measured, every other follows.
- Without a measurement there is no time. Comparisons of settings then use nominal ratios, and say so.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ltx_core.models.memory.work import Work
from ltx_core.store.disk import write_atomic
from ltx_core.store.keys import digest

NAME = "calibration.json"
"""In the workspace."""


@dataclass(frozen=True)
class Rate:
    """Seconds per operation of a block.

    Attributes:
        linear: of layers that see one token at a time.
        attention: of tokens with tokens.
    """

    linear: float
    attention: float

    def seconds(self, work: Work) -> float:
        """Of a block with this work."""
        return self.linear * work.linear + self.attention * work.attention


@dataclass(frozen=True)
class Calibration:
    """What was measured.

    Attributes:
        device: its name.
        forward: of a block without gradients.
        step: of a block forward and backward, nothing recomputed.
        rest: seconds per token of a forward and backward pass outside the blocks.
    """

    device: str
    forward: Rate
    step: Rate
    rest: float


def calibration_key(model: str, device: str, precision: str, method: str | None, full: bool) -> str:
    """What a measurement belongs to; `model` is the fingerprint of the transformer."""
    return digest([model, device, precision, method, full])


def remember(workspace: Path, key: str, found: Calibration) -> None:
    """Keep a measurement.

    Raises:
        StoreError: when the workspace cannot be written.
    """
    known = {**_known(workspace), key: asdict(found)}
    write_atomic(workspace / NAME, json.dumps(known, indent=2, sort_keys=True).encode())


def recall(workspace: Path, key: str) -> Calibration | None:
    """The measurement of this key; None where there is none or the file is damaged."""
    try:
        found = _known(workspace)[key]
        rates = {name: Rate(**found[name]) for name in ("forward", "step")}
        return Calibration(device=str(found["device"]), rest=float(found["rest"]), **rates)
    except (KeyError, TypeError, ValueError):
        return None


def fitted(small: tuple[Work, float], large: tuple[Work, float]) -> Rate:
    """The rate that explains both (work, seconds); one rate for all where noise makes a part negative."""
    (a, first), (b, second) = small, large
    area = a.linear * b.attention - b.linear * a.attention
    if area:
        linear = (first * b.attention - second * a.attention) / area
        attention = (second * a.linear - first * b.linear) / area
        if linear > 0 and attention > 0:
            return Rate(linear, attention)
    both = second / b.all
    return Rate(both, both)


def _known(workspace: Path) -> dict[str, Any]:
    try:
        found = json.loads((workspace / NAME).read_bytes())
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}
