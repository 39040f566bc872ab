"""What the command line asks of `ltx sample`: prompts, a user's own files, and the axes of a grid."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ltx_core.conditions.reference import FACTORS, trained_factors
from ltx_core.config.samples import SampleSection
from ltx_core.errors import ConfigError
from ltx_core.modes import Strategy

SOUND_SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".opus", ".aif", ".aiff"})
"""Files that hold sound alone; of others it is the picture that counts."""


@dataclass(frozen=True)
class Wish:
    """Options of `ltx sample`; what is left out follows the config.

    Attributes:
        prompts: texts; none: the config's own samples.
        image: the first frame.
        prefix, suffix: the beginning and the end, video or sound.
        span: seconds of prefix and suffix that are kept; None: the whole file.
        references: of an in-context LoRA, video or sound.
        video, audio: the sample's own, given whole; in part with a mask or a crop.
        mask: which part of the video (without one, or where it is a sound or JSON: of the sound) is kept.
        crop: which rectangle of the video is kept, `Y1,X1,Y2,X2` in pixels.
        beside: show references beside the result.
        dims: `WIDTHxHEIGHTxFRAMES`.
        seeds, strengths: axes of the grid; strengths of the LoRA, 0 is the base model.
        lora: a LoRA's file in place of the config's run.
        folder: where to.
    """

    prompts: tuple[str, ...] = ()
    image: Path | None = None
    prefix: Path | None = None
    suffix: Path | None = None
    span: float | None = None
    references: tuple[Path, ...] = ()
    video: Path | None = None
    audio: Path | None = None
    mask: Path | None = None
    crop: str | None = None
    beside: bool = False
    dims: str | None = None
    seeds: tuple[int, ...] = ()
    strengths: tuple[float, ...] = ()
    lora: Path | None = None
    folder: Path | None = None

    @property
    def size(self) -> tuple[int, int, int] | None:
        """Width, height and frames.

        Raises:
            ConfigError: when `dims` is no such text.
        """
        if self.dims is None:
            return None
        found = re.fullmatch(r"(\d+)x(\d+)x(\d+)", self.dims.strip())
        if not found:
            raise ConfigError(f"--dims {self.dims!r} is not WIDTHxHEIGHTxFRAMES, for example 960x544x89")
        return int(found[1]), int(found[2]), int(found[3])


def sections(
    wish: Wish, stated: tuple[SampleSection, ...], strategy: Strategy, trained: Mapping[str, str]
) -> tuple[SampleSection, ...]:
    """The samples that are asked for: one per prompt, or those of the config.

    Args:
        wish: the command line's.
        stated: `validation.samples`.
        strategy: the LoRA's mode; in one without video a file means its sound.
        trained: metadata of the LoRA: scale factors of its references.

    Raises:
        ConfigError: for options that do not go together.
    """
    conditions = _conditions(wish, strategy, trained)
    if conditions and not wish.prompts:
        raise ConfigError("files are given but no prompt; add --prompt TEXT (it may be empty: --prompt '')")
    if wish.prompts:
        values: list[dict[str, Any]] = [
            {"prompt": prompt, "conditions": conditions} for prompt in wish.prompts
        ]
    else:
        values = [section.model_dump() for section in stated]
    if wish.size is not None:
        values = [{**value, "video_dims": wish.size} for value in values]
    try:
        return TypeAdapter(tuple[SampleSection, ...]).validate_python(values)
    except ValidationError as error:
        found = [str(item["msg"]).removeprefix("Value error, ") for item in error.errors()]
        raise ConfigError("; ".join(dict.fromkeys(found))) from None


def _conditions(wish: Wish, strategy: Strategy, trained: Mapping[str, str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if wish.image is not None:
        found.append({"type": "first_frame", "image_or_video": wish.image})
    for kind, path in (("prefix", wish.prefix), ("suffix", wish.suffix)):
        if path is not None:
            found.append({"type": kind, **_source(path, strategy), "duration": wish.span})
    return [*found, *_references(wish, strategy, trained), *_own(wish)]


def _source(path: Path, strategy: Strategy) -> dict[str, Any]:
    sound = path.suffix.lower() in SOUND_SUFFIXES or strategy.video is None
    return {"audio" if sound else "video": path}


def _references(wish: Wish, strategy: Strategy, trained: Mapping[str, str]) -> list[dict[str, Any]]:
    """References at the scale of the LoRA's; the first file is the first that it was trained with."""
    found = [
        {"type": "reference", **_source(path, strategy), "include_in_output": wish.beside}
        for path in wish.references
    ]
    conditions = () if strategy.video is None else strategy.video.conditions
    columns = [name for condition in conditions if condition.attaches for name in condition.columns]
    for name, key in FACTORS.items():
        known = trained_factors(trained, key, columns or ("",))
        for number, stated in enumerate(stated for stated in found if "video" in stated):
            stated[name] = known[min(number, len(known) - 1)]
    return found


def _own(wish: Wish) -> list[dict[str, Any]]:
    """Conditions of the sample's own video and sound: whole, or a part of them."""
    video, audio = wish.video, wish.audio
    found: list[dict[str, Any]] = []
    if wish.mask is not None:
        if video is None and audio is None:
            raise ConfigError("--mask needs what it masks; add --video FILE or --audio FILE")
        over_time = wish.mask.suffix.lower() in SOUND_SUFFIXES | {".json"}
        sound = video is None or (over_time and audio is not None)
        masked = {"audio": audio} if sound else {"video": video}
        found.append({"type": "mask", "mask": wish.mask, **masked})
    if wish.crop is not None:
        if video is None:
            raise ConfigError("--crop needs the video that it is a part of; add --video FILE")
        found.append({"type": "spatial_crop", "video": video, "spatial_region": _region(wish.crop)})
    if video is not None and not any("video" in stated for stated in found):
        found.append({"type": "video_to_audio", "video": video})
    if audio is not None and not any("audio" in stated for stated in found):
        found.append({"type": "audio_to_video", "audio": audio})
    return found


def _region(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\s*\d+\s*(,\s*\d+\s*){3}", text):
        raise ConfigError(f"--crop {text!r} is not Y1,X1,Y2,X2 in pixels, for example 0,0,288,576")
    return tuple(int(part) for part in text.split(","))
