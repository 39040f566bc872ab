"""What a stage needs of the device at its peak."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Need:
    """The peak of a stage on the device.

    Attributes:
        stage: its name.
        weights: bytes of frozen and learning weights that are resident.
        state: bytes of moments and gradients; of a training alone.
        activations: bytes of everything else at that moment.
    """

    stage: str
    weights: int
    state: int
    activations: int

    @property
    def peak(self) -> int:
        """All of it."""
        return self.weights + self.state + self.activations
