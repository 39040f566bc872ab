"""How far a training is: loss, speed and time left."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

WINDOW = 20
"""Steps over which speed and loss are averaged."""


@dataclass(frozen=True)
class Progress:
    """State of a training after a step.

    Attributes:
        step: finished steps.
        steps: of the whole run.
        loss: mean of the last steps; None before the first.
        per_second: steps per second over the last steps; 0 before the second.
        eta: seconds left at this speed; None before the second.
    """

    step: int
    steps: int
    loss: float | None = None
    per_second: float = 0.0
    eta: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        loss = "" if self.loss is None else f"  loss {self.loss:.4f}"
        speed = ""
        if self.per_second:
            fast = self.per_second >= 1
            speed = f"  {self.per_second:.2f} it/s" if fast else f"  {1 / self.per_second:.2f} s/it"
        left = "" if self.eta is None else f"  ETA {_clock(self.eta)}"
        return f"step {self.step}/{self.steps}{loss}{speed}{left}"


class Meter:
    """Turns steps into `Progress`."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._losses: deque[float] = deque(maxlen=WINDOW)
        self._seconds: deque[float] = deque(maxlen=WINDOW)

    def after(self, step: int, loss: float | None, seconds: float) -> Progress:
        """Progress after `step`, which took `seconds` and had `loss`."""
        self._seconds.append(seconds)
        if loss is not None and loss == loss:
            self._losses.append(loss)
        mean = sum(self._losses) / len(self._losses) if self._losses else None
        rate = len(self._seconds) / max(sum(self._seconds), 1e-9)
        return Progress(step, self.steps, mean, rate, (self.steps - step) / rate)


Report = Callable[[Progress], None]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
