"""The report's section on the evaluations of a training: curves, maps by level and condition, words."""

from __future__ import annotations

from ltx_core.evaluation import plots
from ltx_core.evaluation.course import Course, Map, as_columns, course_table, curves, maps, sentences
from ltx_core.evaluation.course_plots import change_map, evaluation_curves
from ltx_core.evaluation.markup import Html, element, joined, table
from ltx_core.evaluation.report_data_section import plot_figure
from ltx_core.evaluation.report_tables import number


def course_section(course: Course) -> Html:
    """The section's content; empty without an evaluation."""
    if not course.rows:
        return Html("")
    note = (
        "Measured while it trained, on few clips and always with the same noise: held-out clips, and "
        "training clips in the same way; a dotted line marks the best step. The maps show the change since "
        "the first evaluation: by noise level with all conditions, and the mean without each condition that "
        "training does not always apply."
    )
    figures = [*_curves(course), *(_map(found) for found in maps(course))]
    return joined(
        [
            element("ul", *(element("li", sentence) for sentence in sentences(course))),
            element("p", note, class_="soft"),
            element("div", *figures, class_="plots"),
            _table(course),
        ]
    )


def _curves(course: Course) -> list[Html]:
    found = []
    for modality, splits in curves(course).items():
        points = as_columns(splits)
        words = "; ".join(
            f"{name} from {number(float(values[0][1]))} to {number(float(values[-1][1]))}"
            for name, values in points.items()
        )
        title = f"{modality.capitalize()} at fixed noise"
        drawing = plots.svg(evaluation_curves(points, title, course.best), f"course-{modality}")
        best = "" if course.best is None else f"; the best step is {course.best}"
        found.append(plot_figure(drawing, f"{title}: {words}{best}."))
    return found


def _map(found: Map) -> Html:
    title = f"Change of the held-out {found.modality} loss"
    ends = ", ".join(
        f"{label} {row[-1]:+.0%}" for label, row in zip(found.labels, found.changes, strict=True) if row
    )
    drawing = plots.svg(change_map(found, title), f"map-{found.modality}")
    return plot_figure(drawing, f"{title} by level and condition; at the last evaluation: {ends}.")


def _table(course: Course) -> Html:
    rows = course_table(course)
    names = list(rows[0])
    cells = [[number(row[name]) for name in names] for row in rows]
    return table(names, cells, "Mean loss at fixed noise", numeric=range(3, len(names)))
