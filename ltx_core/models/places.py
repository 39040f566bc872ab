"""Where the components of a model lie that are given a path of their own (the public trainer's options).

A path is a folder that holds components under their names (`text_encoder/`, `tokenizer/`), or one component's
own folder; a tokenizer may lie within its encoder's, as transformers saves both. What belongs to a component
and is not found beside it is the model's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ltx_core.models.component import Component
from ltx_core.models.errors import ModelError
from ltx_core.models.folder import folder_component, read_config

HELD: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "text_encoder_path": ("text_encoder", ("tokenizer",)),
    "video_vae_path": ("vae", ()),
    "audio_vae_path": ("audio_vae", ("audio_processor", "vocoder")),
}
"""Option -> its component, and those that are taken from beside it where they are there."""
CLASSES = {
    "vae": ("AutoencoderKLLTX2Video", "AutoencoderKLLTXVideo"),
    "audio_vae": ("AutoencoderKLLTX2Audio",),
    "text_encoder": (None,),
}
"""What diffusers calls a component, by family; a text encoder is one of transformers' many."""
CONFIG, TOKENIZER = "config.json", "tokenizer_config.json"


def apart(options: Mapping[str, Path | None]) -> dict[str, Component]:
    """The components that the stated ones of the options of `HELD` give, by name.

    Raises:
        ModelError: for a path that holds no such component.
    """
    found: dict[str, Path] = {}
    for option, (component, beside) in HELD.items():
        path = options.get(option)
        if path is not None:
            found[component] = folder = _component(option, path, component)
            found |= {name: folder.parent / name for name in beside if (folder.parent / name).is_dir()}
            if "tokenizer" in beside and (folder / TOKENIZER).is_file():
                found["tokenizer"] = folder
    return {name: folder_component(name, folder) for name, folder in found.items()}


def _component(option: str, path: Path, component: str) -> Path:
    for folder in (path / component, path):
        if (folder / CONFIG).is_file():
            found = read_config(folder / CONFIG).get("_class_name")
            if found in CLASSES[component]:
                return folder
            what = f"holds a {found}"
            break
    else:
        what = _found(path, component)
    raise ModelError(
        f"model.{option} {path} {what}; give the folder of a {component} in the diffusers layout or one that "
        f"holds {component}/, or leave the option out where the model has its own"
    )


def _found(path: Path, component: str) -> str:
    """What a path is that holds no component."""
    if path.is_file():
        return "is a single file"
    if path.is_dir():
        return f"holds neither {component}/{CONFIG} nor a {CONFIG} of its own"
    return "does not exist"
