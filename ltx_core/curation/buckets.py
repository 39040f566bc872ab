"""Buckets: the sizes and frame counts that clips are fitted to, or the lengths of sound without a picture."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge

TIME_TOLERANCE = 1e-6
"""Seconds by which a duration may miss another by rounding."""
_FORM = re.compile(r"\s*(\d+)\s*[xX×]\s*(\d+)\s*[xX×]\s*(\d+)\s*")


@dataclass(frozen=True, order=True)
class Bucket:
    """`width` x `height` pixels and `frames` frames at the dataset's frame rate."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    width: Annotated[int, Ge(1)]
    height: Annotated[int, Ge(1)]
    frames: Annotated[int, Ge(1)]

    def __str__(self) -> str:
        return f"{self.width}x{self.height}x{self.frames}"

    def seconds(self, fps: float) -> float:
        """Duration at `fps` frames per second."""
        return self.frames / fps

    @classmethod
    def parse(cls, text: str) -> Bucket:
        """A bucket from `768x448x89` (width x height x frames).

        Raises:
            ValueError: for another form, or a zero.
        """
        found = _FORM.fullmatch(text)
        sizes = [int(number) for number in found.groups()] if found else []
        if not sizes or min(sizes) < 1:
            raise ValueError(f"bucket {text!r}: write width x height x frames, as 768x448x89")
        return Bucket(*sizes)


@dataclass(frozen=True, order=True)
class DurationBucket(Bucket):
    """A length of sound without a picture: `1.125s`."""

    duration: float = 0.0

    def __str__(self) -> str:
        return f"{self.duration:g}s"

    def seconds(self, fps: float) -> float:
        """The duration, at any frame rate."""
        return self.duration

    @classmethod
    def of(cls, seconds: float) -> DurationBucket:
        """The bucket of clips that last `seconds`."""
        return cls(0, 0, 0, seconds)


def parse_buckets(text: str) -> tuple[Bucket, ...]:
    """Buckets from `768x448x89;512x512x49`.

    Raises:
        ValueError: when one of them is malformed, or there is none.
    """
    buckets = tuple(Bucket.parse(part) for part in text.split(";") if part.strip())
    if not buckets:
        raise ValueError("no bucket; give at least one, as 768x448x89 (width x height x frames)")
    return buckets


def choose_bucket(width: int, height: int, frames: int, buckets: Sequence[Bucket]) -> Bucket | None:
    """The bucket for a clip of `width` x `height` pixels with `frames` frames at the dataset's rate.

    Among those that are not longer than the clip: the nearest aspect, then the most frames, then the largest
    area (the public trainer's rule). One frame is for what holds no longer bucket. None when the clip is
    shorter than every bucket.
    """
    aspect = math.log(width / height)
    fitting = [bucket for bucket in buckets if bucket.frames <= frames]
    fitting = [bucket for bucket in fitting if bucket.frames > 1] or fitting
    return min(
        fitting,
        key=lambda bucket: (
            round(abs(math.log(bucket.width / bucket.height) - aspect), 9),
            -bucket.frames,
            -bucket.width * bucket.height,
        ),
        default=None,
    )


def choose_duration(seconds: float, durations: Sequence[float]) -> DurationBucket | None:
    """The longest duration that `seconds` of sound hold, or None when they are shorter than every one."""
    fitting = [duration for duration in durations if duration <= seconds + TIME_TOLERANCE]
    return DurationBucket.of(max(fitting)) if fitting else None
