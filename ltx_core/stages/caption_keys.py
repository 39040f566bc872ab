"""What a captioner's row depends on, and where a clip's caption comes from; imports no torch and no network.

Design choices
- An edited caption goes before everything, then the configured order.
- A user's caption is keyed by its text alone, a captioner's by the clip and what is asked about it.
- Options at their default are no part of a key, so an option that comes to be changes no key.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ltx_core.curation.captioning.edits import read_edits
from ltx_core.curation.captioning.prompts import filled, hint_sentence, places, template
from ltx_core.curation.captioning.sidecar import sidecar_caption
from ltx_core.curation.options.captions import CaptionOptions
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.stages.sources import first_files

EDITED = "edited"
"""The source of a caption that was written by hand into a file of `ltx captions edit`."""

ALWAYS = ("captioner", "model", "max_tokens", "temperature", "extra_body")
"""Caption options that change what any model says."""
OF_PICTURES = ("prompt", "mode", "images", "sound")
"""Those that matter only in a mode with video."""
OF_SOUND = ("sound_prompt",)
"""Those that matter only in a mode without video."""
UNLESS_DEFAULT = ("hint", "sample_fps", "longest_side", "sound_form", "remove")
"""Those that are part of a key where they are stated. All others only say how a captioner is reached."""
CLEANING = ("remove",)
"""What changes a caption without asking again."""


@dataclass(frozen=True)
class Wanted:
    """A clip and where its caption comes from.

    Attributes:
        clip: the clip.
        text: the caption; None where a captioner is to write it.
        source: `edited`, `column`, `sidecar`, `folder`, a captioner's name, or "" where there is none.
        prompt: what a captioner is asked.
        asked: digest of all that an answer depends on; a captioner's answers are remembered by it.
    """

    clip: Clip
    text: str | None
    source: str
    prompt: str = ""
    asked: str = ""


def captions_folder(context: Context) -> Path:
    """Where what people and servers have said of clips is kept: edits, answers on their way, costs."""
    return context.config.workspace / "captions"


def section(context: Context) -> dict[str, Any]:
    """The caption options that change what the configured captioner says."""
    stated = context.config.dataset.captions
    if stated.captioner == "describe":  # it asks nobody: no option of a model changes what it says
        further = {} if stated.describe == "phrase" else {"describe": stated.describe}
        return {"captioner": "describe", **further}
    options, default = stated.resolved(), CaptionOptions(captioner=stated.captioner).resolved()
    with_video = context.config.training_strategy.video is not None
    values = asdict(options)
    found = {name: values[name] for name in (*ALWAYS, *(OF_PICTURES if with_video else OF_SOUND))}
    changed = (name for name in UNLESS_DEFAULT if getattr(options, name) != getattr(default, name))
    found |= {name: values[name] for name in changed}
    name = "prompt" if with_video else "sound_prompt"
    found[name] = template(found[name], sound=not with_video)
    if stated.captioner == "transformers":  # the model's fingerprint says which it is
        place = context.config.acceleration
        found |= {"model": "", "precision": place.precision}
        found |= {} if place.text_method is None else {"quantization": place.text_method}
    return found


def prompt_of(context: Context, clip: Clip) -> tuple[str, bool]:
    """What is asked about a clip, and whether the clip changes the words."""
    options = context.config.dataset.captions
    sound_alone = not clip.has_picture
    text = template(options.sound_prompt if sound_alone else options.prompt, sound_alone)
    used = places(text)
    hint = hint_sentence(options.hint)
    values = {
        "duration": f"{clip.seconds:.1f}",
        "has_sound": "with sound" if clip.has_audio else "without sound",
        "folder": clip.file.folder,
        "file": clip.path.stem,
        "trigger": context.config.dataset.trigger,
        "hint": hint,
    }
    return filled(text, values) + ("" if "hint" in used else hint), bool(used - {"hint"})


def edits(context: Context) -> dict[str, str]:
    """Captions that were written by hand, by clip id."""
    return context.memo("caption edits", lambda: read_edits(captions_folder(context)))


def choose_source(context: Context, clip: Clip) -> Wanted:
    """An edit, else the first source in the configured order that has a caption for the clip."""
    edited = edits(context).get(clip.clip_id)
    if edited is not None:
        return Wanted(clip, edited, EDITED)
    options = context.config.dataset.captions
    row = first_files(context)[clip.source].row
    for source in options.order:
        text: str | None = None
        if source == "captioner" and options.captioner != "none":
            return Wanted(clip, None, options.captioner)
        if source == "column":
            text = row.caption if row is not None else None
        elif source == "sidecar":
            text = sidecar_caption(clip.path, clip.index, clip.count)
        elif source == "folder":
            text = clip.file.folder.replace("_", " ").replace("-", " ")
        if text is not None and text.strip():
            return Wanted(clip, text, source)
    return Wanted(clip, None, "")
