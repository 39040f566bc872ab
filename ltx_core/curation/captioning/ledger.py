"""What captions have cost and how fast they are asked for: one file that all processes of a workspace share.

Design choices
- A request is entered before it is sent, with what it may cost at most, and settled by what it did cost. The
  limits look at both, so they hold for requests in flight, and an entry that a killed process left counts as
  spent: it may have been billed.
- A minute is the last 60 seconds, not the clock's.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from ltx_core.curation.captioning.outcome import EndpointError, Usage
from ltx_core.curation.options.captions import CaptionOptions
from ltx_core.store.disk import locked

MINUTE = 60.0


@dataclass
class Entry:
    """One request.

    Attributes:
        at: when it was sent, seconds since the epoch.
        tokens: sent and received, expected or counted.
        cost: expected or counted.
        usage: as counted; None while it is in flight.
        guess: tokens sent, guessed before the server was asked.
    """

    at: float
    tokens: int
    cost: float
    usage: Usage | None = None
    guess: int = 0


class Ledger:
    """Requests of a workspace; safe to use from several threads and processes."""

    def __init__(
        self, options: CaptionOptions, path: Path | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.options = options
        self._path = path
        self._clock = clock
        self._open: dict[str, Entry] = {}
        self._recent: dict[str, Entry] = {}
        self._spent = 0.0
        self._counted = Usage()
        self._read = 0
        self._lock = Lock()
        self._factor: float | None = None

    def cost(self, usage: Usage) -> float:
        """The price of some tokens."""
        prices = self.options
        return (usage.prompt_tokens * prices.price_in + usage.completion_tokens * prices.price_out) / 1e6

    def total(self) -> tuple[Usage, float]:
        """Everything that was counted, and its cost with what is in flight."""
        with self._held():
            return self._counted, self._spent

    def enter(self, prompt_tokens: int) -> tuple[str, float]:
        """Enter a request, or say how long it must wait.

        Args:
            prompt_tokens: a guess at what is sent; what servers count corrects it from the first answer on.

        Returns:
            Its name and 0, or "" and seconds to wait.

        Raises:
            EndpointError: when it may cost more than is left.
        """
        with self._held():
            expected = Usage(self._guess(prompt_tokens), self.options.max_tokens)
            tokens, cost = expected.prompt_tokens + expected.completion_tokens, self.cost(expected)
            if wait := self._wait(tokens):
                return "", wait
            self._refuse(cost)
            name = uuid.uuid4().hex
            self._write(name, Entry(self._clock(), tokens, cost, guess=prompt_tokens))
            return name, 0.0

    def settle(self, name: str, usage: Usage | None) -> Usage:
        """Enter what a request did cost, and give it back with what the server does not count.

        Args:
            name: of the request.
            usage: as the server counted; zeros where it refused the request. None where the answer was lost:
                it may have been billed, and what was expected stands.
        """
        with self._held():
            entry = self._open[name]
            if usage is None:
                received = self.options.max_tokens
                usage = Usage(entry.tokens - received, received)
            if usage.requests and not usage.prompt_tokens:  # a server that does not count: the guess stands
                usage = Usage(self._guess(entry.guess), usage.completion_tokens, usage.requests)
            tokens = usage.prompt_tokens + usage.completion_tokens
            self._write(name, Entry(entry.at, tokens, self.cost(usage), usage, entry.guess))
            return usage

    def _guess(self, prompt_tokens: int) -> int:
        return round(prompt_tokens * (1.0 if self._factor is None else self._factor))

    def _wait(self, tokens: int) -> float:
        """Seconds until the limits of a minute allow another request of `tokens`."""
        requests, allowed = self.options.requests_per_minute, self.options.tokens_per_minute
        now = self._clock()
        self._recent = {name: entry for name, entry in self._recent.items() if now - entry.at < MINUTE}
        recent = sorted(self._recent.values(), key=lambda entry: entry.at)
        until = 0.0
        if requests is not None and len(recent) >= requests:
            until = recent[len(recent) - requests].at + MINUTE
        if allowed is not None:
            left = sum(entry.tokens for entry in recent)
            for entry in recent:  # a request larger than the limit goes alone
                if left + tokens <= allowed:
                    break
                left -= entry.tokens
                until = max(until, entry.at + MINUTE)
        return max(until - now, 0.001) if until else 0.0

    def _refuse(self, cost: float) -> None:
        limit = self.options.max_cost
        if limit is not None and self._spent + cost > limit:
            raise EndpointError(
                f"captions have cost {self._spent:.4g} of the {limit:g} that "
                f"dataset.captions.max_cost allows, and the next may cost {cost:.4g}. Raise it and run the "
                "same command again, or write the missing ones by hand (`ltx captions edit`); captions that "
                "were made are kept"
            )

    @contextmanager
    def _held(self) -> Iterator[None]:
        """The ledger, read to its end, for this thread and process alone."""
        alone = nullcontext() if self._path is None else locked(self._path.with_suffix(".lock"))
        with self._lock, alone:
            self._catch_up()
            yield

    def _write(self, name: str, entry: Entry) -> None:
        self._put(name, entry)
        if self._path is not None:
            counts = entry.usage and [
                entry.usage.prompt_tokens,
                entry.usage.completion_tokens,
                entry.usage.requests,
            ]
            line = json.dumps([name, entry.at, entry.tokens, entry.cost, counts, entry.guess])
            with self._path.open("ab") as file:
                file.write(f"{line}\n".encode())
                self._read = file.tell()

    def _put(self, name: str, entry: Entry) -> None:
        before = self._open.pop(name, None)
        self._spent += entry.cost - (before.cost if before else 0.0)
        if entry.usage is None:
            self._open[name] = entry
        else:
            self._counted += entry.usage
            counted = entry.usage.requests and entry.usage.prompt_tokens
            if counted and entry.guess:  # later guesses are corrected by what was counted
                self._factor = max(entry.usage.prompt_tokens / entry.guess, self._factor or 0.0)
        self._recent[name] = entry

    def _catch_up(self) -> None:
        """Read what other processes have entered."""
        if self._path is None or not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            for line in file.read().splitlines():
                try:
                    name, at, tokens, cost, counts, guess = json.loads(line)
                    usage = None if counts is None else Usage(*map(int, counts))
                    entry = Entry(float(at), int(tokens), float(cost), usage, int(guess))
                except (ValueError, TypeError, OverflowError):  # the end of a line that a full disk cut
                    continue
                self._put(str(name), entry)
            self._read = file.tell()
