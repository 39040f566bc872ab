"""Older forms of a config, rewritten to today's before anything is checked.

Design choices
- One pure function over the plain mapping: what loads with a warning is what `ltx config migrate` writes.
- Every rewritten key leaves a note "old -> new"; what is left alone leaves none, so that the result of a
  migration migrates to itself without a note.
- Old and new form side by side are refused by name: which of them was meant cannot be known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ltx_core.config.legacy import Change, Rewrite
from ltx_core.config.legacy_model import compiling, model_source
from ltx_core.config.legacy_strategy import conditioning, named_strategy
from ltx_core.config.legacy_validation import guidance, perturbation, prompt_alone, samples
from ltx_core.errors import ConfigError

STEPS: tuple[Callable[[Rewrite], None], ...] = (
    # The older trainer's marks are looked for first: the steps after these remove them.
    prompt_alone,
    conditioning,
    named_strategy,
    model_source,
    compiling,
    guidance,
    perturbation,
    samples,
)


def migrate(raw: Mapping[str, Any], origin: str = "config") -> tuple[dict[str, Any], list[Change]]:
    """The config in today's form, and what was rewritten; `raw` stays as it is.

    Raises:
        ConfigError: one line for each older key that has a wrong value, or stands beside its new form.
    """
    rewrite = Rewrite.of(raw)
    for step in STEPS:
        step(rewrite)
    if rewrite.problems:
        lines = "\n  ".join(rewrite.problems)
        raise ConfigError(f"{origin}: {len(rewrite.problems)} error(s)\n  {lines}")
    return rewrite.raw, rewrite.changes


def deprecation(origin: str, changes: list[Change]) -> str:
    """What a user is told once about a config in an older form."""
    lines = "\n".join(f"  {change}" for change in changes)
    return (
        f"{origin} is written in an older form, which works as before; today it is written as:\n{lines}\n"
        f"`ltx config migrate {origin} -o NEW.yaml` writes that"
    )
