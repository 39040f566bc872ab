"""Sections of the model card on its files, samples, licences, training and lineage, in Markdown."""

from __future__ import annotations

from urllib.parse import quote

from ltx_core.evaluation.card_facts import CardFacts, Licensed
from ltx_core.evaluation.report import ReportData
from ltx_core.evaluation.report_tables import markdown_table, markdown_text, number, shortened

MOST_MAKERS = 20
"""Names in a row of the table of licences; all of them are in the table of clips."""
MOST_EVENTS = 20
FEW = 30
"""Held-out clips below which the card says that they are few; a rough bound."""


def files(facts: CardFacts) -> str:
    """Which weights lie where, and which of them to take."""
    lines = [f"- `{path}`: {markdown_text(text)}" for path, text in facts.layouts.items()]
    if facts.best is not None:
        best = facts.best
        kind = "the sum weighted as in training" if best.metric == "weighted" else best.metric
        where = "its weights lie in `best/`" if best.published else "the weights here are of that step"
        lines.append(
            f"- The lowest held-out loss was {number(best.value)} ({kind}) at step {best.step:,}; {where}."
        )
    return "\n".join(lines)


def samples(facts: CardFacts) -> str:
    """Each sample with its prompt and seed."""
    if not facts.samples:
        return ""
    rows: list[dict[str, object]] = [
        {"sample": one.path, "prompt": shortened(one.prompt), "seed": one.seed} for one in facts.samples
    ]
    players = "\n".join(
        f'<video controls loop muted width="320" src="{quote(one.path)}"></video>'
        for one in facts.samples
        if one.path.endswith(".mp4")
    )
    return "\n\n".join(part for part in ("## Samples", players, markdown_table(rows)) if part)


def licences(facts: CardFacts) -> str:
    """Licences of the weights, of the base and of the data, with what they forbid."""
    own = f"Stated for these weights: {facts.license}." if facts.license else ""
    base = (
        f"The base model's files say: {facts.base_license}. Its terms hold for what is made of it."
        if facts.base_license
        else "The base model's files name no licence; look at where it was got."
    )
    lines = [own or "Nobody stated a licence for these weights.", base]
    if facts.rights:
        lines.append(
            "The clips that it was trained on and measured with, by what is stated of their sources:"
        )
    text = "\n\n".join(map(markdown_text, lines))
    table = markdown_table([_licensed(one) for one in facts.rights]) if facts.rights else ""
    warnings = "\n".join(f"> {markdown_text(text)}" for text in license_warnings(facts.rights))
    return "\n\n".join(part for part in ("## Licences", text, table, warnings) if part)


def license_warnings(rights: tuple[Licensed, ...]) -> list[str]:
    """What a person must know of the data's licences before the weights are handed on."""
    found = [
        f"{one.clips:,} clips are {' and '.join(one.limits)} by their licence ({one.license}): look at "
        "whether it lets you hand on weights trained on them, and for what use"
        for one in rights
        if one.limits
    ]
    unknown = sum(one.clips for one in rights if one.license == "unknown")
    if unknown:
        found.append(
            f"no licence is stated for {unknown:,} clips (`license` of a source, or such a column of a "
            "dataset file)"
        )
    return found


def _licensed(one: Licensed) -> dict[str, object]:
    makers = ", ".join(one.makers[:MOST_MAKERS])
    if len(one.makers) > MOST_MAKERS:
        makers += f" and {len(one.makers) - MOST_MAKERS:,} more"
    return {
        "licence": one.license,
        "clips": number(one.clips),
        "seconds": f"{one.seconds:,.1f}",
        "by": makers or "not stated",
        "consent": ", ".join(one.consent[:MOST_MAKERS]) or "not stated",
        "text": ", ".join(one.links[:MOST_MAKERS]),
    }


def training(facts: CardFacts) -> str:
    """How it was trained, and what happened meanwhile."""
    rows = [{"": name, "value": number(value)} for name, value in facts.training.items()]
    events = [f"- {markdown_text(text)}" for text in facts.events[:MOST_EVENTS]]
    if len(facts.events) > MOST_EVENTS:
        events.append(f"- and {len(facts.events) - MOST_EVENTS:,} more, in `lineage.json`")
    happened = "What happened while it was trained:\n\n" + "\n".join(events) if events else ""
    return "\n\n".join(part for part in (markdown_table(rows) if rows else "", happened) if part)


def lineage(facts: CardFacts) -> str:
    """What identifies data, base and code."""
    if not facts.lineage:
        return ""
    return markdown_table([{"": name, "value": str(value)} for name, value in facts.lineage.items()])


def limits(report: ReportData, facts: CardFacts) -> str:
    """What this was not measured on, in plain words."""
    data = report.dataset
    sizes = ", ".join(bucket.label for bucket in data.buckets if bucket.train)
    lines = [
        f"It has seen {data.train:,} clips of {data.sources:,} sources, and nothing else of the world than "
        "what they show; faces, voices and marks in them may come back in what it generates.",
        f"Other sizes and lengths than those of the training ({sizes}) were not measured." if sizes else "",
        "Measured is the loss at strength 1 on clips of the same kind; a low loss is no proof of a good "
        "picture. Look at the samples." + _compared(report),
        "It was not measured together with other LoRAs, nor on a distilled base, nor on one that is stored "
        "in another precision than in the training.",
        "It was not tested for safety. What the base model can do wrong, it can do wrong too.",
    ]
    if not facts.rights:
        lines.append("Nothing is known of the licences of the data.")
    return "\n".join(f"- {markdown_text(line)}" for line in lines if line)


def _compared(report: ReportData) -> str:
    clips = report.dataset.heldout
    if not report.heldout or not clips:
        return " No clip was held out, so not even that is known of footage that it has not seen."
    return f" {clips:,} held-out clips are few." if clips < FEW else ""
