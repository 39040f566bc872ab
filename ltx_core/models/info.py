"""What a model's JSON files say: sizes, factors, limits. Read without torch, so that planning is fast."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltx_core.errors import LtxError
from ltx_core.geometry.grid import AudioScale, VideoScale
from ltx_core.media.mel import MelSpec
from ltx_core.models.fingerprint import fingerprint_folder
from ltx_core.store.keys import digest

TRANSFORMER_CLASS = "LTX2VideoTransformer3DModel"
DEFAULT_TEXT_TOKENS = 1024
"""Tokens of a caption that LTX-2 reads; used where a tokenizer states no limit or a larger one."""
STG_SHARES = {"2.0": (29, 48)}
"""Block of spatio-temporal guidance as a share of the depth, by version (public pipelines' defaults)."""
DEFAULT_STG_SHARE = (28, 48)
COMPONENTS = ("transformer", "vae", "audio_vae", "vocoder", "text_encoder", "tokenizer", "connectors")
"""Folders of a complete model."""
WEIGHTLESS = frozenset(("tokenizer", "audio_processor", "scheduler"))
"""Folders without weights."""
GET_ONE = "Get a complete LTX-2 model in the diffusers layout, or set model.model_path to one."


class ModelError(LtxError):
    """A model, or a LoRA file, is missing, incomplete or not one that this project can use."""


@dataclass(frozen=True)
class ModelInfo:
    """Facts of a model folder in the diffusers layout.

    Attributes:
        path: the folder.
        family: `ltx2`.
        version: `2.0`, `2.3` or `2.5`.
        video_scale: pixels per latent along time, height, width.
        video_channels: channels of a video latent, which is a token.
        audio_scale: samples per audio latent; None when the model has no audio VAE.
        audio_channels, audio_bins: channels and mel bins of an audio latent; a token is their product.
        mel: the audio front end; None when the model has no audio VAE.
        wave_rate: samples per second of generated sound.
        text_tokens: tokens of a caption that the model reads; the rest is dropped.
        context_tokens: length of the text context, `text_tokens` up to a multiple of the registers.
        blocks: number of transformer blocks.
        components: names of the folders that are there.
        apart: folders of the components that lie in no folder of `path`.
    """

    path: Path
    family: str
    version: str
    video_scale: VideoScale
    video_channels: int
    audio_scale: AudioScale | None
    audio_channels: int
    audio_bins: int
    mel: MelSpec | None
    wave_rate: int
    text_tokens: int
    context_tokens: int
    blocks: int
    components: tuple[str, ...]
    apart: tuple[tuple[str, Path], ...] = ()

    @classmethod
    def read(cls, path: str | Path, apart: Mapping[str, Path] | None = None) -> ModelInfo:
        """Read the facts of the model in the folder `path`.

        Args:
            path: the folder.
            apart: folders of components that lie elsewhere, by name (`places.apart`).

        Raises:
            ModelError: when there is no such model, or it is not one that this project can use.
        """
        folder = Path(path)
        transformer = _transformer_config(folder)
        at = {name: folder / name for name in (*COMPONENTS, "audio_processor")} | dict(apart or {})
        audio = _config(at["audio_vae"]) if at["audio_vae"].is_dir() else None
        connectors = _config(at["connectors"]) if at["connectors"].is_dir() else {}
        factor = int(transformer.get("audio_scale_factor", 4))
        mel = None if audio is None else _mel_spec(at["audio_processor"], audio)
        vocoder = _config(at["vocoder"]) if at["vocoder"].is_dir() else {}
        tokens = _text_tokens(at["tokenizer"])
        registers = int(connectors.get("video_connector_num_learnable_registers") or 1)
        time, height, width = transformer.get("vae_scale_factors", (8, 32, 32))
        found = [name for name, place in at.items() if place.is_dir()]
        return cls(
            path=folder,
            family="ltx2",
            version=_version(transformer),
            video_scale=VideoScale(int(time), int(height), int(width)),
            video_channels=int(transformer.get("in_channels", 128)),
            audio_scale=None if mel is None else AudioScale(mel.sample_rate, mel.hop, factor),
            audio_channels=0 if audio is None else int(audio.get("latent_channels", 8)),
            audio_bins=0 if mel is None else mel.mel_bins // factor,
            mel=mel,
            wave_rate=int(vocoder.get("output_sampling_rate", 24000)),
            text_tokens=tokens,
            context_tokens=-(-tokens // registers) * registers,
            blocks=int(transformer.get("num_layers", 48)),
            components=tuple(found),
            apart=tuple((apart or {}).items()),
        )

    def folder(self, component: str) -> Path:
        """The folder of a component, whether or not it is there."""
        return dict(self.apart).get(component, self.path / component)

    @property
    def stg_block(self) -> int:
        """Default block of spatio-temporal guidance: 29 of 48 for LTX-2.0, else 28, or that share."""
        block, depth = STG_SHARES.get(self.version, DEFAULT_STG_SHARE)
        return block * self.blocks // depth

    def fingerprint(self, *components: str) -> str:
        """Digest of the weights and configs of `components`, of all of them when none is named."""
        names = components or tuple(sorted({*COMPONENTS, "audio_processor"}))
        try:
            return digest({name: fingerprint_folder(self.folder(name)) for name in names})
        except OSError as error:
            raise ModelError(
                f"the model in {self.path} cannot be read ({error}); make its files readable"
            ) from error

    def config(self, component: str) -> dict[str, Any]:
        """The JSON config of a component.

        Raises:
            ModelError: when it is missing or no JSON object.
        """
        return _config(self.folder(component))

    def require(self, *components: str) -> None:
        """Check that `components` are there with their config and weights.

        Raises:
            ModelError: naming what is missing.
        """
        for name in components:
            folder = self.folder(name)
            if not folder.is_dir():
                raise ModelError(
                    f"the model in {self.path} has no {name}/; found {', '.join(self.components)}. {GET_ONE}"
                )
            if name not in WEIGHTLESS and not any(folder.glob("*.safetensors")):
                raise ModelError(
                    f"{folder} holds no weights (*.safetensors); found {_listing(folder)}. {GET_ONE}"
                )


def _transformer_config(folder: Path) -> dict[str, Any]:
    if folder.is_file():
        raise ModelError(
            f"{folder} is a single file; a model is a folder in the diffusers layout "
            f"(transformer/, vae/, text_encoder/, ...). {GET_ONE}"
        )
    if not folder.is_dir():
        raise ModelError(f"there is no model in {folder}: the folder does not exist. {GET_ONE}")
    if not (folder / "transformer").is_dir():
        raise ModelError(f"the model in {folder} has no transformer/; found {_listing(folder)}. {GET_ONE}")
    config = _config(folder / "transformer")
    if config.get("_class_name") != TRANSFORMER_CLASS:
        raise ModelError(
            f"{folder}/transformer is a {config.get('_class_name')}; models of the LTX-2 family "
            f"({TRANSFORMER_CLASS}) can be used. {GET_ONE}"
        )
    if config.get("patch_size", 1) != 1 or config.get("patch_size_t", 1) != 1:
        raise ModelError(f"{folder}/transformer has a patch size other than 1; only 1 can be used. {GET_ONE}")
    return config


def _config(folder: Path, name: str = "config.json") -> dict[str, Any]:
    return read_config(folder / name)


def read_config(path: Path, advice: str = GET_ONE) -> dict[str, Any]:
    """The JSON object in a component's config file.

    Raises:
        ModelError: when it is missing or no JSON object, with what to do.
    """
    if not path.is_file():
        raise ModelError(f"{path} is missing; found {_listing(path.parent)}. {advice}")
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON ({error}). {advice}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds a {type(value).__name__}; it must be a JSON object. {advice}")
    return value


def _version(transformer: dict[str, Any]) -> str:
    if transformer.get("use_prompt_embeddings", True):
        return "2.0"
    newest = transformer.get("use_keyframes_abs_pos_embedding", False) or not transformer.get("ff_bias", True)
    return "2.5" if newest else "2.3"


def _mel_spec(processor: Path, audio: dict[str, Any]) -> MelSpec:
    """The front end's own file, else LTX-2's with the audio VAE's rate, hop and bins."""
    name = "preprocessor_config.json"
    if (processor / name).is_file():
        fields = _config(processor, name)
    else:
        rate = int(audio.get("sample_rate", 16000))
        hop, bins = int(audio.get("mel_hop_length", 160)), int(audio.get("mel_bins") or 64)
        fields = {"sample_rate": rate, "hop": hop, "mel_bins": bins, "f_max": rate / 2}
    try:
        return MelSpec(**fields)
    except TypeError as error:
        raise ModelError(
            f"{processor}/{name} does not describe an audio front end ({error}); "
            f"its keys are {', '.join(MelSpec.__dataclass_fields__)}."
        ) from error


def _text_tokens(tokenizer: Path) -> int:
    if not tokenizer.is_dir():
        return DEFAULT_TEXT_TOKENS
    limit = _config(tokenizer, "tokenizer_config.json").get("model_max_length")
    return min(int(limit or DEFAULT_TEXT_TOKENS), DEFAULT_TEXT_TOKENS)


def _listing(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())[:12] if folder.is_dir() else []
    return ", ".join(names) or "nothing"
