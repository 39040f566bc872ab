"""One request to a caption server: sent again where that may help, and given up with the reason where not.

Design choices
- Requests that may succeed later (429, 5xx, time-outs, cut or garbled answers) are sent again after a pause
  that grows, or that the server asks for; pauses are drawn, so that many clients do not return together.
- A server that asks to wait is left alone by all threads.
- The key is read from an environment variable when a request is made and is never kept, logged or shown.
"""

from __future__ import annotations

import logging
import os
import random
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ltx_core.curation.captioning.outcome import EndpointError, NoCaptionError, UnsupportedError, encodable
from ltx_core.curation.captioning.verdict import Verdict, inner_error, judge
from ltx_core.curation.options.captions import CaptionOptions

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before the first retry, and at most before any that the server does not ask for."""
SHOWN = 300
"""Letters of a server's message that are shown at most."""
LONGEST_ASKED = 900.0
"""Seconds that a server may ask to wait; a run does not sit out a longer time."""


@dataclass(frozen=True)
class Tried:
    """What one request brought.

    Attributes:
        reply: the server's answer.
        problem: why there is none and to ask again, or "".
        pause: seconds that the server asks to wait.
        lost: whether it may have been answered, and billed, unseen.
    """

    reply: Any = None
    problem: str = ""
    pause: float | None = None
    lost: bool = False


class Client(ABC):
    """Connections to one server; safe to use from several threads."""

    def __init__(
        self,
        options: CaptionOptions,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        import httpx

        options = options.resolved()
        if not options.model:
            raise EndpointError(
                "dataset.captions.model is empty; name the model that the server at "
                f"{shown_url(options.server)} offers (see {shown_url(options.server)}/models)"
            )
        self.options = options
        self._sleep = sleep
        self._draw = draw
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of each request, with its address
        self._client = httpx.Client(timeout=options.timeout)
        self._proven: set[str] = set()
        """Kinds of input to which the server has answered."""
        self._quiet = (0.0, 0)
        """Until when the server is left alone, and the thread that was told so and waits anyway."""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    @abstractmethod
    def _url(self) -> str:
        """Where requests go."""

    @abstractmethod
    def _headers(self) -> dict[str, str]:
        """Headers with the key, where there is one."""

    def _key(self) -> str:
        return key_of(self.options)

    def _ask(self, once: Callable[[], Tried]) -> Any:
        """What a request brought, made once and as many times again as the options allow."""
        problem = ""
        for attempt in range(self.options.retries + 1):
            self._wait_quietly()
            tried = once()
            problem = tried.problem
            if not problem:
                return tried.reply
            if attempt < self.options.retries:
                self._pause(problem, attempt, tried.pause)
        raise EndpointError(
            f"{shown_url(self._url)} failed {self.options.retries + 1} times, last with {problem}. Start the "
            "server or set dataset.captions.base_url; captions that were made are kept"
        )

    def _try(self, body: dict[str, Any], sent: frozenset[str]) -> Tried:
        """One request: the server's JSON, or why to ask again."""
        import httpx

        try:
            response = self._client.post(self._url, json=body, headers=self._headers())
        except httpx.RequestError as error:
            unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
            return Tried(problem=f"{type(error).__name__}: {self._excerpt(str(error))}", lost=not unsent)
        except httpx.InvalidURL as error:
            raise EndpointError(
                f"dataset.captions.base_url {shown_url(self.options.base_url)} is no address; write it as "
                "https://HOST/PATH or http://HOST:PORT/PATH"
            ) from error
        status, reply = response.status_code, None
        if status == 200:
            try:
                reply = response.json()
            except ValueError:
                said = self._excerpt(response.text)
                return Tried(problem=f"it did not answer in JSON: {said}", lost=True)
            status = inner_error(reply) or 200
        if status == 200:
            return Tried(reply)
        problem, pause = self._judged(status, response, sent)
        return Tried(problem=problem, pause=pause)

    def _judged(
        self, status: int, response: httpx.Response, sent: frozenset[str]
    ) -> tuple[str, float | None]:
        """Why to ask again, and the seconds that the server asks to wait.

        Raises:
            EndpointError, NoCaptionError, UnsupportedError: where asking again will not help.
        """
        unproven = frozenset({"video", "audio"}) & sent - self._proven
        fit = unproven if self.options.fallback else frozenset[str]()
        headers = {name.lower(): value for name, value in response.headers.items()}
        verdict = judge(status, response.text, headers, fit)
        said = self._excerpt(verdict.said)
        if verdict.kind == "again":
            return f"HTTP {status}: {said}", verdict.pause
        if verdict.kind in ("video", "audio"):
            raise UnsupportedError(verdict.kind, f"HTTP {status}: {said}")
        if verdict.kind == "clip" or (verdict.kind == "refused" and self._proven):
            raise NoCaptionError(f"refused by the captioner: HTTP {status}: {said}", unasked=True)
        raise EndpointError(self._systemic(verdict, status, said))

    def _systemic(self, verdict: Verdict, status: int, said: str) -> str:
        url, kept = shown_url(self._url), "Captions that were made are kept"
        if verdict.kind == "key":
            return (
                f"{url} refused the key (HTTP {status}); set the environment variable "
                f"{self.options.key_variable or '(captions.api_key_env)'} to a valid one. {kept}"
            )
        fixes = {
            "money": "the account or its quota is used up: refill it, or run the same command later",
            "model": f"it offers no model {self.options.model!r}, or base_url is wrong: see "
            f"{shown_url(self.options.server)}/models and set dataset.captions.model",
            "settings": "lower dataset.captions.max_tokens, or what is sent (images, longest_side)",
            "refused": "it refuses the first request: change dataset.captions so that it takes it",
        }
        return f"{url} answered HTTP {status}: {said}. Found: {fixes[verdict.kind]}. {kept}"

    def _pause(self, problem: str, attempt: int, asked: float | None) -> None:
        if asked is None:
            pause = min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE) * (1 - 0.5 * self._draw())
        elif asked > LONGEST_ASKED:
            raise EndpointError(
                f"{shown_url(self._url)} asks to wait {asked:.0f} s ({problem}); run the same command again "
                "then. Captions that were made are kept"
            )
        else:
            pause = asked * (1 + 0.1 * self._draw())
            self._quiet = max(self._quiet, (time.monotonic() + pause, threading.get_ident()))
        log.warning("caption server: %s; again in %.0f s", problem, pause)
        self._sleep(pause)

    def _wait_quietly(self) -> None:
        """Wait while another thread was told to."""
        until, told = self._quiet
        left = until - time.monotonic()
        if left > 0 and told != threading.get_ident():
            self._sleep(left)

    def _excerpt(self, text: str) -> str:
        """The start of a message, without the key should the server repeat it."""
        key = self._key()
        text = text.replace(key, "***") if key else text  # before it is cut: half a key is a secret too
        return encodable(" ".join(text.split())[:SHOWN])


def key_of(options: CaptionOptions) -> str:
    """The server's key, from the environment; "" where there is none.

    Raises:
        EndpointError: when no header can carry it; a library would show it in its own complaint.
    """
    name = options.key_variable
    key = os.environ.get(name, "").strip() if name else ""
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise EndpointError(
            f"the environment variable {name} holds no key: there are spaces, line breaks or letters beyond "
            "ASCII in it; put the key there and nothing else"
        )
    return key


def shown_url(url: str) -> str:
    """A URL without what may be a secret in it: user, password, query."""
    return re.sub(r"//.*@", "//", url).split("?")[0]
