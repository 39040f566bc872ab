"""Which layout a model has, and the components that lie in it.

- A folder in the diffusers layout holds `transformer/` and its neighbours.
- A file is a unified checkpoint, or the transformer of a split pack whose other files are named apart.
- A folder with safetensors files, in it or one folder deeper, is a split pack when each part is in one of
  them.
- A repository's name (`owner/name`, `owner/name@revision`, `owner/name/file.safetensors`) is the folder or
  file that huggingface_hub keeps of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from ltx_core.models.component import Component
from ltx_core.models.errors import GET_ONE, ModelError
from ltx_core.models.folder import listing, read_folder
from ltx_core.models.hub import is_hub_id, local_copy
from ltx_core.models.ltxv.original import VAE_NAMES, VAE_PREFIX, is_original_ltxv, read_original_ltxv
from ltx_core.models.original.checkpoint import (
    AUDIO_VAE,
    DIFFUSION_VAE,
    PROJECTION,
    TEXT_ENCODER,
    TRANSFORMER,
    VAE,
    parts_of,
    read_checkpoint,
)
from ltx_core.models.original.read import components
from ltx_core.models.places import GROUPS, Apart
from ltx_core.models.safetensors_file import stored_in

SUFFIX = ".safetensors"
ROLES: Mapping[str, str] = {
    TRANSFORMER: "transformer",
    VAE: "video VAE",
    DIFFUSION_VAE: "diffusion decoder",
    AUDIO_VAE: "audio VAE",
    TEXT_ENCODER: "text encoder",
    PROJECTION: "text projections",
}
"""What a split pack's files hold, each in one of them; by the beginning of its names."""
OPTION_OF: Mapping[str, str] = {
    TRANSFORMER: "model.model_path",
    VAE: "model.video_vae_path",
    DIFFUSION_VAE: "model.video_vae_path",
    AUDIO_VAE: "model.audio_vae_path",
    TEXT_ENCODER: "model.text_encoder_path",
    PROJECTION: "model.text_encoder_path",
}
"""The option that names one of several files."""


def read_layout(path: Path, apart: Apart | None = None) -> dict[str, Component]:
    """The components of the model in `path`, by name.

    Args:
        path: a folder, a file or a repository's name.
        apart: what lies elsewhere and is taken in place of the model's own.

    Raises:
        ModelError: when there is no model, none of a known layout, or a file is damaged.
    """
    others = apart or Apart()
    place = local_copy(str(path)) if is_hub_id(path) else path
    if place.is_dir() and (place / "transformer").is_dir():
        return read_folder(place) | others.parts()
    files = [place] if place.is_file() else pack_files(place, tuple(others.files))
    if any(is_original_ltxv(file) for file in files):
        return read_original_ltxv(files) | others.parts()
    checkpoint = read_checkpoint(files)
    for option, other in others.files.items():
        checkpoint = checkpoint.replaced(other, GROUPS[option])
    found = {**components(checkpoint), **others.components}
    if "transformer" not in found:
        raise ModelError(f"{path} holds {', '.join(found)}, but no transformer. {GET_ONE}")
    return found


def pack_files(folder: Path, named: Sequence[str] = ()) -> list[Path]:
    """The files of the split pack, or the one unified file, in a folder.

    Args:
        folder: where they lie, one folder deeper at most.
        named: options of `places.HELD` that name files: several of what they name are no question.

    Raises:
        ModelError: when there is no such folder, no such file in it, or several that hold the same part.
    """
    if not folder.is_dir():
        raise ModelError(
            f"there is no model in {folder}: it does not exist. {GET_ONE} A repository that shall be got "
            "is named as model.model_source"
        )
    holders = _holders(folder)
    if TRANSFORMER not in holders:
        held = f" ({', '.join(ROLES[role] for role in holders)})" if holders else ""
        raise ModelError(
            f"the model in {folder} has no transformer/; found {listing(folder)}{held}, no file with a "
            f"transformer either. {GET_ONE}"
        )
    chosen: list[Path] = []
    for role, files in holders.items():
        own = [file for file in files if file in chosen] or files
        if _option(role) in named:
            continue
        if len(own) > 1:
            shown = ", ".join(str(file.relative_to(folder)) for file in own[:6])
            raise ModelError(
                f"{folder} holds {len(own)} files with a {ROLES[role]} ({shown}); name the one that shall be "
                f"used as {OPTION_OF[role]}"
            )
        chosen += [file for file in own if file not in chosen]
    return chosen


def _option(role: str) -> str:
    return OPTION_OF[role].removeprefix("model.")


def _holders(folder: Path) -> dict[str, list[Path]]:
    """Which files hold each of `ROLES`; files of other kinds (LoRAs, upscalers) are passed over."""
    found: dict[str, list[Path]] = defaultdict(list)
    for file in sorted((*folder.glob(f"*{SUFFIX}"), *folder.glob(f"*/*{SUFFIX}"))):
        roles: frozenset[str] = frozenset()
        if is_original_ltxv(file):
            roles = frozenset((TRANSFORMER, VAE) if _holds_vae(file) else (TRANSFORMER,))
        else:
            roles = parts_of(file)
        for role in ROLES:
            if role in roles:
                found[role].append(file)
    return {role: found[role] for role in ROLES if role in found}


def _holds_vae(file: Path) -> bool:
    return any(name.startswith((VAE_PREFIX, *VAE_NAMES)) for name in stored_in(file))
