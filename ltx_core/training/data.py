"""Rows of a dataset -> batches, read ahead in one thread.

Reading ahead changes nothing but time: what is read for a step is a function of the step alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from ltx_core.assemble import Batch
from ltx_core.errors import LtxError

T = TypeVar("T")


class Samples(Protocol):
    """The dataset as training sees it."""

    def fetch(self, clip_id: str, column: str) -> Tensor | None:
        """A clip's tensor without a batch axis; None where the clip has no such column (no sound)."""

    def fps(self, clip_id: str) -> float:
        """A clip's own frame rate."""

    def column_fps(self, clip_id: str, column: str) -> float:
        """Frame rate of a column's own content: a reference may have fewer frames than its clip."""


@dataclass(frozen=True)
class Reader:
    """Reads batches. All clips of one call are of one bucket.

    Attributes:
        samples: the dataset.
        video: column of the video latents `[C, F, H, W]`, None for a mode without video.
        audio: column of the audio latents `[c, T, m]`, None for a mode without audio.
        columns: columns that conditions read.
        audio_shape: clip id -> (c, T, m), needed when no clip of a batch has sound.
    """

    samples: Samples
    video: str | None = None
    audio: str | None = None
    columns: tuple[str, ...] = ()
    audio_shape: Callable[[str], tuple[int, ...]] | None = None

    def __call__(self, clip_ids: Sequence[str]) -> Batch:
        """The batch of these clips, float32 on the CPU.

        Raises:
            LtxError: when a column is missing or shapes differ.
        """
        ids = tuple(clip_ids)
        audio, present = self._audio(ids)
        return Batch(
            clip_ids=ids,
            video=None if self.video is None else self._stacked(ids, self.video),
            audio=audio,
            audio_present=present,
            fps=torch.tensor([self.samples.fps(name) for name in ids], dtype=torch.float64),
            columns={column: self._stacked(ids, column) for column in self.columns},
            column_fps={column: self._rates(ids, column) for column in self.columns},
        )

    def _rates(self, ids: Sequence[str], column: str) -> Tensor:
        return torch.tensor([self.samples.column_fps(name, column) for name in ids], dtype=torch.float64)

    def _audio(self, ids: Sequence[str]) -> tuple[Tensor | None, Tensor | None]:
        if self.audio is None:
            return None, None
        found = [self.samples.fetch(name, self.audio) for name in ids]
        present = torch.tensor([value is not None for value in found])
        shape = next((tuple(value.shape) for value in found if value is not None), None)
        if shape is None:
            if self.audio_shape is None:
                raise LtxError(
                    f"no clip of a batch has {self.audio!r} ({', '.join(ids)}); "
                    "remove the audio from the mode, or drop clips without sound"
                )
            shape = self.audio_shape(ids[0])
        filled = [torch.zeros(shape) if value is None else value for value in found]
        return _stack(filled, ids, self.audio), present

    def _stacked(self, ids: Sequence[str], column: str) -> Tensor:
        values = []
        for name in ids:
            value = self.samples.fetch(name, column)
            if value is None:
                raise LtxError(f"clip {name} has no {column!r}; the mode needs it for every clip")
            values.append(value)
        return _stack(values, ids, column)


def _stack(values: Sequence[Tensor], ids: Sequence[str], column: str) -> Tensor:
    for name, value in zip(ids, values, strict=True):
        if value.shape != values[0].shape:
            raise LtxError(
                f"{column!r} of clip {name} is {tuple(value.shape)} and of clip {ids[0]} "
                f"{tuple(values[0].shape)}; clips of one bucket must have one shape"
            )
    return torch.stack(list(values)).float()


class Ahead(Generic[T]):
    """`make(step)` for each step in order, up to `depth` steps ahead in a thread; 0 makes each when asked."""

    def __init__(self, make: Callable[[int], T], steps: range, depth: int = 2) -> None:
        self._make = make
        self._steps: Iterator[int] = iter(steps)
        self._depth = depth
        self._waiting: deque[Future[T]] = deque()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="reader") if depth else None

    def __enter__(self) -> Ahead[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def next(self) -> T:
        """The next step's result, or its error.

        Raises:
            StopIteration: after the last step.
        """
        if self._pool is None:
            return self._make(next(self._steps))
        while len(self._waiting) <= self._depth:
            step = next(self._steps, None)
            if step is None:
                break
            self._waiting.append(self._pool.submit(self._make, step))
        if not self._waiting:
            raise StopIteration
        return self._waiting.popleft().result()
