"""Captions from an OpenAI-compatible server: frames or video and sound in, one cleaned paragraph out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.captioning.client import shown_url
from ltx_core.curation.captioning.media_parts import (
    SOUND_RATE,
    Shown,
    base64_text,
    data_uri,
    jpegs,
    mp4,
    smaller,
    wav,
)
from ltx_core.curation.captioning.outcome import Answer, EndpointError, NoCaptionError, Reply, Usage
from ltx_core.curation.captioning.served import Served
from ltx_core.curation.options.captions import merged

__all__ = ["SOUND_RATE", "Answer", "Endpoint", "EndpointError"]


class Endpoint(Served):
    """A captioner that speaks `/chat/completions`; safe to use from several threads."""

    def request(
        self, frames: NDArray[np.uint8] | None, fps: float, wave: NDArray[np.float32] | None, rate: int
    ) -> dict[str, Any]:
        """The body of the request for a clip; only its sound where it has no frames.

        Raises:
            NoCaptionError: there is nothing to send.
        """
        prompt = self.options.sound_prompt if frames is None else self.options.prompt
        clip = Shown(frames, fps, wave, rate, prompt)
        return self._body(clip, frozenset(), self.options.temperature)[0]

    def _body(
        self, clip: Shown, without: frozenset[str], temperature: float
    ) -> tuple[dict[str, Any], frozenset[str]]:
        options = self.options
        parts: list[dict[str, Any]] = []
        sent = set()
        if clip.frames is not None:
            frames = smaller(clip.frames, options.longest_side)
            if options.mode == "video" and "video" not in without:
                parts.append(_url_part("video_url", data_uri("video/mp4", mp4(frames, clip.fps))))
                sent.add("video")
            else:
                pictures = jpegs(frames, options.images)
                parts += [_url_part("image_url", data_uri("image/jpeg", picture)) for picture in pictures]
                sent.add("frames")
        wave = clip.heard(bool(options.sound))
        if wave is not None and "audio" not in without:
            parts.append(_sound_part(wav(wave, clip.rate), options.sound_form == "audio_url"))
            sent.add("audio")
        if not parts:
            if wave is None:
                raise NoCaptionError("silent: there is nothing to describe")
            raise NoCaptionError("the captioner takes no sound", unasked=True)
        parts.append({"type": "text", "text": clip.prompt})
        body = {
            "model": options.model,
            "messages": [{"role": "user", "content": parts}],
            "max_tokens": options.max_tokens,
            "temperature": temperature,
        }
        return merged(body, options.extra_body), frozenset(sent)

    @property
    def _url(self) -> str:
        return f"{self.options.server}/chat/completions"

    def _headers(self) -> dict[str, str]:
        key = self._key()
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _parse(self, reply: Any) -> Reply:
        choice = reply["choices"][0]
        text = choice["message"]["content"]
        if isinstance(text, list):  # some servers answer in parts
            text = "".join(part.get("text", "") for part in text)
        usage = reply.get("usage") or {}
        counts = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
        why = choice.get("finish_reason")
        blocked = "the server's content filter withheld it" if why == "content_filter" and not text else ""
        refusal = choice["message"].get("refusal")
        return Reply(text or refusal, Usage(*counts, 1), why == "length", blocked)

    def _misunderstood(self) -> str:
        return (
            f"{shown_url(self._url)} answered without choices[0].message.content; "
            "dataset.captions.base_url must lead to an OpenAI-compatible server"
        )


def _url_part(kind: str, url: str) -> dict[str, Any]:
    return {"type": kind, kind: {"url": url}}


def _sound_part(content: bytes, as_url: bool) -> dict[str, Any]:
    if as_url:
        return _url_part("audio_url", data_uri("audio/wav", content))
    return {"type": "input_audio", "input_audio": {"data": base64_text(content), "format": "wav"}}
