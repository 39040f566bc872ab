"""A condition as a sample states it: with files. What it becomes, and what it may ask of the sample.

A condition of training names dataset columns, that of a sample names files (the public LTX-2 trainer's
fields). Both are the same condition: `FileCondition.part` gives it, with its content encoded on the spot.
Counts and seconds mean the same as in training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, model_validator

from ltx_core.conditions.base import Condition, Grid, Modality
from ltx_core.errors import ConfigError
from ltx_core.geometry.grid import AudioGrid, AudioScale, VideoGrid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Frames = NDArray[np.uint8]
    Wave = NDArray[np.float32]

Dims = tuple[int, int, int]
"""Width, height, frames."""


@dataclass(frozen=True)
class Part:
    """What one condition of a sample becomes.

    Attributes:
        condition: as training knows it; None for a modality that is given whole.
        content: whole target latents `[1, ...]` of which it holds a part; None for one that attaches.
        column: latents or mask `[1, ...]` of the condition's own column.
        fps: own frame rate of latents to attach.
        frames, wave: as read, where they may be shown.
    """

    condition: Condition | None = None
    content: Tensor | None = None
    column: Tensor | None = None
    fps: float | None = None
    frames: Frames | None = None
    wave: Wave | None = None


class Sound(Protocol):
    """A file with sound."""

    @property
    def seconds(self) -> float:
        """Its duration."""

    def steps(self, scale: AudioScale) -> int:
        """Latent steps that the whole file stands for."""

    def read(self, seconds: float, rate: int, *, last: bool = False) -> Wave:
        """The first or the last `seconds` at `rate`, `[2, S]`; silence where the file has none."""


class Target(Protocol):
    """The sample to be: sizes, files read for it, and the models that encode."""

    @property
    def dims(self) -> Dims:
        """Width, height, frames."""

    @property
    def fps(self) -> float:
        """Frames per second."""

    @property
    def seconds(self) -> float:
        """Duration."""

    @property
    def video(self) -> VideoGrid:
        """The latent grid of its video."""

    @property
    def audio(self) -> AudioGrid:
        """The latent grid of its sound."""

    @property
    def wave_rate(self) -> int:
        """Samples per second of generated sound."""

    def empty(self, modality: Modality) -> Tensor:
        """Latents of zeros `[1, ...]`."""

    def frame_count(self, path: Path) -> int:
        """Frames that a file has at the sample's rate."""

    def pictures(self, path: Path, dims: Dims, fps: float) -> Frames:
        """The first frames of a video or an image at `fps`, fitted: `[F, H, W, 3]`."""

    def last_pictures(self, path: Path, dims: Dims, fps: float) -> Frames:
        """The last frames; where there are fewer, the first one stands in front."""

    def sound(self, path: Path) -> Sound:
        """A file's sound."""

    def whole_sound(self, path: Path) -> tuple[Tensor, Wave]:
        """Audio latents of the sample's length, and the sound at `wave_rate`."""

    def picture_mask(self, path: Path) -> Tensor:
        """A mask of the video `[1, F, H, W]` in latents."""

    def sound_mask(self, path: Path) -> Tensor:
        """A mask of the sound `[1, T]` in latents."""

    def encode(self, frames: Frames) -> Tensor:
        """Video latents `[1, C, f, h, w]`."""

    def encode_sound(self, sound: Sound, seconds: float, *, last: bool = False) -> Tensor:
        """Audio latents `[1, c, T, m]` of the first or last `seconds`."""

    def factors(self, name: str) -> Sequence[int]:
        """Scale factors of references that the LoRA's metadata states under `name`; none: not known."""

    def refuse(self, condition: FileCondition, why: str) -> ConfigError:
        """The error of a condition that cannot be applied."""


class FileCondition(BaseModel):
    """Base of the conditions of a sample; subclasses state `type`, their files, and `part`.

    Attributes:
        FILES: the fields that hold paths.
        attaches: it attaches tokens and holds none of the sample's own.
        gives: the modality that is given whole, for one that states a role.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    FILES: ClassVar[tuple[str, ...]] = ("video", "audio")
    attaches: ClassVar[bool] = False
    gives: ClassVar[Modality | None] = None

    type: str

    @property
    def paths(self) -> dict[str, Path]:
        """Field -> file, those that are stated."""
        found = {name: getattr(self, name, None) for name in self.FILES}
        return {name: Path(path) for name, path in found.items() if path is not None}

    @property
    def modality(self) -> Modality:
        """The modality whose tokens it touches."""
        return "audio" if "audio" in self.paths else "video"

    def part(self, target: Target, column: str) -> Part:
        """What it becomes in a sample.

        Args:
            target: the sample.
            column: a name for a column of its own.

        Raises:
            ConfigError: when the sample cannot have it.
            MediaError: when a file cannot be read.
        """
        raise NotImplementedError

    def counted(self, grid: Grid, length: Callable[[Path], int]) -> Condition | None:
        """What it holds of a sample, from lengths alone; None where only its content says.

        Args:
            grid: of its modality in the sample.
            length: pixel frames (audio: latent steps) of a file at the sample's rate.

        Raises:
            ValueError: when it wants more than its file has.
        """
        return None


class OneSource(FileCondition):
    """A condition with `video: FILE` or `audio: FILE`."""

    video: Path | None = None
    audio: Path | None = None

    @model_validator(mode="after")
    def _one(self) -> OneSource:
        given = [name for name in ("video", "audio") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a {self.type} condition has {' and '.join(given) or 'neither video nor audio'}; it needs "
                "`video: FILE` or `audio: FILE`, one of them (for both, state the condition twice)"
            )
        return self

    @property
    def source(self) -> Path:
        """The one file."""
        return self.paths[self.modality]
