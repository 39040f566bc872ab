"""The learning checks of all modes as one HTML page that opens offline."""

from __future__ import annotations

from collections.abc import Sequence

from ltx_core.evaluation.checks import Checked, Outcome
from ltx_core.evaluation.markup import Html, element, image_uri, joined, table, whole_page
from ltx_core.evaluation.report_style import STYLE
from ltx_core.evaluation.report_tables import number
from ltx_core.evaluation.rows import condition_title

COLUMNS = ("condition", "measure", "own", "another's", "to that other", "withheld", "limits", "clips", "")
EXPLANATION = (
    "Each mode was trained on the demo through the whole pipeline. Each number is of held-out clips with the "
    "same LoRA and equal noise: with the clip's own content of the condition (own), with another clip's "
    "(another's; to that other: the same sample against the clip whose content it was given), and without "
    "the condition (withheld). Losses are over the same tokens in every column."
)


def render_checks(title: str, created: str, checked: Sequence[Checked]) -> str:
    """The whole page."""
    everything = [outcome for one in checked for outcome in one.outcomes]
    passed = sum(outcome.passed for outcome in everything)
    verdict = f"{passed} of {len(everything)} checks passed in {len(checked)} modes."
    links = (element("li", element("a", one.mode, href=f"#{one.mode}")) for one in checked)
    body = element(
        "body",
        element(
            "header",
            element("h1", title),
            element("p", created, class_="soft"),
            element(
                "div",
                element("p", verdict, class_="lead"),
                *(element("p", _failed(one)) for one in checked if not one.passed),
                class_="verdict good" if passed == len(everything) else "verdict",
            ),
            element("p", EXPLANATION, class_="soft"),
        ),
        element("nav", element("ul", *links), aria_label="Modes"),
        element("main", joined(_section(one) for one in checked)),
    )
    return whole_page(title, STYLE, body)


def _failed(one: Checked) -> str:
    names = "; ".join(outcome.check.measure for outcome in one.outcomes if not outcome.passed)
    return f"\N{WARNING SIGN} {one.mode}: {names}"


def _section(one: Checked) -> Html:
    pictures = (
        element(
            "figure",
            element(
                "div", element("img", src=image_uri(picture), alt=f"{one.mode}: {label}"), class_="strip"
            ),
            element("figcaption", label),
        )
        for label, picture in one.pictures.items()
    )
    return element(
        "section",
        element("h2", one.mode),
        element("p", one.claim),
        element("p", one.setup, class_="soft") if one.setup else None,
        table(COLUMNS, map(_row, one.outcomes), f"Checks of {one.mode}", numeric=(2, 3, 4, 5, 7)),
        element("div", *pictures, class_="sheets group") if one.pictures else None,
        element("p", f"Run: {one.run}", class_="soft"),
        id=one.mode,
    )


def _row(outcome: Outcome) -> list[str]:
    check, effect = outcome.check, outcome.effect
    values = [None] * 4 if effect is None else [effect.right, effect.wrong, effect.followed, effect.withheld]
    return [
        condition_title(check.condition),
        check.measure,
        *map(number, values),
        ", ".join(limit.text() for limit in check.limits),
        "0" if effect is None else str(effect.clips),
        "passed" if outcome.passed else "FAILED",
    ]
