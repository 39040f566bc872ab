"""The report as one HTML file that opens offline: style, pictures and videos are inside, no script.

Design choices
- The verdict stands first; then what people look at (samples), then numbers, then what made them.
- Videos and sounds are put in until `MAX_MEDIA_BYTES`; beyond that a sample is shown by its sheet alone, and
  says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from ltx_core.evaluation import plots
from ltx_core.evaluation.markup import Html, element, escape, joined, table, whole_page
from ltx_core.evaluation.report import ReportData, Verdict, changes, verdict
from ltx_core.evaluation.report_course import course_section
from ltx_core.evaluation.report_data_section import dataset_section, plot_figure
from ltx_core.evaluation.report_media import MAX_MEDIA_BYTES, MediaBudget, sample_groups
from ltx_core.evaluation.report_style import STYLE
from ltx_core.evaluation.report_tables import (
    influence_sentences,
    influence_table,
    loss_table,
    number,
    stage_table,
)

CONFIG_SUMMARY = "The exact resolved configuration (YAML)"
CONFIG_BEGINS = f"{element('summary', CONFIG_SUMMARY)}<pre><code>"
"""What stands before the configuration in a page."""


def render(report: ReportData, max_media_bytes: int = MAX_MEDIA_BYTES) -> str:
    """The whole page.

    Args:
        report: what to show.
        max_media_bytes: videos and sounds beyond this sum are left out, their sheets stay.

    Raises:
        ValueError: when a sheet is no PNG, JPEG or WebP.
    """
    result = verdict(report)
    budget = MediaBudget(max_media_bytes)
    sections = [
        ("samples", "Before and after", sample_groups(report.samples, budget)),
        ("loss", "Held-out loss", _heldout(report)),
        ("conditions", "What each condition does", _influence(report, budget)),
        ("course", "Evaluations while it trained", course_section(report.course)),
        ("training", "Training", _training(report)),
        ("dataset", "Dataset", dataset_section(report.dataset)),
        ("model", "Model and LoRA", _facts(report.model)),
        ("stages", "Stages", _stages(report)),
        ("config", "Configuration", _config(report.config_yaml)),
        ("lineage", "Lineage", _facts(report.lineage)),
    ]
    shown = [section for section in sections if section[2]]
    main = joined(
        element("section", element("h2", title), content, id=anchor) for anchor, title, content in shown
    )
    links = (element("li", element("a", title, href=f"#{anchor}")) for anchor, title, _ in shown)
    body = element(
        "body",
        element("header", *_header(report, result)),
        element("nav", element("ul", *links), aria_label="Sections"),
        element("main", main),
    )
    return whole_page(f"{report.title} · training report", STYLE, body)


def _header(report: ReportData, result: Verdict) -> Iterator[Html]:
    yield element("h1", report.title)
    facts = (report.mode and f"mode {report.mode}", report.created)
    yield element("p", " · ".join(fact for fact in facts if fact), class_="soft")
    yield element(
        "div",
        element("p", result.sentence, class_="lead"),
        *(element("p", "\N{WARNING SIGN} " + warning) for warning in result.warnings),
        class_="verdict good" if result.good else "verdict",
    )
    data = report.dataset
    tiles: list[tuple[str, str]] = []
    for change in changes(report.heldout):
        share = f"{change.share:+.0%}".replace("-", "\N{MINUS SIGN}")
        tiles.append((f"{change.modality} held-out loss", share))
    if report.dataset.buckets:
        tiles += [("clips that train", number(data.train)), ("clips held out", number(data.heldout))]
        tiles.append(("not used", number(len(data.rejected))))
    seconds = sum(stage.seconds for stage in report.stages)
    if seconds:
        tiles.append(("computing time", duration(seconds)))
    if tiles:
        yield element(
            "dl",
            *(element("div", element("dt", name), element("dd", value)) for name, value in tiles),
            class_="numbers",
        )


def duration(seconds: float) -> str:
    """Seconds for people: "42 s", "3 min 05 s", "2 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _rows(rows: Iterable[Mapping[str, object]], label: str, texts: int = 1) -> Html:
    listed = list(rows)
    if not listed:
        return Html("")
    names = list(listed[0])
    cells = [[str(row.get(name, "")) for name in names] for row in listed]
    return table(names, cells, label, numeric=range(texts, len(names)))


