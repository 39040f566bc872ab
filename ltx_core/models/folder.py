"""The diffusers layout: a folder of folders, one per component, with `config.json` and safetensors files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ltx_core.models.component import Component, Stored
from ltx_core.models.errors import GET_ONE, ModelError
from ltx_core.models.fingerprint import fingerprint_folder
from ltx_core.models.safetensors_file import stored_in

COMPONENTS = ("transformer", "vae", "audio_vae", "vocoder", "text_encoder", "tokenizer", "connectors")
"""Folders of a complete LTX-2 model."""
OTHERS = ("audio_processor", "scheduler", "diffusion_decoder")
"""Folders that a model may have beside."""
CONFIG = "config.json"
CONFIG_NAMES = {
    "audio_processor": "preprocessor_config.json",
    "tokenizer": "tokenizer_config.json",
    "scheduler": "scheduler_config.json",
}
"""Components whose config has a name of its own."""
INDEX_SUFFIX = ".safetensors.index.json"


def read_folder(folder: Path) -> dict[str, Component]:
    """The components in the folders of `folder`; nothing but their presence is looked at yet."""
    return {
        name: folder_component(name, folder / name)
        for name in (*COMPONENTS, *OTHERS)
        if (folder / name).is_dir()
    }


def folder_component(name: str, folder: Path) -> Component:
    """The component in a folder of its own."""
    return Component(
        name=name,
        place=folder,
        identify=lambda: fingerprint_folder(folder),
        read_config=lambda: read_config(folder / CONFIG_NAMES.get(name, CONFIG)),
        list_weights=lambda: folder_weights(folder),
    )


def folder_weights(folder: Path) -> Mapping[str, Stored]:
    """Every weight of a component's folder by name.

    Raises:
        ModelError: when a file is damaged, or one that the index names is not there.
    """
    return {name: stored for path in weight_files(folder) for name, stored in stored_in(path).items()}


def weight_files(folder: Path) -> list[Path]:
    """The files of a component that are loaded: those of the index where there is one, else all.

    Raises:
        ModelError: when a file that the index names is not there.
    """
    for index in sorted(folder.glob(f"*{INDEX_SUFFIX}")):
        names = sorted(set(read_config(index).get("weight_map", {}).values()))
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise ModelError(
                f"{folder} lacks {len(missing)} of the {len(names)} files that {index.name} names, such as "
                f"{missing[0]}; get the missing files"
            )
        return [folder / name for name in names]
    return sorted(folder.glob("*.safetensors"))


def read_config(path: Path, advice: str = GET_ONE) -> dict[str, Any]:
    """The JSON object in a component's config file.

    Raises:
        ModelError: when it is missing or no JSON object, with what to do.
    """
    if not path.is_file():
        raise ModelError(f"{path} is missing; found {listing(path.parent)}. {advice}")
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON ({error}). {advice}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds a {type(value).__name__}; it must be a JSON object. {advice}")
    return value


def listing(folder: Path) -> str:
    """Names of what a folder holds, for messages."""
    names = sorted(path.name for path in folder.iterdir())[:12] if folder.is_dir() else []
    return ", ".join(names) or "nothing"
