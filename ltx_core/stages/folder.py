"""A run's folder: `runs/<name>-<key>/`, named by what the training depends on: a repeated run resumes."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

from ltx_core import __version__
from ltx_core.config.load import dump
from ltx_core.config.products import FULL_WEIGHTS, LORA, PRODUCTS, beginning, product_of, weights_of
from ltx_core.config.root import Config
from ltx_core.store.disk import TEMPORARY_PREFIX, explain, sync_folder, write_atomic
from ltx_core.store.rows import Row

__all__ = ["FULL_WEIGHTS", "LORA", "PRODUCTS", "beginning", "product_of", "weights_of"]

REPORT = "report.html"
LINEAGE = "lineage.json"
SUMMARY = "evaluation.json"
"""The evaluation's numbers and tables."""


def folder_of_pages(config: Config) -> Path:
    """Where the pages lie that the config's dataset is browsed by."""
    return config.workspace / "show" / config.name


def is_full(config: Config) -> bool:
    """Whether every weight of the mode's modalities learns, instead of a LoRA."""
    return config.model.training_mode == "full"


def product_files(product: Path) -> dict[str, Path]:
    """The files of a product by their path beside it, the weights last."""
    if product.suffix == ".safetensors":
        return {product.name: product}
    return {f"{product.name}/{name}": product / name for name in ("config.json", FULL_WEIGHTS)}


def place(source: Path, target: Path) -> None:
    """Copy a product, whole or not at all; an older one at its place is replaced.

    Raises:
        StoreError: when the disk is full, read-only or not permitted.
    """
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    try:
        for name, path in product_files(source).items():
            copy = temporary / Path(name).name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            with copy.open("rb") as handle:
                os.fsync(handle.fileno())
        sync_folder(temporary)
        if target.is_dir():
            shutil.rmtree(target)
        (temporary if source.is_dir() else temporary / source.name).rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise explain(error, target) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