def _heldout(report: ReportData) -> Html:
    found = changes(report.heldout)
    if not found:
        return Html("")
    text = (
        "The error of the model on clips that did not train, at fixed noise and fixed noise levels. "
        "The base model and the LoRA saw the same draws. Lower is better."
    )
    parts = (_heldout_of(report, change.modality) for change in found)
    return joined([element("p", text), element("div", *parts, class_="plots")])


def _heldout_of(report: ReportData, modality: str) -> Html:
    rows = [row for row in report.heldout if row.modality == modality]
    levels = sorted({row.level for row in rows})
    measured = {(row.model, row.level): row.loss for row in rows}
    losses = {
        name: [measured.get((model, level), math.nan) for level in levels]
        for model, name in (("base", "base"), ("lora", "LoRA"))
    }
    title = f"{modality.capitalize()} loss by noise level"
    drawing = plots.svg(plots.level_bars(levels, losses, title), f"level-{modality}")
    return element(
        "div",
        element("h3", modality.capitalize()),
        plot_figure(drawing, f"Bars: {title}; the numbers stand in the table below."),
        _rows(loss_table(report.heldout, modality), f"{title}, base model and LoRA"),
    )


def _influence(report: ReportData, budget: MediaBudget) -> Html:
    if not report.influence:
        return Html("")
    text = (
        "Held-out clips with the LoRA and equal noise: with the clip's own content of the condition, with "
        "another clip's, and without the condition. Numbers are against the clip itself, as its latents "
        'decode; "to that other" is the sample with another clip\'s content against that other clip. The '
        "loss is over the same tokens in each column. A condition that is used is best with its own content."
    )
    said = influence_sentences(report.influence)
    return joined(
        [
            element("ul", *(element("li", sentence) for sentence in said)) if said else None,
            element("p", text, class_="soft"),
            _rows(influence_table(report.influence), "What each condition does", texts=2),
            sample_groups(report.influence_samples, budget),
        ]
    )


def _training(report: ReportData) -> Html:
    curves = {name: curve for name, curve in report.curves.items() if curve}
    figures = []
    if curves:
        ends = "; ".join(f"{name} ends at {number(float(curve[-1][1]))}" for name, curve in curves.items())
        drawing = plots.svg(plots.loss_curves(curves), "curves")
        figures.append(plot_figure(drawing, f"Training loss over the steps: {ends}."))
    if report.learning_rate:
        drawing = plots.svg(plots.line(report.learning_rate, "Learning rate", ""), "rate")
        figures.append(plot_figure(drawing, "Learning rate over the steps."))
    return element("div", *figures, class_="plots") if figures else Html("")


def _stages(report: ReportData) -> Html:
    return _rows(stage_table(report), "What each stage did and how long it took")


def with_config(page: str, config_yaml: str) -> str:
    """A page of `render` with another configuration in its section, such as one with a corrected licence."""
    found = page.find(CONFIG_BEGINS)
    if found < 0:
        return page
    begin = found + len(CONFIG_BEGINS)
    end = page.index("</code>", begin)  # the text between is escaped
    return page[:begin] + escape(config_yaml) + page[end:]


def _config(config_yaml: str) -> Html:
    if not config_yaml:
        return Html("")
    summary = element("summary", CONFIG_SUMMARY)
    return element("details", summary, element("pre", element("code", config_yaml)))


def _facts(facts: Mapping[str, object]) -> Html:
    if not facts:
        return Html("")
    rows = (
        element("tr", element("td", name, class_="name"), element("td", _value(value), class_="value"))
        for name, value in facts.items()
    )
    return element("div", element("table", element("tbody", *rows)), class_="scroll")


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number(each)}" for name, each in value.items())
    return number(value)
