"""A clip: an exact range of a source (a virtual cut), and the bucket that it falls into."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from ltx_core.curation.buckets import Bucket, DurationBucket
from ltx_core.stages.scan import SideFile, SourceFile
from ltx_core.store.keys import digest


@dataclass(frozen=True)
class Crop:
    """The part of every frame that is used: a rectangle in pixels as shown, and the whole frame's size."""

    left: int
    top: int
    width: int
    height: int
    of_width: int
    of_height: int

    def scaled(self, width: int, height: int) -> tuple[slice, slice]:
        """Rows and columns of the part in frames of `width` x `height` pixels."""
        across, down = width / self.of_width, height / self.of_height
        left, top = round(self.left * across), round(self.top * down)
        return (
            slice(top, top + max(1, round(self.height * down))),
            slice(left, left + max(1, round(self.width * across))),
        )


@dataclass(frozen=True)
class Clip:
    """One usable clip.

    Attributes:
        clip_id: digest of source and range.
        name: `film.mp4 #3`, for people.
        file: the source file.
        source: content digest of the source's bytes.
        index: 1-based number among the source's cuts.
        count: number of cuts of the source.
        start, end: range in the source, end exclusive: in frames, or in samples of a file without pictures.
        start_s, end_s: the same in seconds of the source.
        fps: frame rate that the clip is resampled to.
        bucket: size and frame count that it is fitted to, or its duration in a mode without video.
        width, height: of the source's frames, of their used part where it is cropped; 0 without pictures.
        has_audio: whether the source has sound, or a sound is given for it.
        row_key: of the `clips` row that holds the cut.
        origin: where the source's time begins, in seconds of the source: at a film's first frame, at the
            first sample of a sound (see `media.audio.time_origin`).
        crop: the used part of its frames; None: all of them.
        treatment: what is done to its source's frames before anything else, or "" (`media.treatment`).
        source_fps: frames per second of its source; 0 without pictures and for a still.
    """

    clip_id: str
    name: str
    file: SourceFile
    source: str
    index: int
    count: int
    start: int
    end: int
    start_s: float
    end_s: float
    fps: float
    bucket: Bucket
    width: int
    height: int
    has_audio: bool
    row_key: str
    origin: float = 0.0
    crop: Crop | None = None
    treatment: str = ""
    source_fps: float = 0.0

    @property
    def path(self) -> Path:
        """Where the source file lies."""
        return self.file.path

    @property
    def time(self) -> float:
        """Seconds from the source's beginning to the clip: where it lies in the files beside the source."""
        return self.start_s - self.origin

    @property
    def has_picture(self) -> bool:
        """Whether its frames are used: not in a mode without video."""
        return not isinstance(self.bucket, DurationBucket)

    @property
    def given_sound(self) -> SideFile | None:
        """The file that its sound is taken from instead of the source: the dataset file's `audio`."""
        return self.file.side.get("audio")

    @cached_property
    def pixels(self) -> str:
        """Digest of what decides the clip's frames: cut, frame rate and bucket."""
        if not self.has_picture:
            return digest([self.clip_id, self.seconds])
        more: list[object] = [] if self.crop is None else [asdict(self.crop)]
        more += [self.treatment] if self.treatment else []
        return digest([self.clip_id, self.fps, str(self.bucket), *more])

    @property
    def late(self) -> list[str]:
        """What keys of a sound given beside a film say: where the film's time begins, if that is not at 0.

        Keys of all others are what they were when only a sound's beginning was regarded.
        """
        return [f"from {self.origin!r}"] if self.origin and self.width else []

    @cached_property
    def sound(self) -> str:
        """Digest of what decides the clip's sound: cut, duration and the given file; no size of frames."""
        given = self.given_sound
        return digest([self.clip_id, self.seconds, *([] if given is None else [given.digest, *self.late])])

    @cached_property
    def content(self) -> str:
        """Digest of what decides its frames and its sound."""
        return self.pixels if self.given_sound is None else digest([self.pixels, self.sound])

    @property
    def seconds(self) -> float:
        """Duration of what is used of it."""
        return self.bucket.seconds(self.fps)
