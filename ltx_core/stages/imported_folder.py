"""What a folder of data prepared by the public trainer holds: a folder per column, a `.pt` file per sample.

The files of one sample have one name, folders included, in every column. What was found is remembered in the
workspace with the files' digests, so that the folder may be gone once its files are imported.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ltx_core.config.imported import SUFFIX, data_folder, memory_of, missing_column, read_memory
from ltx_core.errors import ConfigError
from ltx_core.stages.scan import SourceFile, digested
from ltx_core.store.disk import write_atomic

Files = dict[str, SourceFile]
"""A column's files by the name of their sample."""


def scan_columns(root: Path, columns: Iterable[str], workspace: Path) -> dict[str, Files]:
    """Every file of some columns, by column and sample.

    Args:
        root: the folder; where none of the columns is there any more, what was found last is given.
        columns: names of folders in it.
        workspace: where digests and what was found are remembered.

    Raises:
        ConfigError: when a column is not there.
    """
    wanted, folder = tuple(columns), data_folder(root)
    memory = memory_of(root, workspace)
    remembered = read_memory(memory)
    missing = [name for name in wanted if not (folder / name).is_dir()]
    if len(missing) == len(wanted) and all(name in remembered for name in wanted):
        return {name: _as_found(folder / name, remembered[name]) for name in wanted}
    if missing:
        raise missing_column(root, missing[0])
    found: dict[str, Files] = {name: {} for name in wanted} | _scan(folder, wanted, workspace / "scan.sqlite")
    stated = {name: {sample: file.digest for sample, file in files.items()} for name, files in found.items()}
    if stated != {name: remembered.get(name) for name in wanted}:
        write_atomic(memory, json.dumps({**remembered, **stated}).encode())
    return found


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts `film_2` before `film_10`."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]


def source_of(name: str) -> str:
    """The film that a sample was cut from, as far as its name tells: `a/film_003` is of `a/film`."""
    found = re.fullmatch(r"(.*[^-_# ])[-_# ]+\d+", name)
    return found[1] if found else name


def text_file(files: Files, name: str) -> SourceFile | None:
    """A sample's file of text features; older ones are named `condition_5` beside `latent_5`."""
    folder, _, stem = name.rpartition("/")
    older = f"{folder}/condition_{stem[7:]}".lstrip("/") if stem.startswith("latent_") else name
    return files.get(name) or files.get(older)


def _scan(folder: Path, columns: Iterable[str], cache: Path) -> dict[str, Files]:
    pairs = [(column, sample) for column in columns for sample in _samples(folder, column)]
    names = [f"{column}/{sample}{SUFFIX}" for column, sample in pairs]
    found: dict[str, Files] = {}
    files = digested(((folder / name, name, None) for name in names), cache)
    for (column, sample), file in zip(pairs, files, strict=True):
        found.setdefault(column, {})[sample] = file
    return found


def _samples(folder: Path, column: str) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise ConfigError(f"{folder / column} cannot be read: {error}; make it readable") from error

    for here, folders, files in os.walk(folder / column, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inner = Path(here).relative_to(folder / column)
        for name in sorted(files):
            if name.endswith(SUFFIX) and not name.startswith("."):
                yield (inner / name).as_posix().removesuffix(SUFFIX)


def _as_found(folder: Path, digests: Mapping[str, str]) -> Files:
    return {
        name: SourceFile(folder / f"{name}{SUFFIX}", f"{folder.name}/{name}{SUFFIX}", found)
        for name, found in digests.items()
    }
