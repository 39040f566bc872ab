"""Who watches a run: the command line sets a display of its own, a deployment's run is told by its log."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ltx_core.stages.base import StagePlan

LOG_EVERY_S = 15.0
"""Seconds between two progress lines of one stage in a log."""


class Display(Protocol):
    """What a run tells while it goes on; called from several threads."""

    def planned(self, plan: StagePlan) -> None:
        """A stage was looked up and is about to begin."""

    def progress(self, stage: str, progress: Mapping[str, Any]) -> None:
        """A child has got on: `done`, `total` rows, or a training's `Progress` (`training/progress.py`)."""

    def finished(self, stage: str, manifest: Mapping[str, Any]) -> None:
        """A chunk of a stage, or the stage as a whole, is in the store."""

    def note(self, level: int, text: str) -> None:
        """A line of a child's log."""


class LogDisplay:
    """Tells a run through a logger, at most one progress line per stage and `LOG_EVERY_S`."""

    def __init__(self, logger: logging.Logger | logging.LoggerAdapter[Any]) -> None:
        self.logger = logger
        self._last: dict[str, float] = {}

    def planned(self, plan: StagePlan) -> None:
        """One line per stage."""
        self.logger.info(
            "%s: %d rows, %d cached, %d to do", plan.stage, plan.total, plan.cached, plan.missing
        )

    def progress(self, stage: str, progress: Mapping[str, Any]) -> None:
        """One line now and then."""
        now = time.monotonic()
        if now - self._last.get(stage, -LOG_EVERY_S) >= LOG_EVERY_S:
            self._last[stage] = now
            self.logger.info("%s: %s", stage, describe(progress))

    def finished(self, stage: str, manifest: Mapping[str, Any]) -> None:
        """One line per chunk."""
        self.logger.info("%s: %s rows in %.1f s", stage, manifest.get("rows"), manifest.get("seconds") or 0)

    def note(self, level: int, text: str) -> None:
        """The line as it is."""
        self.logger.log(level, "%s", text)


def describe(progress: Mapping[str, Any]) -> str:
    """A progress message in words: `12/96`; of a training `12/96  loss 0.4130  2.1 it/s  ETA 4:05`."""
    done, total, text = position(progress)
    return f"{done}/{total}  {text}".rstrip()


def position(progress: Mapping[str, Any]) -> tuple[int, int, str]:
    """What a progress message says: what is done, of how much, and in a training its loss and speed."""
    done, total = (
        progress.get("step", progress.get("done", 0)),
        progress.get("steps", progress.get("total", 0)),
    )
    loss, speed = progress.get("loss"), progress.get("per_second")
    losses = progress.get("losses") or {}
    each = [f"{name} {value:.4f}" for name, value in losses.items()] if len(losses) > 1 else []
    parts = [f"loss {loss:.4f}" if loss is not None else "", *each]
    parts += [f"{speed:.2g} it/s" if speed else "", *_more(progress)]
    return int(done), int(total), "  ".join(part for part in parts if part)


def _more(progress: Mapping[str, Any]) -> list[str]:
    """What else a training's message says, where it says it."""
    eta, tokens, mfu, wait = (progress.get(n) for n in ("eta", "tokens_per_second", "mfu", "data_wait"))
    return [
        f"{tokens:.0f} tokens/s" if tokens else "",
        f"MFU {mfu:.1%}" if mfu is not None else "",
        f"data wait {wait:.0%}" if wait is not None else "",
        f"ETA {_clock(eta)}" if eta is not None else "",
        str(progress.get("doing") or ""),
    ]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
