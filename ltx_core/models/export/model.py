"""A whole model as a folder in the diffusers layout, whatever layout it came in.

Design choices
- A component that lies in a folder of its own is taken over file by file: its weights are linked where the
  disk can, else copied. Any other is written weight by weight.
- A weights file is one file, not shards: that is how full training writes it, and the libraries read both.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from ltx_core.models.component import Component, Stored
from ltx_core.models.errors import ModelError
from ltx_core.models.export.merge import DTYPES, watched
from ltx_core.models.folder import CONFIG, CONFIG_NAMES
from ltx_core.store.tensors import Entry, write_tensors

WEIGHTS = "diffusion_pytorch_model.safetensors"
"""diffusers' name of a component's weights."""
WEIGHTS_NAMES = {"text_encoder": "model.safetensors"}
"""Components whose weights have a name of their own: transformers'."""
INDEX = "model_index.json"
"""The file that tells a pipeline which classes its components have."""
OWN_CLASSES = {
    "LTX2TextConnectors": "ltx2",
    "LTX2Vocoder": "ltx2",
    "LTX2VocoderWithBWE": "ltx2",
}
"""Classes that lie in a pipeline's own module."""
UNLISTED = frozenset(("audio_processor",))
"""Components that pipelines do not load."""


def write_component(
    folder: Path,
    part: Component,
    metadata: Mapping[str, str] | None = None,
    tell: Callable[[int], None] = lambda _: None,
) -> None:
    """Write a component into the new folder `folder`: its config, its weights one by one, its further files.

    Raises:
        ModelError: when it is damaged, or holds a type that cannot be written.
        OSError: when the disk does not take it.
    """
    folder.mkdir(parents=True)
    for name, read in part.assets.items():
        (folder / name).write_bytes(read())
    config = folder / CONFIG_NAMES.get(part.name, CONFIG)
    if not config.exists():
        config.write_text(json.dumps(part.config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if part.weights:
        target = folder / WEIGHTS_NAMES.get(part.name, WEIGHTS)
        write_tensors(target, entries(watched(part, tell).weights), {**(metadata or {}), "format": "pt"})


def entries(weights: Mapping[str, Stored]) -> list[Entry]:
    """Weights to be written under their names, in their own types.

    Raises:
        ModelError: for a type that cannot be written.
    """
    for stored in weights.values():
        if stored.dtype not in DTYPES:
            raise ModelError(
                f"{stored.file}: {stored.key} is {stored.dtype}, which cannot be exported; give the model in "
                "bfloat16"
            )
    return [Entry(name, stored.shape, DTYPES[stored.dtype], stored.read) for name, stored in weights.items()]


def write_model(
    folder: Path,
    parts: Mapping[str, Component],
    new: Collection[str],
    metadata: Mapping[str, str] | None = None,
    tell: Callable[[int], None] = lambda _: None,
) -> None:
    """Write a model's components into the new folder `folder`; several with the pipelines' index of them.

    Args:
        folder: where.
        parts: the components by name.
        new: those of them that are not as their files are, and are written weight by weight.
        metadata: strings for the header of the transformer's weights.
        tell: gets the bytes of each weight that is written or taken over.

    Raises:
        ModelError: when a component is damaged.
        OSError: when the disk does not take it.
    """
    folder.mkdir(parents=True)
    for name, part in parts.items():
        if name in new or part.assets or not part.place.is_dir():
            write_component(folder / name, part, metadata if name == "transformer" else None, tell)
        else:
            take_over(part.place, folder / name, tell)
    if len(parts) == 1:
        return
    base = _indexed(parts)
    index = _index_of(parts) if base is None else json.loads((base / INDEX).read_bytes())
    for name in index.keys() - parts.keys():  # what a pipeline has beside, such as a prompt's enhancer
        if base is not None and (base / name).is_dir():
            take_over(base / name, folder / name, tell)
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def take_over(source: Path, folder: Path, tell: Callable[[int], None] = lambda _: None) -> None:
    """A component's folder at a second place: weights linked where the disk can, the rest copied.

    Raises:
        OSError: when the disk does not take it.
    """
    folder.mkdir(parents=True)
    for path in sorted(source.iterdir()):
        if path.is_file():
            link_or_copy(path.resolve(), folder / path.name)
            tell(path.stat().st_size if path.suffix == ".safetensors" else 0)


def link_or_copy(source: Path, target: Path) -> None:
    """A second name of a weights file on the same disk, else a copy."""
    if source.suffix in ("", ".safetensors"):  # hubs keep files under names without a suffix
        try:
            os.link(source, target)
        except OSError:
            pass
        else:
            return
    shutil.copyfile(source, target)


def _indexed(parts: Mapping[str, Component]) -> Path | None:
    """The folder with a pipelines' index that the first of the parts lies in, or None."""
    folders = (part.place.parent for part in parts.values() if part.place.is_dir())
    return next((folder for folder in folders if (folder / INDEX).is_file()), None)


def _index_of(parts: Mapping[str, Component]) -> dict[str, Any]:
    """An index of the components that are there."""
    import diffusers

    listed = {name: _library(part) for name, part in sorted(parts.items()) if name not in UNLISTED}
    ltx2 = str(parts["transformer"].config.get("_class_name")).startswith("LTX2")
    name = "LTX2Pipeline" if ltx2 else "LTXPipeline"
    return {"_class_name": name, "_diffusers_version": diffusers.__version__, **listed}


def _library(part: Component) -> list[str]:
    """Library and class of a component."""
    config = part.config
    if part.name == "text_encoder":
        return ["transformers", str((config.get("architectures") or ["?"])[0])]
    if part.name == "tokenizer":
        return ["transformers", str(config.get("tokenizer_class") or "PreTrainedTokenizerFast")]
    name = str(config.get("_class_name"))
    return [OWN_CLASSES.get(name, "diffusers"), name]
