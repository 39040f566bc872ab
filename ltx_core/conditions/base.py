"""What a condition is: how often it applies, to which modalities, and what it does to a track.

A condition does one of two things to the tokens of a modality, and the same in training and in sampling:
it holds target tokens (`hold`) or attaches clean tokens in front (`attach`). Which tokens it touches is
stated here; its content comes from a dataset column (`stages/batches.py`) or a file (`conditions/files.py`);
how often it applies is its `probability`, which training alone draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from ltx_core.geometry.grid import AudioGrid, VideoGrid

if TYPE_CHECKING:
    from torch import Tensor

    from ltx_core.conditions.files import FileCondition

Modality = Literal["video", "audio"]
Grid = VideoGrid | AudioGrid
Probability = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Content:
    """Content of a condition for one batch: clean tokens `[B, n, C]` on a grid of its own."""

    tokens: Tensor
    grid: Grid


@dataclass(frozen=True)
class Attachment:
    """Clean tokens `[B, n, C]` to attach at `positions` `[B, D, n, 2]`."""

    tokens: Tensor
    positions: Tensor


class Condition(BaseModel):
    """Base of all conditions. Subclasses state `type`, `modalities` and one of `hold` and `attach`.

    Attributes:
        file: its form in a sample, where files hold its content; None where a sample cannot state it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    modalities: ClassVar[tuple[Modality, ...]] = ("video", "audio")
    attaches: ClassVar[bool] = False
    summary: ClassVar[str] = ""
    file: ClassVar[type[FileCondition] | None] = None

    type: str
    probability: Probability = 1.0

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the dataset columns that hold this condition's content in training."""
        return ()

    def hold(self, grid: Grid, content: Tensor | None) -> Tensor:
        """Strength `[N]` in [0, 1] with which one sample's target tokens are held; `content` is its own."""
        raise TypeError(f"condition {self.type!r} does not hold tokens")

    def attach(self, grid: Grid, content: Content) -> Attachment:
        """Tokens to attach in front of the target."""
        raise TypeError(f"condition {self.type!r} does not attach tokens")
