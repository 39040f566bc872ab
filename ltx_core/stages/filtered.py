"""Which clips the filters keep, by the stored scores: thresholds are applied here, when rows are read.

Order: what was measured of a clip, then the user's own scorers on what that leaves, then duplicates among
what is left, so that a good clip is never set aside for a bad one that shows the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ltx_core.curation.filters.duplicates import Group, Shown
from ltx_core.curation.filters.duplicates import duplicate_groups as grouped
from ltx_core.curation.filters.rules import Finding, findings, scorer_finding
from ltx_core.stages.clip import Clip
from ltx_core.stages.clips import all_clips
from ltx_core.stages.context import Context

SCORERS = "scorers"
"""The stage of the user's own scorers."""
MOVES_BELOW = 0.99
"""Share of a clip without any motion below which its windows differ."""


@dataclass(frozen=True)
class Verdict:
    """What the filters found in a clip.

    Attributes:
        clip: the clip.
        scores: its scores by name, those of the user's own scorers too.
        findings: of the filters that report and of those that set aside.
    """

    clip: Clip
    scores: Mapping[str, Any]
    findings: tuple[Finding, ...]

    @property
    def reason(self) -> str:
        """Why the clip is set aside; "" for one that is kept."""
        return "; ".join(found.reason for found in self.findings if found.mode == "on")


def kept_clips(context: Context) -> list[Clip]:
    """The clips that all filters keep, in order of source and time.

    Raises:
        NotReadyError: when rows of an earlier stage are missing.
    """

    def keep() -> list[Clip]:
        kept = _scored(context)
        if context.config.dataset.filters.duplicate.mode != "on":
            return kept
        repeated = {clip_id for group in duplicate_groups(context) for clip_id in group.others}
        return [clip for clip in kept if clip.clip_id not in repeated]

    return context.memo("kept clips", keep)


def measured_clips(context: Context) -> list[Clip]:
    """The clips that the filters by measured scores keep: those that further scorers look at.

    Raises:
        NotReadyError: when rows of an earlier stage are missing.
    """

    def keep() -> list[Clip]:
        scores = context.by_clip("scores")
        return [
            clip
            for clip in all_clips(context)
            if not _measured(context, scores[clip.clip_id].columns, ("on",))
        ]

    return context.memo("measured clips", keep)


def set_aside(context: Context) -> list[tuple[str, str]]:
    """(name, reason) of every clip that a filter sets aside.

    Raises:
        NotReadyError: when rows of an earlier stage are missing.
    """
    return [(found.clip.name, found.reason) for found in verdicts(context) if found.reason]


def flagged(context: Context) -> list[tuple[str, str]]:
    """(name, reason) of every kept clip in which a filter that only reports found something.

    Raises:
        NotReadyError: when rows of an earlier stage are missing.
    """
    return [
        (verdict.clip.name, found.reason)
        for verdict in verdicts(context)
        if not verdict.reason
        for found in verdict.findings
    ]


def verdicts(context: Context) -> list[Verdict]:
    """What the filters found in every clip, in order of source and time.

    Raises:
        NotReadyError: when rows of an earlier stage are missing.
    """
    return context.memo("verdicts", lambda: _verdicts(context))


def duplicate_groups(context: Context) -> list[Group]:
    """Clips that show the same, among those that the other filters keep; none in a mode without video.

    Raises:
        NotReadyError: when rows of an earlier stage are missing.
    """
    config = context.config
    if config.training_strategy.video is None or config.dataset.filters.duplicate.mode == "off":
        return []
    return context.memo("duplicates", lambda: grouped(_shown(context), config.dataset.filters.duplicate))


def _verdicts(context: Context) -> list[Verdict]:
    scores = context.by_clip("scores")
    own = _own_scores(context)
    names = {clip.clip_id: clip.name for clip in all_clips(context)}
    kept = {clip_id: group.kept for group in duplicate_groups(context) for clip_id in group.others}
    mode = context.config.dataset.filters.duplicate.mode
    found = []
    for clip in all_clips(context):
        columns = {**scores[clip.clip_id].columns, **own.get(clip.clip_id, {})}
        every = _measured(context, columns, ("on", "report")) + _own_findings(context, columns)
        if clip.clip_id in kept:
            reason = f"duplicate: shows the same as {names[kept[clip.clip_id]]}"
            every.append(Finding("duplicate", mode, f"{reason}, which is kept" if mode == "on" else reason))
        found.append(Verdict(clip, columns, tuple(every)))
    return found


def _measured(context: Context, columns: Mapping[str, Any], modes: tuple[Any, ...]) -> list[Finding]:
    strategy = context.config.training_strategy
    has = strategy.video is not None, strategy.audio is not None
    return findings(columns, context.config.dataset.filters, *has, modes)


def _scored(context: Context) -> list[Clip]:
    """The clips that measured scores and the user's own scorers keep."""
    if not any(scorer.mode == "on" for scorer in context.config.dataset.filters.scorers):
        return measured_clips(context)
    own = _own_scores(context)
    return [
        clip
        for clip in measured_clips(context)
        if not any(found.mode == "on" for found in _own_findings(context, own.get(clip.clip_id, {})))
    ]


def _own_scores(context: Context) -> dict[str, dict[str, float]]:
    """Scores of the user's own scorers, by clip and name."""
    found: dict[str, dict[str, float]] = {}
    if not context.needs(SCORERS):
        return found
    for item, row in context.results(SCORERS):
        if row.ok:
            found.setdefault(item.clip_id, {})[item.column] = row.columns["score"]
    return found


def _own_findings(context: Context, columns: Mapping[str, Any]) -> list[Finding]:
    asked = [scorer for scorer in context.config.dataset.filters.scorers if scorer.mode != "off"]
    found = [scorer_finding(one, columns[one.name]) for one in asked if one.name in columns]
    return [one for one in found if one is not None]


def _shown(context: Context) -> list[Shown]:
    scores = context.by_clip("scores")
    found = []
    for clip in _scored(context):
        columns = scores[clip.clip_id].columns
        frozen = columns.get("frozen_share")
        found.append(
            Shown(
                clip.clip_id,
                clip.name,
                tuple(columns.get("hashes") or ()),
                clip.width * clip.height * clip.bucket.frames,
                columns.get("kind") or "",
                "" if columns.get("shot") is None else f"{clip.source}/{columns['shot']}",
                frozen is None or frozen < MOVES_BELOW,
            )
        )
    return found
