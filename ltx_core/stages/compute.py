"""Missing rows of a chunk -> computed and committed; stages that look at the same clips go along.

Design choices
- The clip pass: while a clip's frames are there, every stage of the run that is made of them
  (`Stage.of_frames`) computes its rows. Clips are taken in groups whose frames fit into the frame cache, and
  each stage works through a group before the next is decoded: once, whatever the number of clips.
- A stage that went along finds its rows in the store when its turn comes.
- Locks are taken in the order of stages and chunks, so that two runs never wait for one another in a circle.
- Rows are committed when a chunk ends, when they grow large, or when they have waited long: memory stays
  flat, and a killed process loses minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ltx_core.errors import LtxError
from ltx_core.stages.base import Item, NotReadyError, Stage
from ltx_core.stages.clips import all_clips
from ltx_core.stages.context import Context
from ltx_core.stages.timing import add_timing
from ltx_core.store.disk import DISK_ERRORS, explain, locked
from ltx_core.store.keys import digest
from ltx_core.store.rows import PendingRow, Row

PART_BYTES = 256 << 20
"""Tensors and files of one part, about: more are committed as another."""
PART_SECONDS = 120.0
"""How long a computed row waits to be committed, at most, while others are computed."""


@dataclass(frozen=True)
class Computed:
    """What became of a chunk.

    Attributes:
        items: of the chunk.
        rows: that were computed now.
        along: rows of other stages that were computed with them, by stage.
    """

    items: list[Item]
    rows: list[Row]
    along: dict[str, int] = field(default_factory=dict)


def compute_chunk(
    context: Context, spec: Stage, chunk: Sequence[str], along: Collection[str] = ()
) -> Computed:
    """Compute and commit the missing rows of a chunk; another run on the same store is waited for.

    Args:
        context: of the config.
        spec: the stage.
        chunk: row keys, of `cut`.
        along: stages of the run that may go along.

    Raises:
        LtxError: when a row cannot be computed (those before it are committed), or inputs have changed
            since the plan was made.
    """
    with ExitStack() as held, _explained(spec):
        held.enter_context(locked(_lock(context, spec.name, chunk), say=True))
        context.refresh()
        items, missing = _missing(context, spec, chunk)
        if not missing:
            return Computed(items, [])
        fellows = _fellows(context, spec, missing, along)
        for fellow, others in fellows:
            _lock_all(held, context, fellow, others)
        if fellows:
            context.refresh()
            fellows = _fellows(context, spec, missing, along)
        rows = _Work(context, [(spec, missing), *fellows]).run()
        context.refresh()
        return Computed(items, rows[spec.name], {one.name: len(rows[one.name]) for one, _ in fellows})


def set_aside(context: Context, spec: Stage, chunk: Sequence[str], reason: str) -> Computed:
    """Commit the missing rows of a chunk as rejected, for a reason that their computation cannot tell."""
    from ltx_core.stages.base import rejected

    with locked(_lock(context, spec.name, chunk), say=True), _explained(spec):
        context.refresh()
        items, missing = _missing(context, spec, chunk)
        rows = [rejected(item, reason) for item in missing]
        committed = context.store.write(spec.meta(context), rows) if rows else []
        context.refresh()
        return Computed(items, committed)


def cut(context: Context, items: Sequence[Item], rows: Collection[str]) -> list[list[str]]:
    """Chunks that miss a row. Cut over all items, so that two runs cut alike and wait for one another."""
    return [chunk for chunk in _chunks(context, items) if any(key not in rows for key in chunk)]


def _chunks(context: Context, items: Sequence[Item]) -> Iterator[list[str]]:
    size = context.config.engine.chunk_rows
    for start in range(0, len(items), size):
        yield [item.key for item in items[start : start + size]]


def _lock(context: Context, stage: str, chunk: Sequence[str]) -> Path:
    return context.store.root / ".locks" / f"{stage}-{digest(list(chunk))}"


def _lock_all(held: ExitStack, context: Context, spec: Stage, items: Sequence[Item]) -> None:
    """Take the locks of all chunks that some items lie in."""
    keys = {item.key for item in items}
    for chunk in _chunks(context, context.items(spec.name)):
        if not keys.isdisjoint(chunk):
            held.enter_context(locked(_lock(context, spec.name, chunk), say=True))


@contextmanager
def _explained(spec: Stage) -> Iterator[None]:
    """Rows of an earlier stage were there when the run planned this one; that some are missing has one cause.

    Raises:
        LtxError: instead of `NotReadyError`.
    """
    try:
        yield
    except NotReadyError as error:
        raise LtxError(
            f"{spec.name}: a film or a caption was added or changed since the run began ({error}); run the "
            "same command again: what was computed is kept"
        ) from None


def _missing(context: Context, spec: Stage, chunk: Sequence[str]) -> tuple[list[Item], list[Item]]:
    """The items of a chunk, and those of them that have no row."""
    wanted = set(chunk)
    items = [item for item in context.items(spec.name) if item.key in wanted]
    if len({item.key for item in items}) < len(wanted):
        raise LtxError(
            f"{spec.name}: {len(wanted) - len(items)} of {len(wanted)} inputs have changed since the run "
            "began (a film, a caption or the model); run the same command when they stay the same"
        )
    present = context.committed(spec.name)
    return items, [item for item in items if item.key not in present]


def _fellows(
    context: Context, spec: Stage, missing: Sequence[Item], along: Collection[str]
) -> list[tuple[Stage, list[Item]]]:
    """Later stages of the run that are made of the same clips' frames, with what they miss of them."""
    if not spec.of_frames(context):
        return []
    clips, names = {item.clip_id for item in missing}, list(context.registry)
    found = []
    for name in names[names.index(spec.name) + 1 :]:
        fellow = context.registry[name]
        if name not in along or not fellow.of_frames(context):
            continue
        try:
            present = context.committed(name)
            items = [i for i in context.items(name) if i.clip_id in clips and i.key not in present]
        except NotReadyError:
            continue
        if items:
            found.append((fellow, items))
    return found


