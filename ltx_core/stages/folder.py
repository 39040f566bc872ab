"""A run's folder: `runs/<name>-<key>/`, named by what the training depends on: a repeated run resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ltx_core import __version__
from ltx_core.config.load import dump
from ltx_core.config.root import Config
from ltx_core.store.disk import write_atomic
from ltx_core.store.rows import Row

LORA = "lora.safetensors"
REPORT = "report.html"
LINEAGE = "lineage.json"
SUMMARY = "evaluation.json"
"""The evaluation's numbers and tables."""


def run_folder(config: Config, key: str) -> Path:
    """The folder of the run with row key `key`."""
    return config.runs_root / f"{config.name}-{key[:8]}"


def stated(config: Config, folder: Path) -> str:
    """`folder` as a row states it: relative to the workspace where it lies inside."""
    if folder.is_relative_to(config.workspace):
        return folder.relative_to(config.workspace).as_posix()
    return str(folder)


def folder_of(config: Config, row: Row) -> Path:
    """The run's folder that a committed row names."""
    return config.workspace / str(row.columns["run"])


def begin(folder: Path, config: Config, lineage: dict[str, Any]) -> None:
    """Write what a run depends on before anything runs."""
    write_atomic(folder / "config.yaml", dump(config).encode())
    text = json.dumps({"code_version": __version__, **lineage}, indent=2, sort_keys=True)
    write_atomic(folder / LINEAGE, text.encode())


def lineage_of(folder: Path) -> dict[str, Any]:
    """What `begin` wrote."""
    found: dict[str, Any] = json.loads((folder / LINEAGE).read_text(encoding="utf-8"))
    return found


def evaluation_of(folder: Path) -> str:
    """Key of the row whose numbers and report lie in a run's folder, or ""."""
    try:
        return str(json.loads((folder / SUMMARY).read_text(encoding="utf-8"))["row"])
    except (OSError, ValueError, KeyError):
        return ""
