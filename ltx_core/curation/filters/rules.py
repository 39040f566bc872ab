"""The filters that look at one clip: a row of the table each.

Docs and reports derive from the table. A filter whose score is None finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ltx_core.curation.options.filters import FilterOptions, Mode, Scorer, StepFilter, TextFilter

Scores = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """A question about one clip.

    Attributes:
        name: of the filter.
        score: the column that holds its score.
        what: the score in words.
        form: how its numbers are written.
        of: pictures, films (pictures that move) or sound.
        find: an answer of its own; None: the score is compared with the threshold.
    """

    name: str
    score: str
    what: str
    of: Literal["picture", "film", "sound"]
    form: str = ".2f"
    find: Callable[[Scores, Any], str] | None = None


@dataclass(frozen=True)
class Finding:
    """A filter that found something in a clip: its name, what it does about it, and the reason in words."""

    filter: str
    mode: Mode
    reason: str


def _text(scores: Scores, options: TextFilter) -> str:
    """Writing, or an overlay that stays while the picture moves."""
    text, overlay = scores.get("text_share"), scores.get("overlay_share")
    if overlay is not None and overlay > options.overlay_above:
        return f"overlay {overlay:.4f} of the picture > {options.overlay_above:g}"
    if text is not None and text > options.above:
        return f"writing {text:.3f} of the picture > {options.above:g}"
    return ""


def _silent(scores: Scores, options: Any) -> str:
    level = scores.get("sound_dbfs")
    if level is None:
        # Damaged sound is none of this filter's business: its own stage says what is wrong.
        return "" if scores.get("has_sound") else "no sound"
    return f"loudness {level:.1f} < {options.below:g} dBFS" if level < options.below else ""


def _out_of_step(scores: Scores, options: StepFilter) -> str:
    late, sure = scores.get("sound_late_s"), scores.get("sound_late_sure")
    if late is None or sure is None or sure < options.confidence or abs(late) <= options.above:
        return ""
    return f"sound {abs(late):.2f} s {'late' if late > 0 else 'early'} > {options.above:g} s"


RULES: tuple[Rule, ...] = (
    Rule("dark", "luma", "mean luma", "picture"),
    Rule("blurred", "sharpness", "sharpness", "picture"),
    Rule("static", "motion", "mean change", "film", ".4f"),
    Rule("frozen", "frozen_share", "share without any motion", "film"),
    Rule("black", "black_share", "share of black frames", "picture"),
    Rule("letterboxed", "border_share", "borders' share of the picture", "picture"),
    Rule("text", "text_share", "writing's share of the picture", "picture", ".3f", _text),
    Rule("silent", "sound_dbfs", "loudness", "sound", ".1f", _silent),
    Rule("clipped", "clipped_share", "share of clipped sound", "sound", ".3f"),
    Rule("out_of_step", "sound_late_s", "sound behind the picture", "sound", ".2f", _out_of_step),
)
"""Every filter of one clip; duplicates are judged over all."""


def findings(
    scores: Scores, options: FilterOptions, pictures: bool, sound: bool, modes: Sequence[Mode]
) -> list[Finding]:
    """What the filters that are not off find in a clip.

    Args:
        scores: of the clip, as its row holds them.
        options: of the filters.
        pictures, sound: whether the mode uses them; filters of what it does not use are left out.
        modes: of the filters that are asked.
    """
    film = scores.get("kind") == "video"
    asked = {"picture": pictures, "film": pictures and film, "sound": sound and scores.get("kind") != "image"}
    found = []
    for rule in RULES:
        chosen = getattr(options, rule.name)
        if chosen.mode not in modes or not asked[rule.of] or (rule.name == "out_of_step" and not pictures):
            continue
        reason = rule.find(scores, chosen) if rule.find else compared(rule, scores.get(rule.score), chosen)
        if reason:
            found.append(Finding(rule.name, chosen.mode, f"{rule.name}: {reason}"))
    return found


def compared(rule: Rule, score: float | None, options: Any) -> str:
    """`mean luma 0.03 < 0.06` where the score is on the wrong side of its threshold, else ""."""
    below, above = getattr(options, "below", None), getattr(options, "above", None)
    if score is None:
        return ""
    if below is not None and score < below:
        return f"{rule.what} {score:{rule.form}} < {below:g}"
    if above is not None and score > above:
        return f"{rule.what} {score:{rule.form}} > {above:g}"
    return ""


def scorer_finding(scorer: Scorer, score: float) -> Finding | None:
    """What a scorer of the user's own finds by its thresholds."""
    rule = Rule(scorer.name, scorer.name, "score", "picture", ".4g")
    reason = compared(rule, score, scorer)
    return (
        Finding(scorer.name, scorer.mode, f"{scorer.name}: {reason}")
        if reason and scorer.mode != "off"
        else None
    )


def rules_table() -> str:
    """The filters as a Markdown table, for the docs."""
    lines = ["| filter | finds clips | looks at | by default |", "|---|---|---|---|"]
    defaults = FilterOptions()
    for rule in RULES:
        chosen = getattr(defaults, rule.name)
        where = f"< {chosen.below:g}" if hasattr(chosen, "below") else f"> {chosen.above:g}"
        mode = "sets aside" if chosen.mode == "on" else chosen.mode
        lines.append(f"| `{rule.name}` | {rule.what} {where} | {_LOOKS[rule.of]} | {mode} |")
    chosen = defaults.duplicate
    lines.append(
        f"| `duplicate` | {chosen.hashes} of 5 pictures differ by at most {chosen.distance} of 64 bits | "
        f"pictures, all clips together | {chosen.mode} |"
    )
    return "\n".join(lines)


_LOOKS = {"picture": "pictures", "film": "films", "sound": "sound"}
