"""Older training strategies: `text_to_video`, `video_to_video`, and the `conditioning` block before them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ltx_core.conditions.base import Probability
from ltx_core.config.legacy import OlderForm, Rewrite
from ltx_core.config.legacy_model import is_older

STAGE_COLUMN = "reference_latents"
"""Column of the references that a stage makes."""
OLDER_COLUMN = "ref_latents"
"""The older trainer's default folder of prepared references."""


class TextToVideo(OlderForm):
    """`training_strategy: {name: text_to_video}`."""

    name: Literal["text_to_video"]
    first_frame_conditioning_p: Probability = 0.1
    with_audio: bool = False
    audio_latents_dir: Annotated[str, Field(min_length=1)] = "audio_latents"


class VideoToVideo(OlderForm):
    """`training_strategy: {name: video_to_video}`."""

    name: Literal["video_to_video"]
    first_frame_conditioning_p: Probability = 0.1
    reference_latents_dir: Annotated[str, Field(min_length=1)] = STAGE_COLUMN


class Conditioning(OlderForm):
    """`conditioning`, of the trainer for LTX-Video."""

    mode: Literal["none", "reference_video"] = "none"
    first_frame_conditioning_p: Probability = 0.1
    reference_latents_dir: Annotated[str, Field(min_length=1)] = OLDER_COLUMN


FORMS: dict[str, type[TextToVideo] | type[VideoToVideo]] = {
    "text_to_video": TextToVideo,
    "video_to_video": VideoToVideo,
}
NEW_KEYS = ("video", "audio")
"""Keys of the strategy `flexible`."""


def named_strategy(rewrite: Rewrite) -> None:
    """`text_to_video` and `video_to_video` become roles and conditions."""
    stated = rewrite.section("training_strategy")
    form = FORMS.get(str(stated.get("name")))
    if form is None or _has_new_keys(rewrite, stated):
        return
    where = "training_strategy"
    old = rewrite.parse(form, stated, where)
    if old is None:
        return
    if isinstance(old, TextToVideo):
        sound = old.audio_latents_dir if old.with_audio else None
        new = _flexible(old.first_frame_conditioning_p, sound=sound)
    else:
        new = _flexible(old.first_frame_conditioning_p, reference=old.reference_latents_dir)
    rewrite.raw[where] = new
    rewrite.note(f"{where}.name: {old.name}", f"{where}: {_shown(new)}")
    for key in stated:
        if key != "name":
            rewrite.note(f"{where}.{key}: {_plain(stated[key])}", _successor(key))


def conditioning(rewrite: Rewrite) -> None:
    """The older trainer's `conditioning`, stated or not, becomes a strategy of video alone."""
    stated = rewrite.raw.get("conditioning", {})
    if not is_older(rewrite.raw):
        return
    if "training_strategy" in rewrite.raw:
        if "conditioning" in rewrite.raw:
            rewrite.refuse(
                "conditioning",
                "an older form of training_strategy, which is stated too; keep one form: remove "
                "conditioning, or remove training_strategy",
            )
        return
    old = rewrite.parse(Conditioning, stated, "conditioning")
    if old is None:
        return
    new = _flexible(old.first_frame_conditioning_p, reference=_column(rewrite, old))
    rewrite.raw["training_strategy"] = new
    if "conditioning" in rewrite.raw:
        del rewrite.raw["conditioning"]
        rewrite.note(f"conditioning.mode: {old.mode}", f"training_strategy: {_shown(new)}")
    else:
        rewrite.note("conditioning (none stated: its default)", f"training_strategy: {_shown(new)}")
    for key, value in (stated or {}).items():
        if key != "mode":
            rewrite.note(f"conditioning.{key}: {_plain(value)}", _successor(key))


def _column(rewrite: Rewrite, old: Conditioning) -> str | None:
    """The references' column: a folder of prepared data keeps its name, a stage's column has its own."""
    if old.mode == "none":
        return None
    prepared = rewrite.section("data").get("preprocessed_data_root") is not None
    unnamed = old.reference_latents_dir == OLDER_COLUMN
    return STAGE_COLUMN if unnamed and not prepared else old.reference_latents_dir


def _has_new_keys(rewrite: Rewrite, stated: dict[str, Any]) -> bool:
    """Whether an older name stands beside keys of `flexible`: a problem."""
    mixed = [f"training_strategy.{key}" for key in NEW_KEYS if key in stated]
    if mixed:
        rewrite.refuse(
            f"training_strategy.name: {stated['name']}",
            f"an older strategy, which has no {' or '.join(mixed)}; keep one form: "
            "set training_strategy.name to flexible and remove the older keys, or remove "
            f"{', '.join(mixed)}",
        )
    return bool(mixed)


def _flexible(
    first_frame: float, *, sound: str | None = None, reference: str | None = None
) -> dict[str, Any]:
    conditions: list[dict[str, Any]] = []
    if reference is not None:
        conditions.append({"type": "reference", "latents_dir": reference})
    if first_frame > 0:
        conditions.append({"type": "first_frame", "probability": first_frame})
    video: dict[str, Any] = {"is_generated": True}
    if conditions:
        video["conditions"] = conditions
    strategy: dict[str, Any] = {"name": "flexible", "video": video}
    if sound is not None:
        strategy["audio"] = {"is_generated": True, "latents_dir": sound}
    return strategy


def _shown(strategy: dict[str, Any]) -> str:
    """What a strategy generates of what, in a few words."""
    made = " and ".join(name for name in NEW_KEYS if name in strategy)
    found = [condition["type"] for condition in strategy["video"].get("conditions", ())]
    return f"flexible, {made} generated" + (f", video.conditions {' and '.join(found)}" if found else "")


def _successor(key: str) -> str:
    """Where a key of an older strategy went."""
    return {
        "first_frame_conditioning_p": "training_strategy.video.conditions: {type: first_frame, probability}",
        "reference_latents_dir": "training_strategy.video.conditions: {type: reference, latents_dir}",
        "with_audio": "training_strategy.audio, stated or left out",
        "audio_latents_dir": "training_strategy.audio.latents_dir",
    }[key]


def _plain(value: Any) -> str:
    """A value as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
