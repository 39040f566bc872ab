"""How evaluations of a training are judged. No torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Metric = Literal["weighted", "video", "audio"]
MODALITIES = ("video", "audio")


@dataclass(frozen=True)
class JudgeOptions:
    """How evaluations are judged.

    Attributes:
        metric: "weighted": the sum over modalities of loss times its weight, as in training; or one modality.
        weights: factors of the modalities; 1 where absent.
        patience: evaluations in a row without a gain after which the run ends; None: it never does.
        min_delta: what the value must fall by to count as a gain.
    """

    metric: Metric = "weighted"
    weights: Mapping[str, float] = field(default_factory=dict)
    patience: int | None = None
    min_delta: float = 0.0

    def value(self, measured: Mapping[str, float], split: str = "heldout") -> float | None:
        """The one number that is judged, of `heldout_video`, `train_audio`, ...; None where not measured."""
        if self.metric != "weighted":
            return measured.get(f"{split}_{self.metric}")
        names = [name for name in MODALITIES if f"{split}_{name}" in measured]
        if not names:
            return None
        return math.fsum(self.weights.get(name, 1.0) * measured[f"{split}_{name}"] for name in names)
