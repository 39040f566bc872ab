"""Write components in the original layout: one unified file, or the files of a split pack.

Design choices
- What is written is read back before a byte goes to disk: a component that the original's words cannot
  describe is refused, so no file is ever written that a reader would take for another model.
- Weights are read and written one by one; only headers and one tensor are in memory.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from ltx_core.media.mel import MelSpec
from ltx_core.models import original_audio, original_configs, original_inverse, original_vae
from ltx_core.models.component import Component, Stored
from ltx_core.models.errors import ModelError
from ltx_core.models.names import to_original
from ltx_core.models.original_checkpoint import (
    ASSET_KEY,
    AUDIO_VAE,
    PROJECTION,
    TOKENIZER_FILES,
    TRANSFORMER,
    VAE,
    VOCODER,
)
from ltx_core.models.original_names import (
    CONNECTORS,
    PROJECTIONS,
    mapped,
    original_audio_vae_name,
    original_vae_name,
    original_vocoder_name,
    turned,
)
from ltx_core.store.tensors import NAMES, Entry, save_tensors

WRITTEN = ("transformer", "connectors", "vae", "audio_vae", "vocoder")
"""Components of a unified file, in order; those that are not given are not in it."""
TYPES = {name: dtype for dtype, name in NAMES.items()}
IGNORED = ("_class_name", "_diffusers_version", "_name_or_path", "perturbed_attn", "dropout", "resolution")
"""Settings that change no number of a component that is written."""
PACK = {
    "transformer": ("transformer", "connectors"),
    "video_vae": ("vae",),
    "audio_vae": ("audio_vae", "vocoder"),
}
"""File of a split pack -> its components; the text encoder's file has the projections beside."""


