"""From what a language model answers to a caption: thoughts, fences and stock phrases off, refusals out.

Only a captioner's answers go through here; a user's own text is never touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ltx_core.curation.captioning.outcome import NoCaptionError
from ltx_core.curation.captioning.phrases import BEGINNINGS, REFUSAL

__all__ = ["NoCaptionError", "clean_answer"]

JUDGED = "no caption: the captioner"
"""How every reason of `clean_answer` begins: a text was judged, and may be judged otherwise another time."""
_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_OPEN_THOUGHT = re.compile(r"^.*</think(?:ing)?>|<think(?:ing)?>.*$", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"^```[\w-]*\s*\n(.*?)\n?```$", re.DOTALL)
_BEGINNINGS = tuple(re.compile(rf"^(?:{pattern})", re.IGNORECASE) for pattern in BEGINNINGS)
_REFUSAL = re.compile(rf"^(?:{REFUSAL})", re.IGNORECASE)
_CAPTION_KEYS = ("caption", "combined_caption_english", "combined_caption", "description", "text", "answer")
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’)\]]*(?=\s|$)")
_ROUNDS = 20
"""Beginnings taken off at most: more is no caption."""
LOOP_TIMES, LOOP_WORDS, LOOP_LENGTH = 3, 8, 60
"""A loop says the same words so often at its end, over so many words at least, at most so many at a time."""
KEPT_SHARE = 0.2
"""Share of an answer that must be left of it when a loop at its end is cut off."""


def clean_answer(answer: Any, remove: Sequence[str] = (), cut: bool = False) -> str:
    """The caption in a model's answer.

    Args:
        answer: the text.
        remove: further phrases to take off its beginning.
        cut: whether it ends where the tokens ended: then in the middle of a sentence, which is left out.

    Raises:
        NoCaptionError: when nothing is left, the model refused, or it says the same again and again.
    """
    if not isinstance(answer, str):
        raise NoCaptionError("no caption: the captioner's answer is empty")
    text = _OPEN_THOUGHT.sub("", _THOUGHT.sub("", answer)).strip()
    fence = _FENCE.match(text)
    text = _from_json(fence.group(1).strip() if fence else text)
    if _REFUSAL.match(text):
        raise NoCaptionError(f"no caption: the captioner refused ({text[:80]})")
    bare = _without_beginnings(text, remove)
    if bare != text and bare:
        bare = bare[0].upper() + bare[1:]
    bare = _without_loop(bare)
    bare = _whole_sentences(bare) if cut else bare
    if not bare.strip(" .,:\"'*#"):
        raise NoCaptionError("no caption: the captioner's answer is empty")
    return bare


def _from_json(text: str) -> str:
    """The caption in an answer like {"caption": "..."} or ["..."], else the text."""
    if not text.startswith(("{", "[")):
        return text
    try:
        fields = json.loads(text)
    except ValueError:
        return text
    if isinstance(fields, list) and len(fields) == 1:
        fields = fields[0]
    if isinstance(fields, str):
        return fields.strip()
    if not isinstance(fields, dict):
        return text
    texts = {key: value for key, value in fields.items() if isinstance(value, str)}
    for key in _CAPTION_KEYS:
        if key in texts:
            return texts[key].strip()
    return next(iter(texts.values())).strip() if len(texts) == 1 else text


def _without_beginnings(text: str, remove: Sequence[str]) -> str:
    own = tuple(
        re.compile(rf"^{re.escape(phrase.strip())}[\s,:]*", re.IGNORECASE)
        for phrase in remove
        if phrase.strip()
    )
    for _ in range(_ROUNDS):
        before = text
        for pattern in (*own, *_BEGINNINGS):
            text = pattern.sub("", text, count=1).strip()
        if len(text) > 1 and text[0] == text[-1] == '"' and text.count('"') == 2:
            text = text[1:-1].strip()
        if text == before:
            break
    return text


def _without_loop(text: str) -> str:
    """The text with what it says again and again at its end said once.

    Raises:
        NoCaptionError: when it is hardly anything else.
    """
    words = text.split()
    for length in range(1, min(LOOP_LENGTH, len(words) // LOOP_TIMES) + 1):
        said = _times_at_end(words, length)
        if said < LOOP_TIMES or said * length < LOOP_WORDS:
            continue
        kept = len(words) - (said - 1) * length
        if kept < KEPT_SHARE * len(words) or kept < 4:
            raise NoCaptionError(
                f"no caption: the captioner repeats itself ({' '.join(words[-length:])[:60]})"
            )
        return text[: _end_of_word(text, kept)]
    return text


def _times_at_end(words: Sequence[str], length: int) -> int:
    """How often the last `length` words stand at the end, one after the other."""
    tail, times, end = words[-length:], 1, len(words) - length
    while end >= length and words[end - length : end] == tail:
        times += 1
        end -= length
    return times


def _end_of_word(text: str, number: int) -> int:
    """Where the word `number` (from 1) of a text ends."""
    for found in re.finditer(r"\S+", text):
        number -= 1
        if number == 0:
            return found.end()
    return len(text)


def _whole_sentences(text: str) -> str:
    """The text up to its last whole sentence; as it is where it has none."""
    ends = [found.end() for found in _SENTENCE_END.finditer(text)]
    return text[: ends[-1]] if ends else text
