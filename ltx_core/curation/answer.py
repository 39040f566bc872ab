"""From what a language model answers to a caption: thoughts, fences and preambles off, refusals out."""

from __future__ import annotations

import json
import re
from typing import Any

from ltx_core.errors import LtxError


class NoCaptionError(LtxError):
    """An answer that is no caption; the message is a short reason for the clip's row."""


_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_OPEN_THOUGHT = re.compile(r"^.*</think(?:ing)?>|<think(?:ing)?>.*$", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"^```[\w-]*\s*\n(.*?)\n?```$", re.DOTALL)
_PREAMBLES = (
    re.compile(r"^(?:sure|certainly|of course|okay|ok)[,.!:]\s*", re.IGNORECASE),
    re.compile(r"^here(?:'s| is| are)\b[^.:\n]{0,80}:\s*", re.IGNORECASE),
    re.compile(
        r"^(?:\*\*)?(?:(?:video|audio) )?(?:caption|description)(?:\*\*)?:(?:\*\*)?\s*", re.IGNORECASE
    ),
    re.compile(
        r"^(?:in )?(?:the|this) (?:short )?(?:video|clip|footage|scene|audio|sound|recording)(?: clip)? "
        r"(?:shows|depicts|features|presents|captures|displays|begins with|opens with)\s+",
        re.IGNORECASE,
    ),
)
_REFUSAL = re.compile(
    r"^(?:i['’]?m sorry|i am sorry|sorry|i apologi[sz]e|unfortunately,? i|as an ai\b|"
    r"i (?:can['’]?t|cannot|can not|am unable|am not able|won['’]t|do not|don['’]t) |"
    r"i['’]m (?:unable|not able) )",
    re.IGNORECASE,
)
_CAPTION_KEYS = ("caption", "combined_caption_english", "description")


def clean_answer(answer: Any) -> str:
    """The caption in a model's answer.

    Raises:
        NoCaptionError: when nothing is left, or the model refused.
    """
    if not isinstance(answer, str):
        raise NoCaptionError("no caption: the captioner's answer is empty")
    text = _OPEN_THOUGHT.sub("", _THOUGHT.sub("", answer)).strip()
    fence = _FENCE.match(text)
    text = _from_json(fence.group(1).strip() if fence else text)
    if _REFUSAL.match(text):
        raise NoCaptionError(f"no caption: the captioner refused ({text[:80]})")
    bare = _without_preambles(text)
    if not bare.strip(" .\"'*#"):
        raise NoCaptionError("no caption: the captioner's answer is empty")
    return bare if bare == text else bare[0].upper() + bare[1:]


def _from_json(text: str) -> str:
    """The caption in an answer like {"caption": "..."}, else the text."""
    if not text.startswith("{"):
        return text
    try:
        fields = json.loads(text)
    except ValueError:
        return text
    for key in _CAPTION_KEYS:
        if isinstance(fields.get(key), str):
            return str(fields[key]).strip()
    return text


def _without_preambles(text: str) -> str:
    for pattern in _PREAMBLES:
        text = pattern.sub("", text, count=1).strip()
    if len(text) > 1 and text[0] == text[-1] == '"' and text.count('"') == 2:
        text = text[1:-1].strip()
    return text
