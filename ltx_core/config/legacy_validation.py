"""Older forms of `validation`: one scale for both modalities, and lists beside one another for samples."""

from __future__ import annotations

import copy
from typing import Annotated, Any, Literal

from pydantic import Field

from ltx_core.config.legacy import OlderForm, Rewrite
from ltx_core.config.legacy_model import is_older
from ltx_core.config.sections import ValidationSection

CFG = ("video_cfg_scale", "audio_cfg_scale")
STG = ("video_stg_scale", "audio_stg_scale")
STG_KEYS = ("stg_scale", "stg_mode")
PLAIN = ("video_stg_scale", "guidance_rescale")
"""What guides a video beside the prompt."""
LISTS = ("prompts", "images", "reference_videos")
SAMPLE_KEYS = (*LISTS, "reference_downscale_factor", "include_reference_in_output", "videos_per_prompt")


class Perturbation(OlderForm):
    """`stg_scale` for the modalities of `stg_mode`."""

    stg_scale: Annotated[float, Field(ge=0)] = 1.0
    stg_mode: Literal["stg_av", "stg_v"] = "stg_av"


class SampleLists(OlderForm):
    """Samples as lists of equal length."""

    prompts: list[str] | None = None
    images: list[str | None] | None = None
    reference_videos: list[str | None] | None = None
    reference_downscale_factor: Annotated[int, Field(ge=1)] = 1
    include_reference_in_output: bool = False
    videos_per_prompt: Annotated[int, Field(ge=1)] = 1


def prompt_alone(rewrite: Rewrite) -> None:
    """The older trainer, whose configs state no strategy, guides its samples by the prompt alone."""
    if not is_older(rewrite.raw) or "training_strategy" in rewrite.raw:
        return
    section = rewrite.section("validation")
    plain = {} if set(STG_KEYS) & section.keys() else {key: 0.0 for key in PLAIN if key not in section}
    if plain:
        rewrite.put("validation", plain)
    for key in plain:
        rewrite.note("validation (guided by the prompt alone)", f"validation.{key}: 0.0")


def guidance(rewrite: Rewrite) -> None:
    """`guidance_scale` is both modalities' scale."""
    if rewrite.mixed("validation", ["guidance_scale"], CFG):
        return
    for value in rewrite.take("validation", ["guidance_scale"]).values():
        rewrite.put("validation", dict.fromkeys(CFG, value))
        rewrite.note("validation.guidance_scale", " and ".join(f"validation.{key}" for key in CFG))


def perturbation(rewrite: Rewrite) -> None:
    """`stg_scale` and `stg_mode` are a scale for each modality."""
    if rewrite.mixed("validation", STG_KEYS, STG):
        return
    stated = rewrite.take("validation", STG_KEYS)
    old = rewrite.parse(Perturbation, stated, "validation") if stated else None
    if old is None:
        return
    audio = old.stg_scale if old.stg_mode == "stg_av" else 0.0
    rewrite.put("validation", dict(zip(STG, (old.stg_scale, audio), strict=True)))
    for key in stated:
        rewrite.note(f"validation.{key}", " and ".join(f"validation.{key}" for key in STG))


def samples(rewrite: Rewrite) -> None:
    """Lists of prompts, images and references are a list of samples."""
    section = rewrite.section("validation")
    stated = {key: section[key] for key in SAMPLE_KEYS if key in section}
    old = rewrite.parse(SampleLists, stated, "validation") if stated else None
    if old is None:
        return
    # A public config written out whole has these beside `samples`, at values that say nothing.
    said = [key for key in stated if getattr(old, key) not in (None, [], getattr(SampleLists(), key))]
    if said and section.get("samples") and rewrite.mixed("validation", said, ["samples"]):
        return
    if not _fits(rewrite, old):
        return
    rewrite.take("validation", SAMPLE_KEYS)
    if old.prompts:
        rewrite.put("validation", {"samples": _samples(old, section.get("seed"))})
    for key in stated:
        rewrite.note(f"validation.{key}", _successor(key) if key in said else "removed: it says nothing")


def _fits(rewrite: Rewrite, old: SampleLists) -> bool:
    """Whether there is one image and one reference for each prompt."""
    prompts, fits = old.prompts or [], True
    for key in ("images", "reference_videos"):
        found = getattr(old, key)
        if found and len(found) != len(prompts):
            rewrite.refuse(
                f"validation.{key}",
                f"{len(found)} for {len(prompts)} validation.prompts; give one for each prompt",
            )
            fits = False
    return fits


def _samples(old: SampleLists, seed: Any) -> list[dict[str, Any]]:
    """One sample for each prompt and seed, a prompt's beside one another."""
    first = seed if isinstance(seed, int) else int(ValidationSection.model_fields["seed"].default)
    found: list[dict[str, Any]] = []
    for number, prompt in enumerate(old.prompts or ()):
        sample: dict[str, Any] = {"prompt": prompt}
        if conditions := _conditions(old, number):
            sample["conditions"] = conditions
        for again in range(old.videos_per_prompt):
            seeded = {} if old.videos_per_prompt == 1 else {"seed": first + again}
            found.append({**copy.deepcopy(sample), **seeded})
    return found


def _conditions(old: SampleLists, number: int) -> list[dict[str, Any]]:
    conditions: list[dict[str, Any]] = []
    if old.images and (image := old.images[number]) is not None:
        conditions.append({"type": "first_frame", "image_or_video": image})
    if old.reference_videos and (video := old.reference_videos[number]) is not None:
        reference: dict[str, Any] = {"type": "reference", "video": video}
        if old.reference_downscale_factor != 1:
            reference["downscale_factor"] = old.reference_downscale_factor
        if old.include_reference_in_output:
            reference["include_in_output"] = True
        conditions.append(reference)
    return conditions


def _successor(key: str) -> str:
    """Where a key of the lists went."""
    successors = {
        "prompts": "[{prompt}]",
        "images": "conditions: [{type: first_frame, image_or_video}]",
        "reference_videos": "conditions: [{type: reference, video}]",
        "reference_downscale_factor": "conditions: [{type: reference, downscale_factor}]",
        "include_reference_in_output": "conditions: [{type: reference, include_in_output}]",
        "videos_per_prompt": "one for each of so many consecutive seeds",
    }
    return f"validation.samples: {successors[key]}"
