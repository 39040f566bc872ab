"""Scores of clips as the pages show them: numbers by name, limits from the filters' table, look-alikes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ltx_core.curation.filters.rules import RULES
from ltx_core.curation.options.filters import FilterOptions
from ltx_core.evaluation.browsing.facts import Limit, Twins
from ltx_core.stages.base import NotReadyError
from ltx_core.stages.context import Context
from ltx_core.stages.filtered import Verdict, duplicate_groups, verdicts
from ltx_core.store.rows import Row

NO_SCORES = frozenset({"shot"})
"""Numbers among the scores that measure nothing."""
LOUDNESS = "loudness_dbfs"
"""Measured with the latents of the sound; shown as a score where no other measure is called so."""


def verdicts_of(context: Context) -> dict[str, Verdict]:
    """What the filters found, by clip id; nothing before there are scores."""
    try:
        return {one.clip.clip_id: one for one in verdicts(context)}
    except NotReadyError:
        return {}


def twins(context: Context, found: Mapping[str, Verdict]) -> list[Twins]:
    """Groups of clips that look alike, each with how many of 64 bits of their hashes differ on average."""
    try:
        groups = duplicate_groups(context) if found else []
    except NotReadyError:
        return []
    hashes = {clip_id: one.scores.get("hashes") or () for clip_id, one in found.items()}
    return [
        Twins(
            tuple((one, _distance(hashes.get(group.kept, ()), hashes.get(one, ()))) for one in group.members)
        )
        for group in groups
    ]


def _distance(one: Sequence[int], other: Sequence[int]) -> float:
    pairs = [(a, b) for a, b in zip(one, other, strict=False) if a and b]  # 0: a flat picture, without a hash
    differ = [((a ^ b) & (2**64 - 1)).bit_count() for a, b in pairs]
    return sum(differ) / len(differ) if differ else math.nan


def limits_of(options: FilterOptions) -> dict[str, Limit]:
    """Where each filter that is asked finds something, by the name of its score."""
    found: dict[str, Limit] = {}
    for rule in RULES:
        chosen = getattr(options, rule.name)
        low, high = getattr(chosen, "below", None), getattr(chosen, "above", None)
        if chosen.mode != "off":
            if rule.name == "out_of_step" and high is not None:
                low = -high  # early is as bad as late
            found[rule.score] = Limit(low, high, chosen.mode == "on")
    if options.text.mode != "off":
        found["overlay_share"] = Limit(None, options.text.overlay_above, options.text.mode == "on")
    for scorer in options.scorers:
        if scorer.mode != "off":
            found[scorer.name] = Limit(scorer.below, scorer.above, scorer.mode == "on")
    return found


def scores_of(verdict: Verdict | None, sound: Row | None) -> dict[str, float]:
    """What was measured of a clip; the loudness of its sound where nothing else says it."""
    scores = {} if verdict is None else numbers(verdict.scores)
    if sound is not None and sound.ok and "sound_dbfs" not in scores:
        scores |= numbers({LOUDNESS: sound.columns.get(LOUDNESS)})
    return scores


def numbers(columns: Mapping[str, Any]) -> dict[str, float]:
    """The columns that are numbers; flags and missing values are none."""
    return {
        name: float(value)
        for name, value in columns.items()
        if name not in NO_SCORES and isinstance(value, int | float) and not isinstance(value, bool)
        if not math.isnan(value)
    }
