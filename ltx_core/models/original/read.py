"""The original layout of LTX-2 models: components of a unified file or of a split pack's files.

Design choices
- Files are joined first (`checkpoint.py`), then divided into components, so it makes no difference in
  which file a part lies: text projections are in the text encoder's file of a pack, within a unified one.
- Every tensor belongs to a component or is on a list of what nothing uses (`names.py`,
  `decoder.py`); the duration head is left out, for nothing here asks for a length. Whether every weight
  of a component is there in its shape is checked where its module is built (`loading`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ltx_core.models.component import Component, Stored
from ltx_core.models.errors import ModelError
from ltx_core.models.fingerprint import fingerprint_parts
from ltx_core.models.names import to_diffusers
from ltx_core.models.original import audio as original_audio
from ltx_core.models.original import configs as original_configs
from ltx_core.models.original import vae as original_vae
from ltx_core.models.original.checkpoint import (
    ASSET,
    AUDIO_VAE,
    CONNECTORS,
    DIFFUSION_VAE,
    PROJECTION,
    TEXT_ENCODER,
    TRANSFORMER,
    VAE,
    VOCODER,
    Checkpoint,
    read_checkpoint,
)
from ltx_core.models.original.decoder import decoder_config, decoder_weights
from ltx_core.models.original.names import (
    CONNECTORS as CONNECTOR_NAMES,
)
from ltx_core.models.original.names import (
    IGNORED_STATISTICS,
    PROJECTIONS,
    audio_vae_name,
    mapped,
    vae_name,
    vocoder_name,
)

TRANSFORMER_CLASS = "AVTransformer3DModel"
AV_ONLY = f"{TRANSFORMER}audio_adaln_single."
"""Beginning of names that LTX-2's transformer has and LTX-Video's, whose noise levels differ, has not."""
DEFAULT_SCALE = (8, 32, 32)
"""Pixels per latent of LTX-2's video VAE, for a transformer that lies alone."""


def read_original(files: Sequence[Path]) -> dict[str, Component]:
    """The components in these files together, by name.

    Raises:
        ModelError: when a file is damaged or no such file, or two hold the same tensor.
    """
    return components(read_checkpoint(files))


def components(checkpoint: Checkpoint) -> dict[str, Component]:
    """The components of a checkpoint by name; configs and weights are looked at when they are asked for."""
    readers: dict[str, tuple[bool, Callable[[Checkpoint], Parts]]] = {
        "transformer": (any(_of_transformer(name) for name in checkpoint.tensors), _transformer),
        "connectors": (any(checkpoint.holds(start) for start in (*CONNECTORS, PROJECTION)), _connectors),
        "vae": (checkpoint.holds(VAE) or checkpoint.holds(DIFFUSION_VAE), _vae),
        "diffusion_decoder": (checkpoint.holds(DIFFUSION_VAE), _diffusion_decoder),
        "audio_vae": (checkpoint.holds(AUDIO_VAE), _audio_vae),
        "vocoder": (checkpoint.holds(VOCODER), _vocoder),
        "text_encoder": (checkpoint.holds(TEXT_ENCODER), _text_encoder),
        "audio_processor": (checkpoint.holds(AUDIO_VAE), _audio_processor),
        "scheduler": (checkpoint.holds(AV_ONLY), _scheduler),
    }
    found = {name: _component(name, checkpoint, read) for name, (present, read) in readers.items() if present}
    if checkpoint.holds(ASSET):
        found["tokenizer"] = _tokenizer(checkpoint)
    return found


Parts = tuple[dict[str, Any], Mapping[str, Stored]]
"""A component's config and its weights by the library's names."""


def _component(name: str, checkpoint: Checkpoint, read: Callable[[Checkpoint], Parts]) -> Component:
    known: list[Parts] = []

    def once() -> Parts:
        if not known:
            known.append(read(checkpoint))
        return known[0]

    return Component(
        name=name,
        place=_place(name, checkpoint),
        identify=lambda: fingerprint_parts(*once()),
        read_config=lambda: once()[0],
        list_weights=lambda: once()[1],
    )


BEGINNINGS: Mapping[str, tuple[str, ...]] = {
    "connectors": (*CONNECTORS, PROJECTION),
    "vae": (VAE, DIFFUSION_VAE),
    "diffusion_decoder": (DIFFUSION_VAE,),
    "audio_vae": (AUDIO_VAE,),
    "audio_processor": (AUDIO_VAE,),
    "vocoder": (VOCODER,),
    "text_encoder": (TEXT_ENCODER,),
}
"""Component -> beginnings of its tensors' names; any other is the transformer's."""


def _place(name: str, checkpoint: Checkpoint) -> Path:
    """The file that holds a component, or the first of its."""
    wanted = BEGINNINGS.get(name, (TRANSFORMER,))
    return next(stored.file for key, stored in checkpoint.tensors.items() if key.startswith(wanted))


def _of_transformer(name: str) -> bool:
    return name.startswith(TRANSFORMER) and not name.startswith(CONNECTORS)


def _section(checkpoint: Checkpoint, name: str, beginning: str) -> dict[str, Any]:
    found = checkpoint.config.get(name)
    if not isinstance(found, dict):
        stored = next((value for key, value in checkpoint.tensors.items() if key.startswith(beginning)), None)
        raise ModelError(
            f"{stored.file if stored else checkpoint.files[0]} does not say how its {name} is built: its "
            f"header has no config with a section {name!r}. A tool may have stripped it; get it again"
        )
    return found


