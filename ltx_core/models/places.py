"""Where the components of a model lie that are given a path of their own (the public trainer's options).

A path is one of
- a folder that holds components under their names (`text_encoder/`, `tokenizer/`), or one component's own; a
  tokenizer may lie within its encoder's, as transformers saves both;
- a file in the original layout: a packed text encoder, a video VAE, an audio VAE with its vocoder, or a
  unified file of which that part is taken.
What belongs to a component and is not found beside it is the model's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ltx_core.models.component import Component
from ltx_core.models.errors import ModelError
from ltx_core.models.folder import folder_component, read_config
from ltx_core.models.ltxv.original import read_original_ltxv
from ltx_core.models.original.checkpoint import (
    ASSET,
    AUDIO_VAE,
    DIFFUSION_VAE,
    PROJECTION,
    TEXT_ENCODER,
    VAE,
    VOCODER,
    Checkpoint,
    read_checkpoint,
)
from ltx_core.models.original.read import components
from ltx_core.models.safetensors_file import stored_in

HELD: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "text_encoder_path": ("text_encoder", ("tokenizer",)),
    "video_vae_path": ("vae", ()),
    "audio_vae_path": ("audio_vae", ("audio_processor", "vocoder")),
}
"""Option -> its component, and those that are taken from beside it where they are there."""
FOUND_IN_FILES: Mapping[str, tuple[str, ...]] = {
    "text_encoder_path": ("text_encoder", "tokenizer"),
    "video_vae_path": ("vae", "diffusion_decoder"),
    "audio_vae_path": ("audio_vae", "audio_processor", "vocoder"),
}
"""Option -> components of a file that are taken beside a diffusers folder."""
GROUPS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "text_encoder_path": ((TEXT_ENCODER, ASSET), (PROJECTION,)),
    "video_vae_path": ((VAE, DIFFUSION_VAE),),
    "audio_vae_path": ((AUDIO_VAE,), (VOCODER,)),
}
"""Option -> beginnings of names that its file gives; of a group that it has not, the model's own stays."""
CLASSES = {
    "vae": ("AutoencoderKLLTX2Video", "AutoencoderKLLTXVideo"),
    "audio_vae": ("AutoencoderKLLTX2Audio",),
}
"""What diffusers calls a component; a text encoder is one of transformers' many."""
CONFIG, TOKENIZER = "config.json", "tokenizer_config.json"
T5_EMBEDDINGS = ("shared.weight", "encoder.embed_tokens.weight")
"""Names of T5's table of tokens; files of other programs hold the encoder's weights alone."""
PLAIN_SAMPLER, NOISE_LEVEL = "encoder.down_blocks.1.conv.weight", "decoder.last_time_embedder."
"""Names in a VAE of LTX-Video, the oldest ones and the later ones; none of LTX-2 has them."""


@dataclass(frozen=True)
class Apart:
    """What lies apart from the model.

    Attributes:
        components: by name, of folders.
        files: by option, what the named files hold.
    """

    components: Mapping[str, Component] = field(default_factory=dict)
    files: Mapping[str, Checkpoint] = field(default_factory=dict)

    def parts(self) -> dict[str, Component]:
        """All as components, for a model whose layout has a folder for each."""
        found = dict(self.components)
        for option, checkpoint in self.files.items():
            held = components(checkpoint)
            found |= {name: held[name] for name in FOUND_IN_FILES[option] if name in held}
        return found


def apart(options: Mapping[str, Path | None]) -> Apart:
    """What the stated ones of the options of `HELD` give.

    Raises:
        ModelError: for a path that holds no such component, or a file that is damaged.
    """
    found: dict[str, Component] = {}
    files: dict[str, Checkpoint] = {}
    for option in HELD:
        path = options.get(option)
        if path is None:
            continue
        if path.is_file():
            try:
                if option == "video_vae_path" and _is_ltxv_vae(path):
                    found["vae"] = read_original_ltxv([path])["vae"]
                else:
                    files[option] = _file(option, path)
            except ModelError as error:
                raise ModelError(f"model.{option}: {error}") from error
        else:
            found |= _folders(option, path)
    return Apart(found, files)


def _file(option: str, path: Path) -> Checkpoint:
    if option == "text_encoder_path" and any(name in stored_in(path) for name in T5_EMBEDDINGS):
        raise ModelError(
            f"{path} holds T5's weights without its tokenizer; give a folder with text_encoder/ and "
            "tokenizer/, as that of an LTX-Video in the diffusers layout"
        )
    held = read_checkpoint([path])
    wanted = GROUPS[option][0]
    if not any(held.holds(start) for start in wanted):
        raise ModelError(
            f"{path} holds no {HELD[option][0]}, but {', '.join(components(held))}; give a "
            "file that holds one, or a folder in the diffusers layout"
        )
    taken = {start for group in GROUPS[option] for start in group}
    return held.only(tuple(taken))


def _is_ltxv_vae(path: Path) -> bool:
    names = {name.removeprefix(VAE) for name in stored_in(path)}
    return PLAIN_SAMPLER in names or any(name.startswith(NOISE_LEVEL) for name in names)


def _folders(option: str, path: Path) -> dict[str, Component]:
    component, beside = HELD[option]
    folder = _component(option, path, component)
    found = {component: folder}
    found |= {name: folder.parent / name for name in beside if (folder.parent / name).is_dir()}
    if "tokenizer" in beside and (folder / TOKENIZER).is_file():
        found["tokenizer"] = folder
    return {name: folder_component(name, place) for name, place in found.items()}


def _component(option: str, path: Path, component: str) -> Path:
    for folder in (path / component, path):
        if (folder / CONFIG).is_file():
            found = read_config(folder / CONFIG).get("_class_name")
            if found in CLASSES.get(component, (None,)):
                return folder
            what = f"holds a {found}"
            break
    else:
        what = _found(path, component)
    raise ModelError(
        f"model.{option} {path} {what}; give the folder of a {component} in the diffusers layout, one that "
        f"holds {component}/ or a file of it, or leave the option out where the model has its own"
    )


def _found(path: Path, component: str) -> str:
    """What a path is that holds no component."""
    if path.is_dir():
        return f"holds neither {component}/{CONFIG} nor a {CONFIG} of its own"
    return "does not exist"
