"""`ltx show RUN` and `ltx compare RUN RUN`: runs by their folders, as tables and as a page."""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows._screen import console, show_table

if TYPE_CHECKING:
    from ltx_core.evaluation.run_record import Run

PAGE, COMPARED = "show.html", "compare"


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help="runs: a folder, a checkpoint, or a name")],
    workspace: Annotated[Path, typer.Option(help="where runs are looked for by name")] = Path("workspace"),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="the page; WORKSPACE/compare by default")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="open the page in a browser")] = False,
) -> None:
    """Runs beside each other: configs, losses at equal steps, speed, memory, curves and samples.

    Example: ltx compare t2v_lora-1a2b3c4d t2v_lora-5e6f7a8b --open
    """
    from ltx_core.errors import LtxError
    from ltx_core.evaluation.compare import compare_tables
    from ltx_core.evaluation.compare_page import compare_page
    from ltx_core.evaluation.run_record import read_run

    if len(runs) < 2:
        raise LtxError("`ltx compare` takes two runs or more; `ltx show RUN` shows one")
    found = [read_run(run_of(text, workspace)) for text in runs]
    _tables(compare_tables(found))
    name = "-".join(run.name for run in found)[:120]
    _write(output or workspace / COMPARED / f"{name}.html", compare_page(found), open_)


def show_run(folder: Path, *, page: bool, open_: bool) -> None:
    """Tables of a run, and its page; with the report of its evaluation where there is one."""
    from ltx_core.evaluation.run_page import run_page
    from ltx_core.evaluation.run_record import REPORT, read_run
    from ltx_core.evaluation.run_tables import run_tables

    run: Run = read_run(folder)
    _tables(run_tables(run))
    if (report := folder / REPORT).is_file():
        console.print(f"{'report':<17} {report.absolute()}", markup=False)
    if page:
        _write(folder / PAGE, run_page(run), open_)


def run_of(text: str, workspace: Path) -> Path:
    """The folder of the run that is meant.

    Raises:
        LtxError: when there is none, with those that there are.
    """
    from ltx_core.errors import LtxError

    found = named_run(text, workspace)
    if found is None:
        names = sorted(path.name for path in (workspace / "runs").glob("*") if path.is_dir())
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        known = f"runs of {workspace / 'runs'}: {', '.join(names[:8])}{more}" if names else "there are none"
        ways = "its folder, or another workspace (`ltx show`: workspace=FOLDER, `ltx compare`: --workspace)"
        raise LtxError(f"no run is named {text!r}; {known}. Give one of them, {ways}")
    return found


def named_run(text: str, workspace: Path) -> Path | None:
    """The same, None where there is none."""
    from ltx_core.evaluation.run_record import find_run

    return find_run(text, workspace / "runs")


def _tables(tables: Sequence[dict[str, Any]]) -> None:
    for table in tables:
        show_table(table["title"], table["columns"], table["rows"])


def _write(path: Path, text: str, open_: bool) -> None:
    """Write a page and say where; its path is the last line."""
    from ltx_core.store.disk import write_atomic

    write_atomic(path, text.encode())
    if open_ and not webbrowser.open(path.absolute().as_uri()):
        console.print("no browser was found; open the page by its path", markup=False)
    console.print(f"{'page':<17} {path.absolute()}", markup=False)
