"""A clip: an exact range of frames of a source (a virtual cut), and the bucket that it falls into."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ltx_core.curation.buckets import Bucket
from ltx_core.stages.scan import SourceFile
from ltx_core.store.keys import digest


@dataclass(frozen=True)
class Clip:
    """One usable clip.

    Attributes:
        clip_id: digest of source and frame range.
        name: `film.mp4 #3`, for people.
        file: the source file.
        source: content digest of the source's bytes.
        index: 1-based number among the source's cuts.
        count: number of cuts of the source.
        start, end: frame range in the source, end exclusive.
        start_s, end_s: the same in seconds of the source.
        fps: frame rate that the clip is resampled to.
        bucket: size and frame count that it is fitted to.
        width, height: of the source's frames.
        has_audio: whether the source has sound.
        row_key: of the `clips` row that holds the cut.
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

    @property
    def path(self) -> Path:
        """Where the source file lies."""
        return self.file.path

    @cached_property
    def pixels(self) -> str:
        """Digest of what decides the clip's frames: cut, frame rate and bucket."""
        return digest([self.clip_id, self.fps, str(self.bucket)])

    @property
    def seconds(self) -> float:
        """Duration of the frames that are used."""
        return self.bucket.frames / self.fps
