"""What `ltx export` is given (a config, a run, a file, a model), and the model that it was trained on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ltx_core.config.load import load
from ltx_core.config.root import Config
from ltx_core.errors import ConfigError, LtxError
from ltx_core.models.export.lora import DIFFUSERS_FILE
from ltx_core.models.info import ModelInfo
from ltx_core.stages.base import NotReadyError
from ltx_core.stages.context import Context
from ltx_core.stages.folder import LINEAGE, LORA, PRODUCTS, folder_of, product_of
from ltx_core.stages.registry import STAGES

CONFIG = "config.yaml"
"""Beside the lineage: the config of a run or a publication."""


def resolve(
    source: Path, model: Path | None = None, overrides: Sequence[str] = ()
) -> tuple[Path, ModelInfo | None]:
    """The product that a source means, and the model that it was trained on where that is known.

    Args:
        source: a config's file, a run's or published folder, a product, a model.
        model: the base model, whatever a config says.
        overrides: `key=value` for a config.

    Raises:
        LtxError: when there is no product, or the model cannot be read.
    """
    base = None if model is None else ModelInfo.read(model)
    if source.suffix in (".yaml", ".yml"):
        config = load(source, overrides)
        return _trained(config, source), base or config.model.read()
    product = product_in(source)
    return product, base or base_beside(source, product)


def _trained(config: Config, source: Path) -> Path:
    """The product of the config's finished training."""
    context = Context(config, {stage.name: stage for stage in STAGES})
    try:
        ((_, row),) = context.results("train")
    except NotReadyError:
        raise LtxError(
            f"{source} has no trained weights yet; run `ltx run {source}` first, with the same overrides"
        ) from None
    return product_of(config, folder_of(config, row))


def product_in(path: Path) -> Path:
    """The product in a run's, checkpoint's or publication's folder; else the path itself.

    Raises:
        ConfigError: when there is nothing.
    """
    if not path.exists():
        raise ConfigError(f"{path} does not exist; give a config, a run's folder or a .safetensors file")
    places = (path / LORA, path / DIFFUSERS_FILE, path / PRODUCTS["full"] / "config.json")
    found = next((place for place in places if place.is_file()), path)
    return found.parent if found.name == "config.json" else found


def run_of(folder: Path) -> Path | None:
    """The run that a published folder's product is of, where it is there: its config has whole paths."""
    try:
        name = json.loads((folder / LINEAGE).read_text(encoding="utf-8"))["lineage"]["folder"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    run = folder.resolve().parents[1] / "runs" / str(name)
    return run if run.is_dir() else None


def base_beside(source: Path, product: Path) -> ModelInfo | None:
    """The base model by the config of the run that a product lies in; None where nothing says it."""
    places = dict.fromkeys((source, product.parent, *product.parents[1:3]))
    for folder in (run_of(place) or place for place in places):
        if (folder / CONFIG).is_file() and (folder / LINEAGE).is_file():
            try:
                return load(folder / CONFIG).model.read()
            except LtxError:
                return None
    return None
