"""Pages of one run and of several: curves, tables, samples in one HTML file that opens without a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ltx_core.evaluation import plots
from ltx_core.evaluation.markup import Html, data_uri, element, image_uri, joined, whole_page
from ltx_core.evaluation.markup import table as html_table
from ltx_core.evaluation.report_style import STYLE
from ltx_core.evaluation.run_record import Run
from ltx_core.evaluation.run_tables import Table, run_tables

SHEET = "sheet.png"
MOST_SHEETS = 6
"""Steps whose samples a page shows: the newest, and evenly spread ones before."""
MOST_MEDIA = 24 * 2**20
"""Bytes of pictures and videos in one page."""
PLAYED = (".mp4", ".wav")
LINES = (("lr", "Learning rate"), ("grad_norm", "Gradient norm"), ("seconds", "Seconds a step"))
"""Columns of metrics that are drawn beside the losses."""
Section = tuple[str, str, Html]
"""Anchor, title, content."""


def run_page(run: Run) -> str:
    """The page of one run."""
    budget = Budget(MOST_MEDIA)
    sections = [("curves", "Curves", run_curves(run)), *map(section_of, run_tables(run))]
    sections.insert(1, ("samples", "Samples", samples_of(run, budget)))
    return page(f"Run {run.name}", "", sections)


def page(title: str, lead: str, sections: Iterable[Section]) -> str:
    """A whole page; sections without content are left out."""
    shown = [section for section in sections if section[2]]
    links = (element("li", element("a", name, href=f"#{anchor}")) for anchor, name, _ in shown)
    main = (element("section", element("h2", name), content, id=anchor) for anchor, name, content in shown)
    body = element(
        "body",
        element("header", element("h1", title), element("p", lead, class_="soft") if lead else None),
        element("nav", element("ul", *links), aria_label="Sections"),
        element("main", *main),
    )
    return whole_page(title, STYLE, body)


def section_of(table: Table) -> Section:
    """A table as a section."""
    anchor = "".join(letter if letter.isalnum() else "-" for letter in table["title"])
    return anchor, table["title"], html_table(table["columns"], table["rows"], table["title"])


class Budget:
    """Bytes that may still go into a page."""

    def __init__(self, left: int) -> None:
        self.left = left

    def read(self, path: Path) -> bytes | None:
        """A file's bytes, or None for one that is not there or too large."""
        try:
            size = path.stat().st_size
            if size > self.left:
                return None
            content = path.read_bytes()
        except OSError:
            return None
        self.left -= size
        return content


def run_curves(run: Run) -> Html:
    """Losses, rate, gradient norm and speed over the steps."""
    figures = []
    if curves := run.curves():
        figures.append(figure(plots.loss_curves(curves), "loss", "Loss over the steps"))
    for name, title in LINES:
        if curve := run.curve(name):
            figures.append(figure(plots.line(curve, title, ""), name, f"{title} over the steps"))
    return element("div", *figures, class_="plots") if figures else Html("")


def figure(drawing: Any, prefix: str, words: str) -> Html:
    """A plot with its words."""
    return element("figure", plots.svg(drawing, prefix), element("figcaption", words))


def samples_of(run: Run, budget: Budget) -> Html:
    """Sheets of samples of some steps, the newest first, and the newest ones to play."""
    found = run.samples()
    steps = spread(sorted(found), MOST_SHEETS)[::-1]
    parts = [sheet(found[step], f"step {step}", budget) for step in steps]
    players = joined(players_of(found[steps[0]], f"step {steps[0]}", budget)) if steps else None
    shown = [part for part in parts if part]
    if not shown and not players:
        return Html("")
    videos = element("div", players, class_="videos") if players else None
    return joined([videos, element("div", *shown, class_="sheets")])


def sheet(folder: Path, label: str, budget: Budget) -> Html:
    """A sheet of frames under its label; nothing where there is none."""
    content = budget.read(folder / SHEET)
    if content is None:
        return Html("")
    picture = element("img", src=image_uri(content), alt=f"samples, {label}")
    return element("figure", element("div", picture, class_="strip"), element("figcaption", label))


def players_of(folder: Path, label: str, budget: Budget) -> list[Html]:
    """A folder's videos and sounds."""
    found = []
    for path in sorted(folder.glob("*")):
        if path.suffix not in PLAYED:
            continue
        if (player := player_of(path, budget)) is not None:
            found.append(element("figure", player, element("figcaption", f"{label} {path.stem}")))
    return found


def player_of(path: Path, budget: Budget) -> Html | None:
    """A file to play; None where it does not fit any more."""
    content = budget.read(path)
    if content is None:
        return None
    kind, media = ("video", "video/mp4") if path.suffix == ".mp4" else ("audio", "audio/wav")
    more = {"loop": True, "muted": True} if kind == "video" else {}
    return element(kind, src=data_uri(content, media), controls=True, preload="metadata", **more)


def spread(values: Sequence[int], most: int) -> list[int]:
    """At most `most` of the values, evenly spread, the first and the last included."""
    if len(values) <= most:
        return list(values)
    return [values[round(place * (len(values) - 1) / (most - 1))] for place in range(most)]


def overlaid(curves: Mapping[str, plots.Curve], title: str, prefix: str) -> Html:
    """The same curve of several runs in one plot."""
    found = {name: curve for name, curve in curves.items() if curve}
    return (
        figure(plots.overlaid(found, title), prefix, f"{title} of {', '.join(found)}") if found else Html("")
    )