def _transformer(checkpoint: Checkpoint) -> Parts:
    config = _section(checkpoint, "transformer", TRANSFORMER)
    weights = {
        to_diffusers(name.removeprefix(TRANSFORMER)): stored
        for name, stored in checkpoint.tensors.items()
        if _of_transformer(name)
    }
    kind = config.get("_class_name", TRANSFORMER_CLASS)
    if kind != TRANSFORMER_CLASS:
        raise ModelError(
            f"{_place('transformer', checkpoint)} holds a {kind}; a file of the LTX-2 family holds an "
            f"{TRANSFORMER_CLASS}"
        )
    vae = checkpoint.config.get("vae") or checkpoint.config.get("diffusion_vae")
    scale = original_vae.vae_scale(vae) if vae else DEFAULT_SCALE
    audio = original_audio.audio_facts(checkpoint.config.get("audio_vae"))
    return original_configs.transformer_config(config, scale, audio), weights


def _connectors(checkpoint: Checkpoint) -> Parts:
    config = _section(checkpoint, "transformer", TRANSFORMER)
    projections = checkpoint.within(PROJECTION)
    weights = {
        mapped(name.removeprefix(TRANSFORMER), CONNECTOR_NAMES): stored
        for name, stored in checkpoint.tensors.items()
        if name.startswith(CONNECTORS)
    }
    weights |= {mapped(name, PROJECTIONS): stored for name, stored in projections.items()}
    return original_configs.connectors_config(config, projections), weights


def _vae(checkpoint: Checkpoint) -> Parts:
    if not checkpoint.holds(VAE):
        return _encoder_only(checkpoint)
    config = _section(checkpoint, "vae", VAE)
    noise_level = checkpoint.holds(f"{VAE}decoder.last_time_embedder")
    original = {
        name: stored for name, stored in checkpoint.within(VAE).items() if name not in IGNORED_STATISTICS
    }
    last = original_vae.vae_last(config)
    weights = {vae_name(name, last): stored for name, stored in original.items()}
    return original_vae.vae_config(config, noise_level), weights


def _encoder_only(checkpoint: Checkpoint) -> Parts:
    """The encoder of a VAE whose decoder is the diffusion decoder."""
    config = _section(checkpoint, "diffusion_vae", DIFFUSION_VAE)
    last = original_vae.vae_last(config)
    weights = {
        vae_name(name, last): stored
        for name, stored in checkpoint.within(DIFFUSION_VAE).items()
        if name not in IGNORED_STATISTICS and not name.startswith("decoder.")
    }
    return original_vae.vae_config(config), weights


def _diffusion_decoder(checkpoint: Checkpoint) -> Parts:
    config = _section(checkpoint, "diffusion_vae", DIFFUSION_VAE)
    scale = original_vae.vae_scale(config)
    return decoder_config(config, scale), decoder_weights(checkpoint.within(DIFFUSION_VAE))


def _audio_vae(checkpoint: Checkpoint) -> Parts:
    weights = {
        audio_vae_name(name): stored
        for name, stored in checkpoint.within(AUDIO_VAE).items()
        if name not in IGNORED_STATISTICS
    }
    return original_audio.audio_vae_config(_section(checkpoint, "audio_vae", AUDIO_VAE)), weights


def _audio_processor(checkpoint: Checkpoint) -> Parts:
    return original_audio.mel_config(_section(checkpoint, "audio_vae", AUDIO_VAE)), {}


def _vocoder(checkpoint: Checkpoint) -> Parts:
    original = checkpoint.within(VOCODER)
    section = _section(checkpoint, "vocoder", VOCODER)
    config = original_audio.vocoder_config(section, original, checkpoint.config.get("audio_vae"))
    return config, {vocoder_name(name): stored for name, stored in original.items()}


def _text_encoder(checkpoint: Checkpoint) -> Parts:
    if checkpoint.gemma is None:
        raise ModelError(
            f"{_place('text_encoder', checkpoint)} does not say which text encoder it is: its header has no "
            "gemma_config. Get the published file"
        )
    return dict(checkpoint.gemma), checkpoint.within(TEXT_ENCODER)


def _scheduler(checkpoint: Checkpoint) -> Parts:
    return dict(original_configs.SCHEDULER), {}


def _tokenizer(checkpoint: Checkpoint) -> Component:
    files = checkpoint.within(ASSET)

    def read_config() -> dict[str, Any]:
        held = files.get("tokenizer_config.json")
        try:
            value = json.loads(held.read_bytes()) if held else {}
        except ValueError as error:
            raise ModelError(
                f"{place}: its tokenizer_config.json is no JSON ({error}); get it again"
            ) from error
        if not isinstance(value, dict):
            raise ModelError(f"{place}: its tokenizer_config.json is no JSON object; get it again")
        return value

    place = next(iter(files.values())).file
    return Component(
        name="tokenizer",
        place=place,
        identify=lambda: fingerprint_parts({}, files),
        read_config=read_config,
        list_weights=dict,
        assets={name: stored.read_bytes for name, stored in files.items()},
    )
