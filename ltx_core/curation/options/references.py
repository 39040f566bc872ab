"""The references of each clip: videos and sounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le

ReferenceKind = Literal["canny", "gray", "blur", "file"]
REFERENCE_FILES = "reference_video"
"""The dataset file's column of a reference; those of further ones begin with it."""


@dataclass(frozen=True)
class ReferenceOptions:
    """The reference video of each clip: made of its own frames, or given.

    Attributes:
        kind: Canny edges (`canny`), brightness (`gray`), the clip out of focus (`blur`), or the dataset
            file's own video (`file`). None: `file` if the dataset file has the column, else `canny`.
        low, high: thresholds of `canny` (0 to 255).
        blur: standard deviation of `blur` in pixels of the bucket.
        column: of the dataset file, for `file`.
        reference_downscale_factor: size of the bucket over that of the reference.
        reference_temporal_scale_factor: frame rate of the bucket over that of the reference; the first and
            the last frame of both are the same.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    kind: ReferenceKind | None = None
    low: Annotated[int, Ge(0), Le(255)] = 60
    high: Annotated[int, Ge(0), Le(255)] = 120
    blur: Annotated[float, Gt(0)] = 4.0
    column: str = REFERENCE_FILES
    reference_downscale_factor: Annotated[int, Ge(1)] = 1
    reference_temporal_scale_factor: Annotated[int, Ge(1)] = 1

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(
                f"canny: low is {self.low}, high {self.high}; low must not be above high: at most {self.high}"
            )
        if not self.column.startswith(REFERENCE_FILES):
            raise ValueError(
                f"column is {self.column!r}; a dataset file's columns of references begin with "
                f"{REFERENCE_FILES}, as {REFERENCE_FILES}_2"
            )


@dataclass(frozen=True)
class AudioReferenceOptions:
    """The reference sound of each clip, as long as the clip.

    Attributes:
        kind: the clip's sound muffled (`lowpass`), with noise (`noise`), or the `reference_audio` of the
            dataset file (`file`). None: `file` if the dataset file has that column, else `lowpass`.
        cutoff_hz: frequency above which `lowpass` fades, by 12 dB an octave.
        snr_db: level of the sound above that of the noise.
        seed: with the clip's id, the source of the noise.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    kind: Literal["lowpass", "noise", "file"] | None = None
    cutoff_hz: Annotated[float, Gt(0)] = 1000.0
    snr_db: float = 10.0
    seed: int = 0
