"""The report's tables as lists of rows, its summary as Markdown, its pictures as small PNGs: for artifacts.

Design choices
- The HTML report shows the same rows, so that a number is worked out once.
- Tables for artifacts are cut at `MAX_ROWS` and say so in their last row.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

from ltx_core.evaluation.markup import printable
from ltx_core.evaluation.report import ReportData, SampleGroup, changes, verdict
from ltx_core.evaluation.rows import Effect, LossRow, by_condition, condition_title, effect_sentence

Row = dict[str, object]
MAX_ROWS = 50
THUMBNAIL_PIXELS = 480
CAPTION_LETTERS = 300


def number(value: object, digits: int = 3) -> str:
    """A number for people: `digits` significant digits, a dash for none; other values as text."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "\N{EN DASH}"
    if isinstance(value, float):
        if value == 0 or 1e-3 <= abs(value) < 1e4:
            whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
            return f"{value:.{max(0, digits - whole)}f}".replace("-", "\N{MINUS SIGN}")
        return f"{value:.{digits - 1}e}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def shortened(text: str, letters: int = CAPTION_LETTERS) -> str:
    """The printable text, or its beginning and how long it is."""
    text = printable(text)
    if len(text) <= letters:
        return text
    return f"{text[:letters].rstrip()}… ({len(text):,} characters)"


def loss_table(rows: Sequence[LossRow], modality: str) -> list[Row]:
    """Held-out loss per level, base model beside LoRA, with the mean as the last row."""
    by_level: dict[float, dict[str, LossRow]] = {}
    for row in rows:
        if row.modality == modality:
            by_level.setdefault(row.level, {})[row.model] = row
    table: list[Row] = []
    for level, found in sorted(by_level.items()):
        base, lora = found.get("base"), found.get("lora")
        clips = max(row.clips for row in found.values())
        table.append(_loss_row(number(level), _loss(base), _loss(lora), clips))
    for change in changes(tuple(rows)):
        if change.modality == modality and table:
            table.append(_loss_row("mean", change.base, change.lora, table[0]["clips"]))
    return table


def _loss(row: LossRow | None) -> float | None:
    return None if row is None else row.loss


def _loss_row(level: str, base: float | None, lora: float | None, clips: object) -> Row:
    share = lora / base - 1 if base and lora is not None else None
    change = "\N{EN DASH}" if share is None else f"{share:+.1%}".replace("-", "\N{MINUS SIGN}")
    return {"level": level, "base": number(base), "LoRA": number(lora), "change": change, "clips": clips}


def influence_table(effects: Sequence[Effect]) -> list[Row]:
    """What each condition does: with the clip's own content, with another clip's, without."""
    return [
        {
            "condition": condition_title(row.condition),
            "measure": row.measure,
            "own": number(row.right),
            "another's": number(row.wrong),
            "to that other": number(row.followed),
            "withheld": number(row.withheld),
            "better": row.better or "\N{EN DASH}",
            "clips": row.clips,
        }
        for row in effects
    ]


def influence_sentences(effects: Sequence[Effect]) -> list[str]:
    """One sentence per condition that was judged."""
    return [found for rows in by_condition(effects).values() if (found := effect_sentence(rows))]


def stage_table(report: ReportData) -> list[Row]:
    """What each stage did."""
    return [
        {
            "stage": stage.stage,
            "seconds": f"{stage.seconds:.1f}",
            "rows": stage.rows,
            "computed": stage.computed,
            "cached": stage.cached,
            "rejected": stage.rejected,
        }
        for stage in report.stages
    ]


def tables(report: ReportData, limit: int = MAX_ROWS) -> dict[str, list[Row]]:
    """The tables for artifacts by name; empty ones are left out, long ones are cut and say so."""
    data = report.dataset
    found: dict[str, list[Row]] = {
        "heldout-loss": [
            {"modality": change.modality, **row}
            for change in changes(report.heldout)
            for row in loss_table(report.heldout, change.modality)
        ],
        "conditions": influence_table(report.influence),
        "clips-per-bucket": [
            {"bucket": b.label, "train": b.train, "held-out": b.heldout} for b in data.buckets
        ],
        "captions": [
            {"source": shortened(name), "clips": count} for name, count in data.caption_sources.items()
        ],
        "rejected": [
            {"what": shortened(r.what), "stage": r.stage, "reason": shortened(r.reason)}
            for r in data.rejected
        ],
        "stages": stage_table(report),
    }
    return {name: _cut(rows, limit) for name, rows in found.items() if rows}


def _cut(rows: list[Row], limit: int) -> list[Row]:
    if len(rows) <= limit:
        return rows
    first = next(iter(rows[0]))
    return [*rows[: limit - 1], {first: f"and {len(rows) - limit + 1:,} more; see report.html"}]


def markdown_summary(report: ReportData) -> str:
    """Verdict, warnings and the main tables as Markdown; texts from outside cannot break out of it."""
    result = verdict(report)
    parts = [f"# {markdown_text(report.title)}", f"**{markdown_text(result.sentence)}**"]
    parts += [f"> {markdown_text(warning)}" for warning in result.warnings]
    titles = {
        "heldout-loss": "Held-out loss",
        "conditions": "What each condition does",
        "rejected": "Not used",
        "stages": "Stages",
    }
    found = tables(report)
    for name, title in titles.items():
        if name in found:
            said = influence_sentences(report.influence) if name == "conditions" else []
            parts += [f"## {title}", *map(markdown_text, said), markdown_table(found[name])]
    facts = [{"": name, "value": number(value)} for name, value in report.model.items()]
    if facts:
        parts += ["## Model and LoRA", markdown_table(facts)]
    return "\n\n".join(parts) + "\n"


def markdown_text(text: str) -> str:
    """Text for one line of Markdown: markup and line breaks lose their meaning."""
    flat = " ".join(printable(text).split())
    for letter in "\\`*_[]|#":
        flat = flat.replace(letter, "\\" + letter)
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown_table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as a Markdown table; the first row's keys are the columns."""
    names = list(rows[0])
    lines = [
        "| " + " | ".join(markdown_text(name) or " " for name in names) + " |",
        "|---" * len(names) + "|",
    ]
    for row in rows:
        lines.append("| " + " | ".join(markdown_text(str(row.get(name, ""))) for name in names) + " |")
    return "\n".join(lines)


def thumbnails(report: ReportData, limit: int = 4) -> dict[str, bytes]:
    """The first sheets as PNGs of at most `THUMBNAIL_PIXELS` pixels in width, by a name for an artifact."""
    pictures: dict[str, bytes] = {}
    groups: list[tuple[str, SampleGroup]] = [("sample", group) for group in report.samples]
    groups += [("condition", group) for group in report.influence_samples]
    for index, (kind, group) in enumerate(groups[:limit]):
        for view in group.views:
            if view.sheet:
                label = "".join(c if c.isalnum() else "-" for c in view.label.lower())
                pictures[f"{kind}-{index + 1}-{label}"] = _small(view.sheet)
    return pictures


def _small(picture: bytes) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        small = image.convert("RGB")
        small.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
