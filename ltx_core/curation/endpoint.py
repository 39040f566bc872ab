"""Captions from an OpenAI-compatible server: frames or video and sound in, one cleaned paragraph out.

Design choices
- Requests that may succeed later (429, 5xx, time-outs, refused connections) are sent again after a pause that
  grows, or that the server asks for by Retry-After.
- The key is read from an environment variable when a request is made and is never kept, logged or shown.
- An answer that is empty or a refusal is the clip's problem (`NoCaptionError`); a server that cannot be used
  is the run's (`EndpointError`).
"""

from __future__ import annotations

import base64
import io
import logging
import os
import time
import wave as wavefile
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.answer import NoCaptionError, clean_answer
from ltx_core.curation.options.captions import CaptionOptions
from ltx_core.errors import LtxError
from ltx_core.media.audio import is_silent

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)
RETRY_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before the first retry, and at most before any (a longer Retry-After is shortened to this)."""
SOUND_RATE = 16000
JPEG_QUALITY = 92


class EndpointError(LtxError):
    """The server cannot be used: not reached, refused, or not understood."""


@dataclass(frozen=True)
class Answer:
    """A caption, with the tokens that the server counted (0 when it does not say)."""

    caption: str
    prompt_tokens: int
    completion_tokens: int


class Endpoint:
    """A captioner behind HTTP; safe to use from several threads."""

    def __init__(self, options: CaptionOptions, sleep: Callable[[float], None] = time.sleep) -> None:
        import httpx

        if not options.model:
            raise EndpointError(
                "dataset.captions.model is empty; name the model that the server at "
                f"{options.base_url} offers (see {options.base_url.rstrip('/')}/models)"
            )
        self.options = options
        self._sleep = sleep
        self._client = httpx.Client(timeout=options.timeout)

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def caption(
        self, frames: NDArray[np.uint8] | None, fps: float, wave: NDArray[np.float32] | None, rate: int
    ) -> Answer:
        """The server's caption of a clip.

        Args:
            frames: uint8 `[F, H, W, 3]`, RGB; None for a sound alone.
            fps: frames per second.
            wave: sound `[2, S]`, or None.
            rate: samples per second of `wave`.

        Raises:
            NoCaptionError: there is nothing to hear or see, or the answer is empty or a refusal.
            EndpointError: the server cannot be reached, refuses, or answers in another form.
        """
        reply = self._ask(self.request(frames, fps, wave, rate))
        try:
            text = reply["choices"][0]["message"]["content"]
            usage = reply.get("usage") or {}
            counts = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise EndpointError(
                f"{self._url} answered without choices[0].message.content; dataset.captions.base_url must "
                "lead to an OpenAI-compatible server"
            ) from error
        return Answer(clean_answer(text), *counts)

    def request(
        self, frames: NDArray[np.uint8] | None, fps: float, wave: NDArray[np.float32] | None, rate: int
    ) -> dict[str, Any]:
        """The body of the request for a clip; only its sound where it has no frames.

        Raises:
            NoCaptionError: there is nothing to send.
        """
        options = self.options
        if frames is None:
            parts = []
        elif options.mode == "video":
            parts = [_video_part(frames, fps)]
        else:
            parts = _frame_parts(frames, options.images)
        if (options.sound or frames is None) and wave is not None and not is_silent(wave):
            parts.append(_sound_part(wave, rate))
        if not parts:
            raise NoCaptionError("silent: there is nothing to describe")
        parts.append({"type": "text", "text": options.sound_prompt if frames is None else options.prompt})
        return {
            "model": options.model,
            "messages": [{"role": "user", "content": parts}],
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            **options.extra_body,
        }

    @property
    def _url(self) -> str:
        return f"{self.options.base_url.rstrip('/')}/chat/completions"

    def _ask(self, body: dict[str, Any]) -> Any:
        """The server's JSON, after as many retries as the options allow."""
        import httpx

        problem = ""
        for attempt in range(self.options.retries + 1):
            pause = min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE)
            try:
                response = self._client.post(self._url, json=body, headers=self._headers())
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            except httpx.InvalidURL as error:
                raise EndpointError(
                    f"dataset.captions.base_url {self.options.base_url!r}: {error}"
                ) from error
            else:
                if response.status_code not in RETRY_STATUSES:
                    return self._decode(response)
                problem = f"HTTP {response.status_code}: {self._excerpt(response)}"
                pause = _asked_pause(response.headers.get("retry-after"), pause)
            if attempt < self.options.retries:
                log.warning("caption server: %s; again in %.0f s", problem, pause)
                self._sleep(pause)
        raise EndpointError(
            f"{self._url} failed {self.options.retries + 1} times, last with {problem}. Start the server or "
            "set dataset.captions.base_url; captions that were made are kept"
        )

    def _headers(self) -> dict[str, str]:
        key = os.environ.get(self.options.api_key_env, "") if self.options.api_key_env else ""
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _decode(self, response: httpx.Response) -> Any:
        status = response.status_code
        if status in (401, 403):
            raise EndpointError(
                f"{self._url} refused the key (HTTP {status}); set the environment variable "
                f"{self.options.api_key_env} to a valid one"
            )
        if status != 200:
            raise EndpointError(f"{self._url} answered HTTP {status}: {self._excerpt(response)}")
        try:
            return response.json()
        except ValueError as error:
            raise EndpointError(f"{self._url} did not answer in JSON: {self._excerpt(response)}") from error

    def _excerpt(self, response: httpx.Response) -> str:
        """The start of an answer, without the key should the server repeat it."""
        key = os.environ.get(self.options.api_key_env, "") if self.options.api_key_env else ""
        text = response.text.replace(key, "***") if key else response.text
        return " ".join(text.split())[:300]


def _asked_pause(header: str | None, otherwise: float) -> float:
    """Seconds that Retry-After asks for (a number or a date), at most `LONGEST_PAUSE`."""
    if not header:
        return otherwise
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return otherwise
    return min(max(seconds, 0.0), LONGEST_PAUSE)


def _frame_parts(frames: NDArray[np.uint8], count: int) -> list[dict[str, Any]]:
    from PIL import Image

    from ltx_core.media.sheet import pick_frames

    parts: list[dict[str, Any]] = []
    for frame in pick_frames(frames, count):
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(frame)).save(out, "JPEG", quality=JPEG_QUALITY)
        parts.append({"type": "image_url", "image_url": {"url": _data_uri("image/jpeg", out.getvalue())}})
    return parts


def _video_part(frames: NDArray[np.uint8], fps: float) -> dict[str, Any]:
    from ltx_core.media.write import encode_video

    return {"type": "video_url", "video_url": {"url": _data_uri("video/mp4", encode_video(frames, fps))}}


def _sound_part(wave: NDArray[np.float32], rate: int) -> dict[str, Any]:
    """The sound as 16-bit mono WAV at `SOUND_RATE` (servers do not take it from the video)."""
    import torch

    from ltx_core.media.resample import resample

    mono = resample(torch.from_numpy(np.ascontiguousarray(wave)).mean(0, keepdim=True), rate, SOUND_RATE)
    samples = np.round(np.clip(mono.numpy()[0], -1, 1) * 32767).astype("<i2")
    out = io.BytesIO()
    with wavefile.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SOUND_RATE)
        file.writeframes(samples.tobytes())
    data = base64.b64encode(out.getvalue()).decode("ascii")
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
