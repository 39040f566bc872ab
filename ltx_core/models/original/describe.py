"""What the original layout says of components: the header's config and their names."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ltx_core.media.mel import MelSpec
from ltx_core.models.component import Component
from ltx_core.models.errors import ModelError
from ltx_core.models.names import to_original
from ltx_core.models.original import audio as original_audio
from ltx_core.models.original import configs as original_configs
from ltx_core.models.original import inverse as original_inverse
from ltx_core.models.original import vae as original_vae
from ltx_core.models.original.checkpoint import AUDIO_VAE, PROJECTION, TRANSFORMER, VAE, VOCODER
from ltx_core.models.original.names import (
    CONNECTORS,
    PROJECTIONS,
    mapped,
    original_audio_vae_name,
    original_vae_name,
    original_vocoder_name,
    turned,
)

WRITTEN = ("transformer", "connectors", "vae", "audio_vae", "vocoder")
"""Components of a unified file, in order; those that are not given are not in it."""
IGNORED = ("_class_name", "_diffusers_version", "_name_or_path", "perturbed_attn", "dropout", "resolution")
"""Settings that change no number of a component that is written."""


def original_config(parts: Mapping[str, Component], names: Collection[str] = WRITTEN) -> dict[str, Any]:
    """The header's `config` that describes the components `names`.

    Raises:
        ModelError: when one of them has no form in the original layout.
    """
    made: dict[str, Any] = {}
    if "vae" in names:
        made["vae"] = original_inverse.original_vae(filled(parts["vae"]))
    if "audio_vae" in names:
        made["audio_vae"] = original_inverse.original_audio_vae(filled(parts["audio_vae"]), _mel(parts))
    if "vocoder" in names:
        made["vocoder"] = original_inverse.original_vocoder(filled(parts["vocoder"]))
    if "transformer" in names:
        connectors = filled(parts["connectors"]) if "connectors" in parts else None
        made["transformer"] = original_inverse.original_transformer(filled(parts["transformer"]), connectors)
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
    own = filled(part)
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


def filled(part: Component) -> dict[str, Any]:
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
    audio = filled(parts["audio_vae"])
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