class _Work:
    """The rows of one chunk, of one stage or of several that share its clips."""

    def __init__(self, context: Context, jobs: Sequence[tuple[Stage, Sequence[Item]]]) -> None:
        self.context = context
        self.jobs = jobs
        self.parts = {spec.name: _Part(context, spec) for spec, _ in jobs}
        self.total = sum(len(items) for _, items in jobs)
        self.done = 0

    def run(self) -> dict[str, list[Row]]:
        """Compute everything; where one row fails, those before it are committed all the same.

        Raises:
            LtxError: of that row, or of a disk that is full.
        """
        try:
            for group in self._groups():
                for spec, items in group:
                    self._compute(spec, items)
        except LtxError:
            for part in self.parts.values():
                part.commit()
            raise
        except OSError as error:
            if error.errno in DISK_ERRORS:
                path = Path(error.filename or self.context.config.workspace)
                raise explain(error, path) from error
            raise
        return {name: part.finish() for name, part in self.parts.items()}

    def _compute(self, spec: Stage, items: Sequence[Item]) -> None:
        part, started = self.parts[spec.name], time.perf_counter()
        first = self.jobs[0][0].name
        for row in spec.compute(self.context, items):
            part.add(row)
            self.done += 1
            self.context.progress({"stage": first, "done": self.done, "total": self.total})
        part.seconds += time.perf_counter() - started

    def _groups(self) -> Iterator[list[tuple[Stage, list[Item]]]]:
        """The items of every stage in groups of clips; all at once where no other stage goes along."""
        if len(self.jobs) == 1:
            yield [(spec, list(items)) for spec, items in self.jobs]
            return
        for clips in self._clips(self.jobs[0][1]):
            found = [(spec, [item for item in items if item.clip_id in clips]) for spec, items in self.jobs]
            yield [(spec, items) for spec, items in found if items]

    def _clips(self, items: Sequence[Item]) -> Iterator[set[str]]:
        """Ids of clips whose frames fit into the frame cache together."""
        from ltx_core.stages.models import FRAME_CACHE_BYTES

        sizes = self.context.memo(
            "bytes of frames",
            lambda: {
                c.clip_id: 3 * c.bucket.width * c.bucket.height * c.bucket.frames
                for c in all_clips(self.context)
            },
        )
        group: set[str] = set()
        held = 0
        for clip in dict.fromkeys(item.clip_id for item in items):
            if group and held + sizes[clip] > FRAME_CACHE_BYTES:
                yield group
                group, held = set(), 0
            group.add(clip)
            held += sizes[clip]
        yield group


class _Part:
    """Rows of one stage that wait to be committed."""

    def __init__(self, context: Context, spec: Stage, clock: Callable[[], float] = time.monotonic) -> None:
        self.context, self.spec, self.clock = context, spec, clock
        self.rows: list[Row] = []
        self.seconds = 0.0
        self._waiting: list[PendingRow] = []
        self._bytes, self._since = 0, 0.0

    def add(self, row: PendingRow) -> None:
        """Take a row; commit what waits when it is large or old."""
        if not self._waiting:
            self._since = self.clock()
        self._waiting.append(row)
        self._bytes += _bytes(row)
        if self._bytes >= PART_BYTES or self.clock() - self._since >= PART_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Write what waits."""
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        if waiting:
            meta = self.spec.meta(self.context)
            self.rows += self.context.store.write(meta, waiting, replace=self.spec.single)

    def finish(self) -> list[Row]:
        """Write the rest, and note how long the rows took; all rows."""
        self.commit()
        if self.rows:
            add_timing(self.context.config.workspace, self.spec.name, len(self.rows), self.seconds)
        return self.rows


def _bytes(row: PendingRow) -> int:
    tensors: int = sum(tensor.nbytes for tensor in row.tensors.values())
    return tensors + sum(len(data) for data in row.files.values())
