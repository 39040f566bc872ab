"""Original LTX-2 files read as one: a unified file, or the files of a split pack, under one set of names.

Names: `model.diffusion_model.*` (the connectors' blocks within), `text_embedding_projection.*`, `vae.*`,
`diffusion_vae.*`, `audio_vae.*`, `vocoder.*`, `duration_head.*`, `text_encoder.*` (a packed encoder's own
names) and `asset.*` (files that lie in a packed encoder as bytes). Only headers are read here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ltx_core.models.component import Stored
from ltx_core.models.errors import ModelError
from ltx_core.models.names import is_adapter
from ltx_core.models.safetensors_file import file_metadata, stored_in

TRANSFORMER = "model.diffusion_model."
CONNECTORS = (f"{TRANSFORMER}video_embeddings_connector.", f"{TRANSFORMER}audio_embeddings_connector.")
PROJECTION = "text_embedding_projection."
VAE, DIFFUSION_VAE, AUDIO_VAE, VOCODER = "vae.", "diffusion_vae.", "audio_vae.", "vocoder."
DURATION = "duration_head."
TEXT_ENCODER, ASSET = "text_encoder.", "asset."
KNOWN = (TRANSFORMER, PROJECTION, VAE, AUDIO_VAE, VOCODER, DURATION)
"""Beginnings of names that every file may hold."""
ALIASES = {"diffusion_model.": TRANSFORMER, "model.text_embedding_projection.": PROJECTION}
"""Beginnings that tools write in place of these."""
BARE = ("encoder.", "decoder.", "per_channel_statistics.")
"""Beginnings in a file that holds one VAE and nothing else."""
DIFFUSION_VAE_CLASS = "CausalDiffusionVAE"
GEMMA_CONFIG, TOKENIZER_KEY, ASSET_KEY = "gemma_config", "tokenizer_json", "hf_asset__"
"""What marks a packed text encoder: its config in the header, its tokenizer and other files as tensors."""
TOKENIZER_FILES = {TOKENIZER_KEY: "tokenizer.json", "tokenizer_model": "tokenizer.model"}
SECTIONS = {
    "transformer": (TRANSFORMER,),
    "vae": (VAE,),
    "diffusion_vae": (DIFFUSION_VAE,),
    "audio_vae": (AUDIO_VAE,),
    "vocoder": (VOCODER,),
}
"""Section of the config -> what it describes: where files differ, the one that holds it is right."""
NOT_ORIGINAL = (
    "give a unified file, or those of a split pack (transformer, video VAE, audio VAE, text encoder)"
)


@dataclass(frozen=True)
class Checkpoint:
    """What one or more original files hold together.

    Attributes:
        files: they.
        tensors: by their names here.
        config: sections of the header's `config`; `diffusion_vae` apart from `vae`.
        version: `model_version`, "" where no file says it.
        gemma: config of the packed text encoder, where there is one.
        wanted_gemma: what the transformer says of the text encoder that it was trained with.
    """

    files: tuple[Path, ...]
    tensors: Mapping[str, Stored] = field(repr=False)
    config: Mapping[str, Any] = field(repr=False)
    version: str = ""
    gemma: Mapping[str, Any] | None = field(default=None, repr=False)
    wanted_gemma: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def within(self, *beginnings: str) -> dict[str, Stored]:
        """Tensors whose names begin so, without it."""
        return {
            name.removeprefix(start): stored
            for name, stored in self.tensors.items()
            for start in beginnings
            if name.startswith(start)
        }

    def holds(self, beginning: str) -> bool:
        """Whether a tensor's name begins so."""
        return any(name.startswith(beginning) for name in self.tensors)

    def only(self, beginnings: tuple[str, ...]) -> Checkpoint:
        """This one without any tensor that does not begin so."""
        kept = {name: stored for name, stored in self.tensors.items() if name.startswith(beginnings)}
        return replace(self, tensors=kept)

    def replaced(self, other: Checkpoint, groups: Sequence[tuple[str, ...]]) -> Checkpoint:
        """This one, but of each group of beginnings that `other` holds any of, all is `other`'s."""
        taken = tuple(start for group in groups if any(other.holds(one) for one in group) for start in group)
        kept = {name: stored for name, stored in self.tensors.items() if not name.startswith(taken)}
        new = {name: stored for name, stored in other.tensors.items() if name.startswith(taken)}
        gone = {name for name, starts in SECTIONS.items() if set(starts) & set(taken)}
        return replace(
            self,
            files=(*self.files, *(file for file in other.files if file not in self.files)),
            tensors=kept | new,
            config={name: value for name, value in self.config.items() if name not in gone}
            | {name: value for name, value in other.config.items() if name in gone},
            version=self.version or other.version,
            gemma=other.gemma if TEXT_ENCODER in taken else self.gemma,
        )


