"""A captioner behind HTTP: how often, how fast and how patiently it is asked, whatever its protocol.

Design choices
- An answer that is empty, a refusal or a loop is asked for again, warmer; then it is the clip's problem
  (`NoCaptionError`). A server that cannot be used is the run's (`EndpointError`).
- A server that takes no video, or no sound, is told frames, or nothing of the sound, and the user once.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.captioning.answer import clean_answer
from ltx_core.curation.captioning.client import Client, Tried, shown_url
from ltx_core.curation.captioning.ledger import Ledger
from ltx_core.curation.captioning.media_parts import Shown
from ltx_core.curation.captioning.outcome import (
    Answer,
    EndpointError,
    NoCaptionError,
    Reply,
    UnsupportedError,
    Usage,
    encodable,
)
from ltx_core.curation.options.captions import CaptionOptions
from ltx_core.errors import LtxError

log = logging.getLogger(__name__)
WARMER = 0.4
"""Added to the temperature where a clip is asked about again: at 0 the same answer would come."""
PIXELS_PER_TOKEN, TOKENS_PER_SECOND, TOKENS_PER_WORD = 600, 40, 2
"""Guesses at what a request takes, above what known servers count, until the first answer says."""


class Served(Client):
    """A captioner behind HTTP; safe to use from several threads."""

    def __init__(
        self,
        options: CaptionOptions,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
        ledger: Ledger | None = None,
    ) -> None:
        super().__init__(options, sleep, draw)
        self.ledger = ledger or Ledger(self.options)
        self._refused: set[str] = set()
        """Kinds of input that the server does not take."""
        self._lock = threading.Lock()

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def caption(
        self,
        frames: NDArray[np.uint8] | None,
        fps: float,
        wave: NDArray[np.float32] | None,
        rate: int,
        prompt: str = "",
    ) -> Answer:
        """The server's caption of a clip.

        Args:
            frames: uint8 `[F, H, W, 3]`, RGB; None for a sound alone.
            fps: frames per second.
            wave: sound `[2, S]`, or None.
            rate: samples per second of `wave`.
            prompt: what is asked; "": as the options say.

        Raises:
            NoCaptionError: there is nothing to hear or see, the answer stays empty, a refusal or a loop, or
                the server refuses this clip.
            EndpointError: the server cannot be reached, refuses, answers in another form or costs too much.
        """
        asked = self.options.sound_prompt if frames is None else self.options.prompt
        clip = Shown(frames, fps, wave, rate, prompt or asked)
        usage, problem = Usage(), NoCaptionError("no caption: nobody was asked")
        for number in range(self.options.attempts):
            try:
                reply, sent = self._reply(clip, number)
            except NoCaptionError as error:
                if usage.requests:  # an answer before was paid for, and is the clip's
                    raise problem from error
                raise
            usage += reply.usage
            if reply.blocked:
                raise NoCaptionError(f"no caption: {reply.blocked}", reply.text or "", usage)
            try:
                caption = clean_answer(reply.text, self.options.remove, cut=reply.cut)
            except NoCaptionError as error:
                problem = NoCaptionError(str(error), reply.text or "", usage)
                continue
            counts = usage.prompt_tokens, usage.completion_tokens
            return Answer(caption, *counts, reply.text or "", usage.requests, sent, reply.cut)
        raise problem

    @abstractmethod
    def _body(
        self, clip: Shown, without: frozenset[str], temperature: float
    ) -> tuple[dict[str, Any], frozenset[str]]:
        """The body of a request, and which of "video", "frames" and "audio" it holds.

        Args:
            clip: what is asked about.
            without: kinds of input that the server does not take.
            temperature: of the answer.

        Raises:
            NoCaptionError: there is nothing to send.
        """

    @abstractmethod
    def _parse(self, reply: Any) -> Reply:
        """The answer in a server's JSON; raises KeyError, IndexError, TypeError and the like."""

    def _reply(self, clip: Shown, number: int) -> tuple[Reply, str]:
        """The answer to one request, without what the server refuses to take."""
        temperature = self.options.temperature + (WARMER if number else 0.0)
        while True:
            without = frozenset(self._refused)
            body, sent = self._body(clip, without, temperature)
            try:
                reply = self._counted(clip, body, sent)
            except UnsupportedError as error:
                if error.kind in without:  # asking again would go on for ever
                    raise EndpointError(
                        f"{shown_url(self._url)} complains of {error.kind} where none was sent ({error}); "
                        "change dataset.captions (mode, sound, extra_body) so that it takes the request"
                    ) from error
                self._fall_back(error)
                continue
            self._proven |= sent
            return reply, "+".join(sorted(sent, reverse=True))

    def _fall_back(self, error: UnsupportedError) -> None:
        with self._lock:
            if error.kind in self._refused:
                return
            self._refused.add(error.kind)
        instead = (
            f"{self.options.images} frames are sent" if error.kind == "video" else "its sound is not sent"
        )
        log.warning(
            "%s takes no %s (%s): %s instead for every clip. Say so with dataset.captions.%s, or use a "
            "server that takes it",
            shown_url(self._url),
            error.kind,
            error,
            instead,
            "mode: frames" if error.kind == "video" else "sound: false",
        )

    def _counted(self, clip: Shown, body: dict[str, Any], sent: frozenset[str]) -> Reply:
        """The answer; each try is entered into the ledger, when the limits allow it."""
        guess = self._guess(clip, sent)
        reply: Reply = self._ask(lambda: self._once(guess, body, sent))
        return reply

    def _once(self, guess: int, body: dict[str, Any], sent: frozenset[str]) -> Tried:
        """One try, and what it cost: nothing where the server refused it."""
        name, wait = self.ledger.enter(guess)
        while wait:
            self._sleep(wait)
            name, wait = self.ledger.enter(guess)
        try:
            tried = self._try(body, sent)
        except (LtxError, UnsupportedError):
            self.ledger.settle(name, Usage())
            raise
        if tried.problem:
            self.ledger.settle(name, None if tried.lost else Usage())
            return tried
        try:
            reply = self._understood(tried.reply)
        except EndpointError:
            self.ledger.settle(name, None)
            raise
        counted = reply.usage.completion_tokens or len(reply.text or "") // 3
        usage = self.ledger.settle(name, replace(reply.usage, completion_tokens=counted))
        return Tried(replace(reply, usage=usage))

    def _guess(self, clip: Shown, sent: frozenset[str]) -> int:
        tokens = TOKENS_PER_WORD * len(clip.prompt.split()) + 20
        if clip.frames is not None:
            count, height, width, _ = clip.frames.shape
            seen = (
                max(1.0, clip.seconds * self.options.sample_fps) if "video" in sent else self.options.images
            )
            tokens += round(min(count, seen) * height * width / PIXELS_PER_TOKEN)
        return tokens + (round(clip.seconds * TOKENS_PER_SECOND) if "audio" in sent else 0)

    def _understood(self, reply: Any) -> Reply:
        try:
            found = self._parse(reply)
            text = None if found.text is None else encodable(found.text)
            return replace(found, text=text, blocked=encodable(found.blocked))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise EndpointError(self._misunderstood()) from error

    @abstractmethod
    def _misunderstood(self) -> str:
        """What to say of an answer of another form."""
