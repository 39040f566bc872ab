"""What a captioner is asked: named templates, or a text with `{placeholders}`.

Design choices
- Only known placeholders are replaced, so a prompt may hold JSON; a `{word}` that is none of them is refused.
- A sentence about what is not known (`{hint}` without a hint) is left out by the templates themselves: such
  values bring their whole sentence.
- The `ltx2` template asks for what LTX-2's own prompts look like: one paragraph, present tense, in order,
  shot and camera, looks in restrained words, sound where it happens, speech in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ltx_core.curation.options.captions import DEFAULT_PROMPT, DEFAULT_SOUND_PROMPT
from ltx_core.errors import ConfigError

PLACEHOLDERS = ("duration", "has_sound", "folder", "file", "trigger", "hint")
"""duration: seconds, as 3.7; has_sound: `with sound` or `without sound`; folder and file: names, without
suffix; trigger: `dataset.trigger`; hint: `captions.hint`."""

TEMPLATES = {
    "paragraph": DEFAULT_PROMPT,
    "ltx2": (
        "Write one paragraph of 80 to 200 words that describes this video of {duration} seconds, "
        "{has_sound}. Present tense, in the order in which things happen, joined by words such as 'as' and "
        "'then'. Begin with the kind of shot and what is in it; then the movement of the camera; then what "
        "each subject looks like and does: colours, materials, clothing, light and place, in plain and "
        "restrained words. Say what is heard at the moment when it is heard: voices, music, noises, the "
        "room. Put spoken words in double quotes as they are spoken and say who speaks, with which voice, "
        "accent and language; quote visible text too. Say only what can be seen and heard: no guesses about "
        "feelings or intentions, no times in seconds, no headings, no lists, and do not begin with 'The "
        "video shows'.{hint}"
    ),
    "ltx_video": (
        "Describe this video in one flowing paragraph of at most 200 words. Begin directly with the main "
        "action in a single sentence. Add details of movements and gestures, the appearance of people and "
        "objects, the background and surroundings, camera angles and movements, light and colours, and "
        "changes or sudden events, all in chronological order. Literal and precise, as a cinematographer "
        "would list shots. Do not begin with 'The video shows'.{hint}"
    ),
    "short": (
        "Describe this video in one plain sentence of at most 25 words, in the present tense: who or what, "
        "what it does, where. Nothing else.{hint}"
    ),
    "tags": (
        "Answer with 8 to 20 short tags for this video, in lower case, separated by commas, the most "
        "important first: subjects, actions, place, kind of shot, movement of the camera, light, colours, "
        "style, sounds. Nothing else.{hint}"
    ),
}
"""What is asked about a video, by name."""

SOUND_TEMPLATES = {
    "paragraph": DEFAULT_SOUND_PROMPT,
    "ltx2": (
        "Write one paragraph of 40 to 120 words that describes this sound of {duration} seconds, in the "
        "present tense and in the order in which things are heard: what makes each sound, voices, music and "
        "noises, their loudness, pitch, tempo and the room. Put spoken words in double quotes as they are "
        "spoken and say who speaks, with which voice, accent and language. Plain and exact words, no guesses "
        "about feelings, no times in seconds, no headings, and do not begin with 'The audio'.{hint}"
    ),
    "short": "Describe this sound in one plain sentence of at most 20 words. Nothing else.{hint}",
    "tags": (
        "Answer with 5 to 15 short tags for this sound, in lower case, separated by commas, the most "
        "important first. Nothing else.{hint}"
    ),
}
"""What is asked about a sound alone, by name."""

_PLACE = re.compile(r"\{([a-z_]+)\}")


def template(prompt: str, sound: bool = False) -> str:
    """The text behind a prompt: a template's by its name, else the prompt itself.

    Args:
        prompt: a name or a text.
        sound: whether a sound alone is asked about.

    Raises:
        ConfigError: for a `{word}` that is no placeholder, or an empty prompt.
    """
    name = "sound_prompt" if sound else "prompt"
    known = SOUND_TEMPLATES if sound else TEMPLATES
    text = known.get(prompt.strip(), prompt)
    if not text.strip():
        raise ConfigError(
            f"dataset.captions.{name} is empty; write what to ask, or one of {', '.join(known)}"
        )
    if unknown := [word for word in _PLACE.findall(text) if word not in PLACEHOLDERS]:
        raise ConfigError(
            f"dataset.captions.{name} has the placeholder {{{unknown[0]}}}, which nothing fills; use "
            f"{', '.join(f'{{{word}}}' for word in PLACEHOLDERS)}, or other brackets"
        )
    if len(text.split()) == 1 and "{" not in text:
        raise ConfigError(
            f"dataset.captions.{name} is {text!r}: neither a template ({', '.join(known)}) nor a question; "
            "write a whole sentence"
        )
    return text


def places(text: str) -> set[str]:
    """The placeholders of a text."""
    return set(_PLACE.findall(text)) & set(PLACEHOLDERS)


def filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with its placeholders replaced."""
    return _PLACE.sub(lambda found: values.get(found.group(1), found.group(0)), text)


def hint_sentence(hint: str) -> str:
    """What stands for `{hint}`: a sentence behind the others, or nothing."""
    return f" What is known about this footage: {hint.strip()}" if hint.strip() else ""
