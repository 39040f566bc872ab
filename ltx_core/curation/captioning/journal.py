"""Answers on their way into the store: written one by one, so that a killed run asks nobody twice.

A stage commits its rows chunk by chunk; an answer may have taken a minute, or money. Each is appended to a
file of JSON lines and made durable before the next is waited for; the chunk takes it from there when it is
computed again. A file is removed when the store holds all that it says.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from typing import IO

from ltx_core.curation.captioning.outcome import encodable
from ltx_core.store.disk import explain

SUFFIX = ".jsonl"


@dataclass(frozen=True)
class Answered:
    """What a captioner answered.

    Attributes:
        raw: the answer as it came; "" where there was none.
        problem: why it is no caption, or "".
        prompt_tokens, completion_tokens, requests: what it took.
        cost: what it cost, by the prices of that time.
        sent: what the captioner saw and heard.
        cut: whether it ends where the tokens ended.
    """

    raw: str
    problem: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 1
    cost: float = 0.0
    sent: str = ""
    cut: bool = False


class Journal:
    """The answers of a workspace that no committed row holds yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self) -> dict[str, Answered]:
        """Answers by the digest of what was asked; the end of a line that a kill cut is passed over."""
        found: dict[str, Answered] = {}
        for path in self._files():
            found |= _read(path)
        return found

    def sweep(self, is_committed: Callable[[str], bool]) -> None:
        """Remove files that nobody writes and whose answers are all committed."""
        for path in self._files():
            with contextlib.suppress(OSError), path.open("rb") as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                if all(is_committed(asked) for asked in _read(path)):
                    path.unlink()

    @contextlib.contextmanager
    def writing(self) -> Iterator[Callable[[str, Answered], None]]:
        """A function that keeps an answer; safe to call from several threads.

        Raises:
            StoreError: when the disk takes no more.
        """
        path = self.folder / f"{uuid.uuid4().hex}{SUFFIX}"
        lock = Lock()
        handle: IO[bytes] | None = None

        def keep(asked: str, answered: Answered) -> None:
            nonlocal handle
            line = json.dumps([asked, asdict(answered)], ensure_ascii=False)
            try:
                with lock:
                    if handle is None:
                        self.folder.mkdir(parents=True, exist_ok=True)
                        handle = path.open("ab")
                        fcntl.flock(handle, fcntl.LOCK_EX)
                    handle.write(f"{line}\n".encode("utf-8", "surrogatepass"))
                    handle.flush()
                    os.fsync(handle.fileno())
            except OSError as error:
                raise explain(error, path) from error

        try:
            yield keep
        finally:
            if handle is not None:
                handle.close()

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{SUFFIX}")) if self.folder.is_dir() else []


def _read(path: Path) -> dict[str, Answered]:
    found = {}
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:  # swept by another process
        return {}
    for line in lines:
        try:
            asked, fields = json.loads(line.decode("utf-8", "surrogatepass"))
            said = Answered(**fields)
            found[str(asked)] = replace(said, raw=encodable(said.raw), problem=encodable(said.problem))
        except (ValueError, TypeError, AttributeError):
            continue
    return found
