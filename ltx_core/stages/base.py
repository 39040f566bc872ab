"""What a stage is: items with keys, and how an item becomes a row.

Design choices
- `items` says everything that each result depends on; it reads no pixel and imports no torch, so that a
  plan over thousands of rows is a matter of seconds.
- `compute` yields one pending row per item; a bad input yields a rejected row with its reason.
- A stage that needs rows of another which are not there yet raises `NotReadyError`: its keys cannot be known.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ltx_core.media.errors import MediaError, MediaGoneError
from ltx_core.store.keys import Keys, digest
from ltx_core.store.rows import PendingRow, Row, StageMeta

if TYPE_CHECKING:
    from ltx_core.stages.context import Context


class NotReadyError(Exception):
    """Rows of an earlier stage are missing, so this stage's keys cannot be known yet."""


@dataclass(frozen=True)
class Item:
    """One row to be.

    Attributes:
        key: its row key.
        clip_id: the clip it belongs to, or "".
        name: what a person calls it: `film.mp4 #3`.
        inputs: row keys of the inputs, for lineage.
        payload: what `compute` needs.
        column: of the dataset that it fills, in a stage that fills several; else "".
    """

    key: str
    clip_id: str
    name: str
    inputs: tuple[str, ...] = ()
    payload: Any = None
    column: str = ""


@dataclass(frozen=True)
class StagePlan:
    """What of a stage is there and what is missing.

    Attributes:
        stage: its name.
        ready: whether its keys are known; they are not while rows of an earlier stage are missing.
        total, cached, missing: rows.
        rejected: (name, reason) of committed rows that cannot be used.
        chunks: row keys of the parts to compute.
        seconds: expected for the missing rows; None: nothing is known, or nobody asked.
    """

    stage: str
    ready: bool
    total: int = 0
    cached: int = 0
    missing: int = 0
    rejected: list[tuple[str, str]] = field(default_factory=list)
    chunks: list[list[str]] = field(default_factory=list)
    seconds: float | None = None


class Stage(ABC):
    """One stage of the DAG."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    single: ClassVar[bool] = False
    """True for a stage of one row that is a whole job (dataset, train, evaluate, publish)."""
    outside: ClassVar[bool] = True
    """False for a single stage whose row names nothing outside the store."""

    def needed(self, context: Context) -> bool:
        """Whether the configured run needs this stage."""
        return True

    def of_frames(self, context: Context) -> bool:
        """Whether each row is made of its clip's decoded frames, so that the stage can go along with another
        that has them (`stages.compute`)."""
        return False

    def section(self, context: Context) -> dict[str, Any]:
        """The part of the config that changes the result."""
        return {}

    def fingerprint(self, context: Context) -> str:
        """Fingerprint of the model that the stage uses, or ""."""
        return ""

    @abstractmethod
    def items(self, context: Context) -> list[Item]:
        """Every row that the stage shall have, in a fixed order.

        Raises:
            NotReadyError: when rows of an earlier stage are missing.
        """

    @abstractmethod
    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """One pending row per item, in order."""

    def valid(self, context: Context, row: Row) -> bool:
        """Whether what a committed row names outside the store (a run's folder) is still there."""
        return True

    def product(self, context: Context, row: Row) -> dict[str, Any]:
        """What a manifest says of a single stage's row: its columns, with whole paths."""
        return {name: value for name, value in row.columns.items() if value is not None}

    def summary(self, rows: Sequence[Row]) -> dict[str, Any]:
        """What a manifest says of many rows beside their number: sums that people ask for."""
        return {}

    def key(self, context: Context, inputs: Sequence[str]) -> str:
        """Row key for the content digests `inputs`."""
        keys = context.memo(
            ("key", self.name),
            lambda: Keys(self.name, self.version, self.section(context), self.fingerprint(context)),
        )
        return keys.of(inputs)

    def meta(self, context: Context) -> StageMeta:
        """What all rows of this stage have in common."""
        return StageMeta(self.name, self.version, digest(self.section(context)), self.fingerprint(context))


def precisions(context: Context) -> dict[str, str]:
    """What a frozen model's result depends on beside its weights: the type it runs in and that of storage."""
    config = context.config
    return {"dtype": config.dataset.latents_dtype, "precision": config.acceleration.precision}


def pending(item: Item, **values: Any) -> PendingRow:
    """A pending row for `item`."""
    return PendingRow(row_key=item.key, clip_id=item.clip_id, inputs=item.inputs, **values)


def rejected(item: Item, reason: str, **values: Any) -> PendingRow:
    """A rejected row for `item`: bad input is data."""
    return pending(item, status="rejected", reason=reason[:500], **values)


def unusable(error: MediaError) -> str:
    """Why a file cannot be used, for its row.

    Raises:
        MediaError: when the file cannot be reached: that is no property of its content, by which rows are
            kept, so a row of it would outlast the trouble.
    """
    if isinstance(error, MediaGoneError):
        raise MediaError(
            f"{error.reason}. It was there when the run began: make it readable again, then run the same "
            "command; what was computed is kept",
            error.path,
        ) from error
    return error.reason
