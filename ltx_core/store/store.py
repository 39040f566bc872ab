"""The store: every computed result of a workspace, a folder per stage.

`lookup` answers whether results are there, `write` commits new ones, `read` gives a row's tensors.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ltx_core.errors import StoreError
from ltx_core.store.disk import TEMPORARY_PREFIX, explain, locked
from ltx_core.store.keys import digest_bytes
from ltx_core.store.pack import LEAST as PACK_LEAST
from ltx_core.store.pack import Part, Stamp, is_due, read_pack, write_pack
from ltx_core.store.parts import read_table, write_part
from ltx_core.store.rows import PendingRow, Row, StageMeta
from ltx_core.store.table import own_columns, rows_of

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

PART_SUFFIXES = (".parquet", ".safetensors")
UNFINISHED_AGE = 3600.0
"""Seconds after which an unfinished file is taken for the remains of a killed run."""


class Store:
    """Rows and tensors under `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._parts: dict[str, dict[str, Part]] = {}
        self._packed: dict[str, int] = {}

    def folder(self, stage: str) -> Path:
        """The folder of a stage."""
        return self.root / stage

    def lookup(self, stage: str, keys: Collection[str]) -> dict[str, Row]:
        """Committed rows among `keys` whose tensors and files are there at their full length."""
        wanted = set(keys)
        found: dict[str, Row] = {}
        for rows in self._load(stage):
            for key in wanted & rows.keys():
                if self._files_present(rows[key]):
                    found[key] = rows[key]
        return found

    def rows(self, stage: str) -> list[Row]:
        """All committed rows of a stage, in order of part name and position."""
        return [row for rows in self._load(stage) for row in rows.values()]

    def stages(self) -> list[str]:
        """Names of the stages that have a folder."""
        if not self.root.is_dir():
            return []
        return sorted(p.name for p in self.root.iterdir() if p.is_dir() and not p.name.startswith("."))

    def stamp(self, stage: str) -> Hashable:
        """Equal while nothing of a stage's parts is added, removed or written over."""
        try:
            with os.scandir(self.folder(stage)) as entries:
                found = _stats(entry for entry in entries if not entry.name.startswith("."))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise explain(error, self.folder(stage)) from error
        return frozenset((name, stat.st_size, stat.st_mtime_ns) for name, stat in found.items())

    def write(self, meta: StageMeta, pending: Sequence[PendingRow], *, replace: bool = False) -> list[Row]:
        """Commit `pending` as one part; rows that are already there are left out.

        Args:
            meta: what the rows have in common.
            pending: the rows.
            replace: write over rows that are there, where what they name outside the store is gone.

        Returns:
            The committed rows, one for each of `pending`'s keys.

        Raises:
            StoreError: when the disk is full, read-only or not permitted; what was there before stays.
        """
        unique = {row.row_key: row for row in pending}
        with locked(self.folder(meta.stage) / ".commit.lock"):
            present = {} if replace else self.lookup(meta.stage, unique)
            fresh = [row for key, row in unique.items() if key not in present]
            if fresh:
                write_part(self.folder(meta.stage), meta, fresh)
        committed = self.lookup(meta.stage, unique)
        return [committed[key] for key in unique]

    def read(self, row: Row) -> dict[str, Tensor]:
        """A row's tensors, by name, read from the part.

        Raises:
            StoreError: when a checksum differs; the message names the row.
        """
        return {reference.name: self._read(row, reference.name) for reference in row.tensors}

    def tensor(self, row: Row, name: str) -> Tensor:
        """One of a row's tensors, as `read` gives it."""
        return self._read(row, name)

    def file(self, row: Row, name: str) -> Path:
        """Path of one of a row's files."""
        for reference in row.files:
            if reference.name == name:
                return self.folder(row.stage) / reference.path
        raise StoreError(
            f"row {row.row_key} of stage {row.stage} has no file {name!r}; "
            f"it has {[reference.name for reference in row.files]}"
        )

    def sweep(self, stage: str) -> int:
        """Remove what no row names: unfinished files, tensors without their Parquet file, files of no row."""
        removed, folder = 0, self.folder(stage)
        named = {folder / file.path for row in self.rows(stage) for file in row.files}
        for path in sorted(folder.rglob("*")):
            unfinished = path.name.startswith(TEMPORARY_PREFIX)
            orphan = path.suffix == ".safetensors" and not path.with_suffix(".parquet").exists()
            left = path.parent.name == "files" and path not in named
            if (unfinished or orphan or left) and not is_young(path):
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _load(self, stage: str) -> list[Mapping[str, Row]]:
        """The rows of every part whose tensors are there, by key, in order of the parts' names."""
        folder = self.folder(stage)
        try:
            with os.scandir(folder) as entries:
                stats = _stats(entry for entry in entries if entry.name.endswith(PART_SUFFIXES))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise explain(error, folder) from error
        stamps = {name: (s.st_size, s.st_mtime_ns) for name, s in sorted(stats.items()) if _is_marker(name)}
        parts = self._read_parts(stage, stamps)
        found = []
        for name, part in parts.items():
            tensors = stats.get(name.removesuffix(".parquet") + ".safetensors")
            if part.tensor_bytes and (tensors is None or tensors.st_size != part.tensor_bytes):
                logger.warning(
                    "%s: the tensors' file is missing or damaged; its rows are computed anew", folder / name
                )
            else:
                found.append(part.rows)
        return found

    def _read_parts(self, stage: str, stamps: Mapping[str, Stamp]) -> dict[str, Part]:
        """The parts with these stamps: as remembered, from the pack, or read; without the damaged ones."""
        folder = self.folder(stage)
        known = self._parts.get(stage)
        if known is None:
            known = read_pack(folder) if len(stamps) >= PACK_LEAST else {}
            self._packed[stage] = len(known)
        parts: dict[str, Part] = {}
        for name, stamp in stamps.items():
            if name in known and known[name].stamp == stamp:
                parts[name] = known[name]
                continue
            try:
                table, tensor_bytes = read_table(folder / name)
            except StoreError as error:
                logger.warning("%s", error)
                continue
            rows = {row.row_key: row for row in rows_of(table)}
            parts[name] = Part(stamp, tensor_bytes, table, rows, own_columns(table))
        self._parts[stage] = parts
        if is_due(len(parts), self._packed[stage]):
            write_pack(folder, parts)
            self._packed[stage] = len(parts)
        return parts

    def _files_present(self, row: Row) -> bool:
        if not row.files:
            return True
        folder = self.folder(row.stage)
        return all(_length(folder / reference.path) == reference.length for reference in row.files)

    def _read(self, row: Row, name: str) -> Tensor:
        import torch
        from safetensors.torch import _TYPES

        reference = next((ref for ref in row.tensors if ref.name == name), None)
        if reference is None:
            raise StoreError(f"row {row.row_key} of stage {row.stage} has no tensor {name!r}")
        path = self.folder(row.stage) / f"{row.part}.safetensors"
        with path.open("rb") as handle:  # closed: a store has more parts than a process may have files
            handle.seek(reference.offset)
            data = bytearray(handle.read(reference.length))
        if digest_bytes(memoryview(data)) != reference.checksum:
            raise StoreError(
                f"{path}: tensor {name!r} of row {row.row_key} (clip {row.clip_id}) is damaged: its "
                "checksum differs. Run `ltx store verify --repair CONFIG`, then the same command again: "
                "it is computed anew"
            )
        if not data:
            return torch.empty(reference.shape, dtype=_TYPES[reference.dtype])
        return torch.frombuffer(data, dtype=_TYPES[reference.dtype]).reshape(reference.shape)


def is_young(path: Path) -> bool:
    """Whether a file was written a short while ago, so that a run which goes on may need it."""
    return time.time() - path.stat().st_mtime < UNFINISHED_AGE


def _stats(entries: Iterable[os.DirEntry[str]]) -> dict[str, os.stat_result]:
    """Sizes and times by name; without a file that another process has removed meanwhile."""
    found = {}
    for entry in entries:
        with contextlib.suppress(FileNotFoundError):
            found[entry.name] = entry.stat()
    return found


def _is_marker(name: str) -> bool:
    """Whether a file commits a part."""
    return name.endswith(".parquet") and not name.startswith(".")


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
