"""Runs beside each other as one HTML page: curves over each other, samples side by side, tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ltx_core.evaluation.compare import compare_tables, labels
from ltx_core.evaluation.markup import Html, element, joined
from ltx_core.evaluation.run_page import (
    LINES,
    MOST_MEDIA,
    PLAYED,
    Budget,
    Section,
    overlaid,
    page,
    player_of,
    section_of,
    sheet,
)
from ltx_core.evaluation.run_record import Run

CURVES = (
    ("loss_video", "Video loss"),
    ("loss_audio", "Audio loss"),
    *LINES,
)


def compare_page(runs: Sequence[Run]) -> str:
    """The page; no network is needed to read it."""
    budget = Budget(MOST_MEDIA)
    sections: list[Section] = [
        ("curves", "Curves", _curves(runs)),
        ("samples", "Samples side by side", _samples(runs, budget)),
        *map(section_of, compare_tables(runs)),
    ]
    return page("Runs compared", " · ".join(labels(runs)), sections)


def _curves(runs: Sequence[Run]) -> Html:
    names = labels(runs)
    figures = []
    for column, title in CURVES:
        curves = {name: run.curve(column) for name, run in zip(names, runs, strict=True)}
        figures.append(overlaid(curves, title, column.replace("_", "-")))
    heldout = dict.fromkeys(name for run in runs for name in run.measured if name.startswith("heldout_"))
    for column in heldout:
        points = {name: tuple(run.measured.get(column, ())) for name, run in zip(names, runs, strict=True)}
        title = f"Held-out {column.removeprefix('heldout_').replace('_', ' ')} loss"
        figures.append(overlaid(points, title, column.replace("_", "-")))
    shown = [figure for figure in figures if figure]
    return element("div", *shown, class_="plots") if shown else Html("")


def _samples(runs: Sequence[Run], budget: Budget) -> Html:
    """The newest samples that all runs have of one step; where there are none, the newest of each."""
    names, found = labels(runs), [run.samples() for run in runs]
    common = set.intersection(*(set(one) for one in found)) if found else set()
    steps = [max(common)] * len(runs) if common else [max(one, default=-1) for one in found]
    folders = [one.get(step) for one, step in zip(found, steps, strict=True)]
    if not any(folders):
        return Html("")
    note = None
    if not common:
        note = element(
            "p", "The runs have no samples of one step: the newest of each are shown.", class_="soft"
        )
    shown = [
        (f"{name}, step {step}", folder)
        for name, step, folder in zip(names, steps, folders, strict=True)
        if folder is not None
    ]
    sheets = [sheet(folder, label, budget) for label, folder in shown]
    return joined([note, *_groups(shown, budget), element("div", *sheets, class_="sheets")])


def _groups(shown: Sequence[tuple[str, Path]], budget: Budget) -> list[Html]:
    """A card for each sample: its video or sound of every run."""
    files = sorted({path.name for _, folder in shown for path in folder.glob("*") if path.suffix in PLAYED})
    found = []
    for name in files:
        players = []
        for label, folder in shown:
            player = player_of(folder / name, budget)
            if player is not None:
                players.append(element("figure", player, element("figcaption", label)))
        if players:
            heading = element("h3", f"sample {Path(name).stem}")
            found.append(
                element("article", heading, element("div", *players, class_="videos"), class_="group")
            )
    return found