def read_checkpoint(files: Sequence[Path]) -> Checkpoint:
    """Several files as one checkpoint.

    Raises:
        ModelError: when one is damaged, is none of these files, or two hold the same tensor.
    """
    tensors: dict[str, Stored] = {}
    config: dict[str, Any] = {}
    gemma: dict[str, Any] | None = None
    wanted: dict[str, Any] = {}
    version = ""
    for file in files:
        metadata = file_metadata(file)
        own = _named(file, metadata)
        for name in own.keys() & tensors.keys():
            raise ModelError(
                f"{tensors[name].file} and {file} both hold {tensors[name].key}; a model takes each part "
                "from one file: name the file that shall be used"
            )
        tensors |= own
        for section, value in _sections(file, metadata).items():
            if section not in config or any(_any_in(own, start) for start in SECTIONS.get(section, ())):
                config[section] = value
        version = version or metadata.get("model_version", "")
        gemma = _json(file, metadata, GEMMA_CONFIG) or gemma
        wanted = _json(file, metadata, "gemma_source_checkpoint") or wanted
    return Checkpoint(tuple(files), tensors, config, version, gemma, wanted)


def parts_of(file: Path) -> frozenset[str]:
    """Beginnings of `KNOWN`, `DIFFUSION_VAE` and `TEXT_ENCODER` that a file holds; none for any other file.

    Raises:
        ModelError: when it is damaged.
    """
    if is_lora(file):
        return frozenset()
    metadata = file_metadata(file)
    try:
        names = _named(file, metadata)
    except ModelError:
        return frozenset()
    return frozenset(start for start in (*KNOWN, DIFFUSION_VAE, TEXT_ENCODER) if _any_in(names, start))


def is_lora(file: Path) -> bool:
    """Whether a file holds a LoRA's matrices.

    Raises:
        ModelError: when it is damaged.
    """
    return any(is_adapter(name) or name.startswith("lora_") for name in stored_in(file))


def _named(file: Path, metadata: Mapping[str, str]) -> dict[str, Stored]:
    stored = stored_in(file)
    if is_lora(file):
        raise ModelError(
            f"{file} is a LoRA, not a model; it is what a training makes. Name the base model, and give a "
            "LoRA as model.load_checkpoint or to `ltx sample --lora`"
        )
    if GEMMA_CONFIG in metadata or TOKENIZER_KEY in stored:
        return {_packed_name(name): value for name, value in stored.items()}
    diffusion = _is_diffusion_vae(file, metadata)
    bare = _bare_prefix(file, metadata)
    found = {}
    for key, value in stored.items():
        name = _plain_name(file, key, bare)
        if diffusion and name.startswith(VAE):
            name = DIFFUSION_VAE + name.removeprefix(VAE)
        found[name] = value
    return found


def _plain_name(file: Path, key: str, bare: str) -> str:
    if key.startswith(KNOWN):
        return key
    for alias, meant in ALIASES.items():
        if key.startswith(alias):
            return meant + key.removeprefix(alias)
    if bare and key.startswith(BARE):
        return bare + key
    raise ModelError(f"{file} is no LTX-2 checkpoint: {key} belongs to no part of one; {NOT_ORIGINAL}")


def _packed_name(key: str) -> str:
    """In a packed text encoder: its weights, its files, the projections of the transformer that it serves."""
    if key in TOKENIZER_FILES:
        return ASSET + TOKENIZER_FILES[key]
    if key.startswith(ASSET_KEY):
        return ASSET + key.removeprefix(ASSET_KEY)
    plain = key.removeprefix("model.") if key.startswith("model." + PROJECTION) else key
    return plain if plain.startswith(PROJECTION) else TEXT_ENCODER + key


def _bare_prefix(file: Path, metadata: Mapping[str, str]) -> str:
    """What stands before `encoder.` in a file: the VAE that its config describes, else by its shape."""
    stored = stored_in(file)
    if not any(name.startswith(BARE) for name in stored):
        return ""
    described = [name for name in ("vae", "audio_vae") if _sections(file, metadata).get(name)]
    if len(described) == 1:
        return VAE if described == ["vae"] else AUDIO_VAE
    first = next((stored[name] for name in stored if name.endswith("conv_in.conv.weight")), None)
    return VAE if first is not None and len(first.shape) == 5 else AUDIO_VAE


def _is_diffusion_vae(file: Path, metadata: Mapping[str, str]) -> bool:
    section = _sections(file, metadata, apart=False).get("vae") or {}
    return bool(section.get("_class_name") == DIFFUSION_VAE_CLASS)


def _sections(file: Path, metadata: Mapping[str, str], apart: bool = True) -> dict[str, Any]:
    """Sections of a file's config that are there; a diffusion VAE's under a name of its own."""
    found = {name: value for name, value in _json(file, metadata, "config").items() if value}
    if apart and (found.get("vae") or {}).get("_class_name") == DIFFUSION_VAE_CLASS:
        found["diffusion_vae"] = found.pop("vae")
    return found


def _json(file: Path, metadata: Mapping[str, str], name: str) -> dict[str, Any]:
    text = metadata.get(name)
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ModelError(f"{file}: {name} in its header is no JSON ({error}); get the file again") from error
    if not isinstance(value, dict):
        raise ModelError(f"{file}: {name} in its header is no JSON object; get the file again")
    return value


def _any_in(names: Mapping[str, Any], beginning: str) -> bool:
    return any(name.startswith(beginning) for name in names)
