"""imported: data prepared by the public trainer, as rows of the store; no medium is read, no model loaded.

A row is keyed by its file's bytes, so files of equal bytes are one row, and their folder may be gone
afterwards. A sample that lacks a file has a rejected row for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ltx_core.config.imported import SUFFIX, columns_in, mode_columns
from ltx_core.encoding.precomputed_shapes import Kind, Shapes
from ltx_core.stages.base import Item, Stage, pending, rejected
from ltx_core.stages.context import Context
from ltx_core.stages.imported_folder import Files, natural, scan_columns, text_file
from ltx_core.stages.scan import SourceFile
from ltx_core.store.keys import digest, row_key
from ltx_core.store.rows import PendingRow


@dataclass(frozen=True)
class Entry:
    """What one sample has in one column.

    Attributes:
        sample: its name: the file's, with folders, without suffix.
        column: the folder.
        kind: what it holds.
        file: None where it is missing.
        key: row key of its content.
    """

    sample: str
    column: str
    kind: Kind
    file: SourceFile | None
    key: str

    @property
    def name(self) -> str:
        """`latents/film_003.pt`, for people."""
        return f"{self.column}/{self.sample}{SUFFIX}"


class Imported(Stage):
    """Files of the columns that the mode reads, or of every column of the folder."""

    name: ClassVar[str] = "imported"

    def __init__(self, *, every_column: bool = False) -> None:
        self.every_column = every_column

    def needed(self, context: Context) -> bool:
        """With `data.preprocessed_data_root`."""
        return context.config.imported

    def items(self, context: Context) -> list[Item]:
        """One per distinct content, and one per file that a sample lacks."""
        if not context.config.imported:
            return []
        found = all_entries(context) if self.every_column else entries(context)
        unique: dict[str, Entry] = {}
        for entry in found:
            unique.setdefault(entry.key, entry)
        return [
            Item(key, sample_id(entry.sample), entry.name, payload=entry) for key, entry in unique.items()
        ]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Read each file; a bad one is a rejected row."""
        from ltx_core.encoding.precomputed import read_prepared
        from ltx_core.errors import LtxError
        from ltx_core.media.errors import MediaError, MediaGoneError

        shapes, threshold = Shapes.of(context.info), context.config.dataset.mask_threshold
        for item in items:
            entry: Entry = item.payload
            if entry.file is None or entry.file.problem:
                yield rejected(item, entry.file.problem if entry.file else f"there is no {entry.name}")
                continue
            try:
                found = read_prepared(entry.file.path, entry.kind, shapes, threshold)
            except MediaGoneError as error:
                raise LtxError(
                    f"{error}. It is not imported yet: put it back (or make it readable), then run the same "
                    "command; what was imported is kept"
                ) from error
            except MediaError as error:
                entry.file.check()
                yield rejected(item, error.reason, columns={"kind": entry.kind})
                continue
            entry.file.check()
            yield pending(item, tensors=found.tensors, columns={"kind": entry.kind, **found.columns})


def entries(context: Context) -> list[Entry]:
    """What the mode's samples have in each column that it reads, in order of samples.

    A sample is what has a file in a target's column; further files (a caption of a film that was too short)
    belong to nothing.
    """

    def find() -> list[Entry]:
        strategy = context.config.training_strategy
        columns = mode_columns(strategy)
        files = _scanned(context, columns)
        targets = [stream.latents_dir for stream in strategy.streams.values()]
        samples = sorted({name for column in targets for name in files[column]}, key=natural)
        return [
            _entry(context, name, column, kind, _partner(files[column], name, kind))
            for name in samples
            for column, kind in columns.items()
        ]

    return context.memo("imported entries", find)


def all_entries(context: Context) -> list[Entry]:
    """Every file of every column that the folder holds."""

    def find() -> list[Entry]:
        root = context.config.data.preprocessed_data_root
        assert root is not None
        columns, _ = columns_in(root, mode_columns(context.config.training_strategy))
        files = _scanned(context, columns)
        return [
            _entry(context, name, column, kind, files[column][name])
            for column, kind in columns.items()
            for name in sorted(files[column], key=natural)
        ]

    return context.memo("every imported entry", find)


def import_table(context: Context) -> dict[str, Any]:
    """What became of every file; see `run.import_prepared`."""
    root = context.config.data.preprocessed_data_root
    assert root is not None
    columns, unknown = columns_in(root, mode_columns(context.config.training_strategy))
    rows = {item.key: row for item, row in context.results(Imported.name)}
    counts = {column: [0, 0] for column in columns}
    rejected = []
    for entry in all_entries(context):
        row = rows[entry.key]
        counts[entry.column][0 if row.ok else 1] += 1
        if not row.ok:
            rejected.append((entry.name, row.reason))
    table = [(column, good + bad, good, bad) for column, (good, bad) in counts.items()]
    return {"columns": table, "rejected": rejected, "unknown": unknown}


def sample_id(name: str) -> str:
    """The clip id of a sample: its name decides, so that a caption made anew changes no draw."""
    return digest(["imported", name])


def _scanned(context: Context, columns: dict[str, Kind]) -> dict[str, Files]:
    root = context.config.data.preprocessed_data_root
    assert root is not None
    return scan_columns(root, columns, context.config.workspace)


def _partner(files: Files, name: str, kind: Kind) -> SourceFile | None:
    return text_file(files, name) if kind == "text" else files.get(name)


def _entry(context: Context, sample: str, column: str, kind: Kind, file: SourceFile | None) -> Entry:
    content = ["missing", sample, column] if file is None else [file.digest]
    key = row_key(Imported.name, Imported.version, _section(context, kind), content)
    return Entry(sample, column, kind, file, key)


def _section(context: Context, kind: Kind) -> dict[str, Any]:
    def make() -> dict[str, Any]:
        masks = {"threshold": context.config.dataset.mask_threshold} if kind.endswith("mask") else {}
        return {"kind": kind, **Shapes.of(context.info).section(kind), **masks}

    return context.memo(("imported section", kind), make)