def write_original(
    path: Path,
    parts: Mapping[str, Component],
    metadata: Mapping[str, str] | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Write components into one unified file.

    Args:
        path: of the new file.
        parts: components by name; those of `WRITTEN` are taken. A transformer that was trained is given as
            the component of its folder.
        metadata: strings for the header beside `config` and `model_version`.
        dtype: of all weights; None: each as it is stored.

    Raises:
        ModelError: when a component cannot be read or has no form in the original layout.
        StoreError: when the disk does not take it.
    """
    chosen = {name: parts[name] for name in WRITTEN if name in parts}
    entries = [entry for name in chosen for entry in _entries(name, parts, dtype)]
    save_tensors(path, entries, _metadata(parts, chosen) | dict(metadata or {}))


def write_split_pack(folder: Path, parts: Mapping[str, Component], dtype: torch.dtype | None = None) -> None:
    """Write components as the files of a split pack into `folder`, with the packed text encoder where given.

    Raises:
        ModelError, StoreError: as `write_original`.
    """
    for file, names in PACK.items():
        chosen = {name: parts[name] for name in names if name in parts}
        if not chosen:
            continue
        entries = [entry for name in chosen for entry in _entries(name, parts, dtype)]
        if file == "video_vae":
            entries = [dataclasses.replace(entry, name=entry.name.removeprefix(VAE)) for entry in entries]
        kept = [entry for entry in entries if not entry.name.startswith(PROJECTION)]
        save_tensors(folder / f"{file}.safetensors", kept, _metadata(parts, chosen))
    if "text_encoder" in parts:
        write_text_encoder(folder / "text_encoder.safetensors", parts, dtype)


def write_text_encoder(path: Path, parts: Mapping[str, Component], dtype: torch.dtype | None = None) -> None:
    """Write a packed text encoder: its weights under their own names, the projections, the tokenizer's files.

    Raises:
        ModelError, StoreError: as `write_original`.
    """
    encoder = parts["text_encoder"]
    entries = [_entry(name, stored, dtype) for name, stored in encoder.weights.items()]
    if "connectors" in parts:
        joined = _entries("connectors", parts, dtype)
        entries += [entry for entry in joined if entry.name.startswith(PROJECTION)]
    if "tokenizer" in parts:
        keys = turned(TOKENIZER_FILES)
        with parts["tokenizer"].folder() as folder:
            for file in sorted(path for path in folder.iterdir() if path.is_file()):
                data = torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8)
                entries.append(Entry.of(keys.get(file.name, ASSET_KEY + file.name), data))
    save_tensors(path, entries, {"gemma_config": json.dumps(encoder.config), "format": "pt"})


def original_config(parts: Mapping[str, Component], names: Collection[str] = WRITTEN) -> dict[str, Any]:
    """The header's `config` that describes the components `names`.

    Raises:
        ModelError: when one of them has no form in the original layout.
    """
    made: dict[str, Any] = {}
    if "vae" in names:
        made["vae"] = original_inverse.original_vae(_filled(parts["vae"]))
    if "audio_vae" in names:
        made["audio_vae"] = original_inverse.original_audio_vae(_filled(parts["audio_vae"]), _mel(parts))
    if "vocoder" in names:
        made["vocoder"] = original_inverse.original_vocoder(_filled(parts["vocoder"]))
    if "transformer" in names:
        connectors = _filled(parts["connectors"]) if "connectors" in parts else None
        made["transformer"] = original_inverse.original_transformer(_filled(parts["transformer"]), connectors)
        made["scheduler"] = dict(original_inverse.SCHEDULER)
    for name, read in _read_back(made, parts):
        _check(parts[name], read)
    return made


def original_names(name: str, config: Mapping[str, Any], weights: Collection[str]) -> dict[str, str]:
    """Original name of each of a component's weights, by the library's."""
    if name == "vae":
        last = 2 * len(config["block_out_channels"])
        return {key: VAE + original_vae_name(key, last) for key in weights}
    if name == "connectors":
        projections, blocks = turned(PROJECTIONS), turned(CONNECTORS)
        return {
            key: PROJECTION + mapped(key, projections)
            if key.split(".")[0] in projections
            else TRANSFORMER + mapped(key, blocks)
            for key in weights
        }
    prefix, turn = {
        "transformer": (TRANSFORMER, to_original),
        "audio_vae": (AUDIO_VAE, original_audio_vae_name),
        "vocoder": (VOCODER, original_vocoder_name),
    }[name]
    return {key: prefix + turn(key) for key in weights}


def _entries(name: str, parts: Mapping[str, Component], dtype: torch.dtype | None) -> list[Entry]:
    part = parts[name]
    names = original_names(name, _filled(part) if name == "vae" else {}, part.weights.keys())
    return [_entry(names[key], stored, dtype) for key, stored in part.weights.items()]


def _entry(name: str, stored: Stored, dtype: torch.dtype | None) -> Entry:
    if stored.dtype not in TYPES:
        raise ModelError(
            f"{stored.file}: {stored.key} has the type {stored.dtype}, which is not written; take the model "
            "in bfloat16 or float32"
        )
    own = TYPES[stored.dtype]
    return Entry(name, stored.shape, dtype if dtype and own.is_floating_point else own, stored.read)


def _metadata(parts: Mapping[str, Component], chosen: Mapping[str, Component]) -> dict[str, str]:
    found = {"config": json.dumps(original_config(parts, chosen)), "format": "pt"}
    if "transformer" in parts:
        config = _filled(parts["transformer"])
        newest = config["use_keyframes_abs_pos_embedding"] or not config["ff_bias"]
        version = "2.0.0" if config["use_prompt_embeddings"] else "2.5.0" if newest else "2.3.0"
        found["model_version"] = version
        gemma = parts["text_encoder"].config.get("gemma_version") if "text_encoder" in parts else None
        if gemma and "transformer" in chosen:
            text = json.dumps({"ltx_version": version, "gemma_version": gemma})
            found["gemma_source_checkpoint"] = text
    return found


def _read_back(
    made: Mapping[str, Any], parts: Mapping[str, Component]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What a reader makes of each component."""
    vae, audio = made.get("vae"), made.get("audio_vae")
    if vae:
        yield "vae", original_vae.vae_config(vae)
    if audio:
        yield "audio_vae", original_audio.audio_vae_config(audio)
    if "vocoder" in made:
        part = parts["vocoder"]
        names = original_names("vocoder", {}, part.weights.keys())
        weights = {names[key].removeprefix(VOCODER): stored for key, stored in part.weights.items()}
        yield "vocoder", original_audio.vocoder_config(made["vocoder"], weights, audio)
    if "transformer" in made:
        own = parts["transformer"].config
        scale = original_vae.vae_scale(vae) if vae else tuple(own.get("vae_scale_factors", (8, 32, 32)))
        facts = original_audio.audio_facts(audio)
        if not audio:
            facts = {name: own.get(name, value) for name, value in facts.items()}
        yield "transformer", original_configs.transformer_config(made["transformer"], scale, facts)
    if "transformer" in made and "connectors" in parts:
        weights = {
            mapped(name, turned(PROJECTIONS)): stored
            for name, stored in parts["connectors"].weights.items()
            if name.split(".")[0] in PROJECTIONS.values()
        }
        yield "connectors", original_configs.connectors_config(made["transformer"], weights)


def _check(part: Component, read: Mapping[str, Any]) -> None:
    own = _filled(part)
    wrong = [
        f"{name} = {own[name]!r} would be read as {value!r}"
        for name, value in read.items()
        if name in own and name not in IGNORED and _plain(own[name]) != _plain(value)
    ]
    if part.name == "vae":
        wrong = [text for text in wrong if "compression_ratio" not in text]
    if wrong:
        raise ModelError(
            f"{part.place} cannot be written in the original layout, whose words do not describe it: "
            f"{'; '.join(wrong)}. Write it as a diffusers folder"
        )


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _filled(part: Component) -> dict[str, Any]:
    """A component's config with the library's defaults where it is silent."""
    import diffusers
    from diffusers.pipelines import ltx2

    config = part.config
    cls = getattr(diffusers, str(config.get("_class_name")), None) or getattr(
        ltx2, str(config.get("_class_name")), None
    )
    if cls is None:
        raise ModelError(
            f"{part.place} is a {config.get('_class_name')}, which the original layout does not have"
        )
    defaults = {
        name: value.default
        for name, value in inspect.signature(cls.__init__).parameters.items()
        if value.default is not inspect.Parameter.empty
    }
    return defaults | config


def _mel(parts: Mapping[str, Component]) -> dict[str, Any]:
    """The front end's settings, LTX-2's where the model has no file of them."""
    audio = _filled(parts["audio_vae"])
    if "audio_processor" in parts:
        spec = MelSpec(**parts["audio_processor"].config)
    else:
        rate = audio["sample_rate"]
        spec = MelSpec(
            sample_rate=rate, hop=audio["mel_hop_length"], mel_bins=audio["mel_bins"], f_max=rate / 2
        )
    found = dataclasses.asdict(spec)
    plain = dataclasses.asdict(MelSpec())
    for name in ("scale", "norm", "floor", "mean", "std"):
        if found[name] != plain[name]:
            raise ModelError(
                f"{parts['audio_vae'].place} cannot be written in the original layout: its front end has "
                f"{name} = {found[name]!r}, there it is {plain[name]!r}. Write it as a diffusers folder"
            )
    return found
