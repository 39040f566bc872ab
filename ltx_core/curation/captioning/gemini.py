"""Captions from Google's Gemini by its REST API (`models/NAME:generateContent`), video with sound inline.

The key goes into a header, never into a URL. What the API withholds (`blockReason`, a `finishReason` such as
SAFETY) is the clip's reason, in the API's words.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ltx_core.curation.captioning.client import shown_url
from ltx_core.curation.captioning.media_parts import (
    SOUND_RATE,
    Shown,
    base64_text,
    jpegs,
    mono,
    mp4,
    smaller,
    wav,
)
from ltx_core.curation.captioning.outcome import NoCaptionError, Reply, Usage
from ltx_core.curation.captioning.served import Served
from ltx_core.curation.options.captions import merged

INLINE_BYTES = 20_000_000
"""Largest request with its content inline, as the API's documentation states."""
ENDED_WELL = ("STOP", "MAX_TOKENS", "FINISH_REASON_UNSPECIFIED", None)


class Gemini(Served):
    """Google's captioner; safe to use from several threads."""

    def _body(
        self, clip: Shown, without: frozenset[str], temperature: float
    ) -> tuple[dict[str, Any], frozenset[str]]:
        options = self.options
        heard = clip.heard(bool(options.sound))
        wave = None if "audio" in without else heard
        parts: list[dict[str, Any]] = []
        sent = set() if wave is None else {"audio"}
        if clip.frames is not None and options.mode == "video" and "video" not in without:
            parts.append(self._video(clip, wave is not None))
            sent.add("video")
        else:
            if clip.frames is not None:
                pictures = jpegs(smaller(clip.frames, options.longest_side), options.images)
                parts += [_inline("image/jpeg", picture) for picture in pictures]
                sent.add("frames")
            if wave is not None:
                parts.append(_inline("audio/wav", wav(wave, clip.rate)))
        if not parts:
            raise _nothing(heard is None)
        size = sum(len(part["inline_data"]["data"]) for part in parts)
        if size > INLINE_BYTES:
            raise NoCaptionError(
                f"too large for the captioner: {size / 1e6:.1f} MB, at most {INLINE_BYTES / 1e6:.0f}; set "
                "dataset.captions.longest_side",
                unasked=True,
            )
        body = {
            "contents": [{"role": "user", "parts": [*parts, {"text": clip.prompt}]}],
            "generationConfig": {"maxOutputTokens": options.max_tokens, "temperature": temperature},
        }
        return merged(body, options.extra_body), frozenset(sent)

    def _video(self, clip: Shown, with_sound: bool) -> dict[str, Any]:
        assert clip.frames is not None
        wave, rate = None, 0
        if with_sound and clip.wave is not None:
            one = mono(clip.wave, clip.rate)
            wave, rate = np.stack([one, one]), SOUND_RATE
        content = mp4(smaller(clip.frames, self.options.longest_side), clip.fps, wave, rate)
        return {**_inline("video/mp4", content), "video_metadata": {"fps": self.options.sample_fps}}

    @property
    def _url(self) -> str:
        return f"{self.options.server}/models/{self.options.model.removeprefix('models/')}:generateContent"

    def _headers(self) -> dict[str, str]:
        key = self._key()
        return {"x-goog-api-key": key} if key else {}

    def _parse(self, reply: Any) -> Reply:
        counts = reply.get("usageMetadata") or {}
        answered = int(counts.get("candidatesTokenCount") or 0) + int(counts.get("thoughtsTokenCount") or 0)
        usage = Usage(int(counts.get("promptTokenCount") or 0), answered, 1)
        blocked = (reply.get("promptFeedback") or {}).get("blockReason")
        if blocked:
            return Reply(None, usage, blocked=f"Gemini blocked the clip ({blocked})")
        candidate = reply["candidates"][0]
        why = candidate.get("finishReason")
        parts = (candidate.get("content") or {}).get("parts") or []
        text = "".join(part.get("text", "") for part in parts if not part.get("thought"))
        if why == "RECITATION":  # drawn again, it may say it in words of its own
            return Reply(None, usage)
        if why not in ENDED_WELL:
            return Reply(text or None, usage, blocked=f"Gemini withheld its answer ({why})")
        if why == "MAX_TOKENS" and not text.strip():
            return Reply(None, usage, blocked=self._used_up())
        return Reply(text, usage, cut=why == "MAX_TOKENS")

    def _used_up(self) -> str:
        return (
            f"Gemini used up {self.options.max_tokens} tokens before it answered; raise "
            "dataset.captions.max_tokens, or let it think less by extra_body.generationConfig.thinkingConfig"
        )

    def _misunderstood(self) -> str:
        return (
            f"{shown_url(self._url)} answered without candidates[0].content; "
            "dataset.captions.base_url must lead to the Gemini API"
        )


def _nothing(silent: bool) -> NoCaptionError:
    if silent:
        return NoCaptionError("silent: there is nothing to describe")
    return NoCaptionError("the captioner takes no sound", unasked=True)


def _inline(kind: str, content: bytes) -> dict[str, Any]:
    return {"inline_data": {"mime_type": kind, "data": base64_text(content)}}
