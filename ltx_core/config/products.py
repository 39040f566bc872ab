"""What a training makes: the names of its product, and the weights that another training begins with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ltx_core.config.root import Config
from ltx_core.config.runs import EarlierRun, earlier_runs
from ltx_core.errors import ConfigError
from ltx_core.models.lora.fit import check_continued, check_lora, check_transformer

LORA = "lora.safetensors"
PRODUCTS = {"lora": LORA, "full": "transformer"}
"""Name of a training's product by `model.training_mode`: a file, or a folder in diffusers' layout."""
LATEST = Path("latest")
"""For `model.load_checkpoint`: the newest checkpoint of another run of the same name."""
FULL_WEIGHTS = "diffusion_pytorch_model.safetensors"
"""The weights in the folder of a product."""


def product_of(config: Config, folder: Path) -> Path:
    """The product of a training in the folder of a run, a checkpoint or a publication."""
    return folder / PRODUCTS[config.model.training_mode]


def weights_of(product: Path) -> Path:
    """The file of a product's weights."""
    return product if product.suffix == ".safetensors" else product / FULL_WEIGHTS


def beginning(config: Config) -> Path | None:
    """The weights file of `model.load_checkpoint`, or None.

    Of `latest` it is that of the newest run; which run is the config's own is known to `stages/warm.py`.

    Raises:
        ConfigError: when there is none.
    """
    path = config.model.load_checkpoint
    if path == LATEST:
        return newest_weights(config, earlier_runs(config))
    if path is None:
        return None
    places = (path, weights_of(path), weights_of(product_of(config, path)))
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise ConfigError(
            f"model.load_checkpoint {path} does not exist; give a .safetensors file, or a folder that holds "
            f"{PRODUCTS[config.model.training_mode]}"
        )
    return found


def newest_weights(config: Config, runs: Sequence[EarlierRun]) -> Path:
    """The weights of the newest whole checkpoint, or the product, of the first of `runs` that has any.

    Raises:
        ConfigError: when none has.
    """
    for run in runs:
        for folder in (run.checkpoint, run.folder):
            found = None if folder is None else weights_of(product_of(config, folder))
            if found is not None and found.is_file():
                return found
    raise ConfigError(
        f"model.load_checkpoint is 'latest', but no run of the name {config.name!r} in {config.runs_root} "
        f"has saved a {PRODUCTS[config.model.training_mode]} yet; leave it out for a first run, or give a "
        "file"
    )


def check_beginning(config: Config) -> str:
    """Refuse weights to begin with that are another model's, from headers alone; says what they are.

    Raises:
        LtxError: naming both sides.
    """
    path = beginning(config)
    if path is None:
        return "none: the training begins anew"
    info = config.model.read()
    if config.model.training_mode == "full":
        told = check_transformer(path, info)
    else:
        told = check_lora(path, info)
        streams, frozen = tuple(config.training_strategy.streams), config.optimization.frozen
        check_continued(path, info, config.lora, streams, frozen)
    return "; ".join((str(path), *told))
