"""The kinds of captioners: which class runs a folder's model, and the words of its prompt.

Design choices
- A folder's `config.json` says the kind; an omni model's talker is neither built nor read.
- Special tokens are looked up in the folder's tokenizer by name, and must be those that the config numbers.
- Sizes of videos are those that the models' own processors use where the folder states none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltx_core.models.errors import ModelError


@dataclass(frozen=True)
class Kind:
    """One family.

    Attributes:
        model_types: what `config.json` says.
        architecture: class of transformers.
        system: what stands before the question, "" for nothing.
        vision: tokens before, for and after a video.
        sound: the same for sound; empty where the model does not hear.
        seconds: name of the argument with the seconds of a step of the video.
        halved: whether the sound's tokens are counted in windows of the encoder (Qwen3) or in one (Qwen2.5).
        patch: pixels of a patch's side, unless the folder says otherwise.
    """

    model_types: tuple[str, ...]
    architecture: str
    system: str
    vision: tuple[str, str, str]
    sound: tuple[str, str, str] | None
    seconds: str
    windowed: bool = False
    patch: int = 14


KINDS = (
    Kind(
        ("qwen2_5_vl",),
        "Qwen2_5_VLForConditionalGeneration",
        "You are a helpful assistant.",
        ("<|vision_start|>", "<|video_pad|>", "<|vision_end|>"),
        None,
        "second_per_grid_ts",
    ),
    Kind(
        ("qwen2_5_omni", "qwen2_5_omni_thinker"),
        "Qwen2_5OmniThinkerForConditionalGeneration",
        "You are a helpful assistant.",
        ("<|vision_bos|>", "<|VIDEO|>", "<|vision_eos|>"),
        ("<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>"),
        "video_second_per_grid",
    ),
    Kind(
        ("qwen3_omni_moe", "qwen3_omni_moe_thinker"),
        "Qwen3OmniMoeThinkerForConditionalGeneration",
        "",
        ("<|vision_start|>", "<|video_pad|>", "<|vision_end|>"),
        ("<|audio_start|>", "<|audio_pad|>", "<|audio_end|>"),
        "video_second_per_grid",
        windowed=True,
        patch=16,
    ),
)
"""What can be run here."""


def kind_of_folder(folder: Path) -> Kind:
    """What a folder holds, from its `config.json` alone.

    Raises:
        ModelError: when it is none that can be run here.
    """
    if not folder.is_dir():
        raise ModelError(
            f"dataset.captions.model {str(folder)!r} is no folder; give that of a Qwen2.5-VL, Qwen2.5-Omni "
            "or Qwen3-Omni model, or serve the model and use `captioner: endpoint`"
        )
    model_type = str(read_json(folder, "config.json").get("model_type"))
    kind = next((kind for kind in KINDS if model_type in kind.model_types), None)
    if kind is None:
        raise ModelError(
            f"{folder} holds a {model_type!r} model; captions are written here by Qwen2.5-VL, "
            "Qwen2.5-Omni and Qwen3-Omni: give the folder of one, or serve the model and use `endpoint`"
        )
    return kind


def read_json(folder: Path, name: str, needed: bool = True) -> dict[str, Any]:
    """A JSON file of a model's folder; empty where it is missing and not needed.

    Raises:
        ModelError: when it cannot be read.
    """
    path = folder / name
    if not path.exists() and not needed:
        return {}
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} cannot be read: {error}; dataset.captions.model must be a captioner's folder"
        ) from error
    return found if isinstance(found, dict) else {}
