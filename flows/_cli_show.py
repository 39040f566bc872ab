"""`ltx show`: tables on the terminal, and pages to browse a dataset by."""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows._cli_runs import named_run, run_of, show_run
from flows._screen import console, show_table, steps_bar

if TYPE_CHECKING:
    from ltx_core.stages.context import Context

CLIPS = 300
"""As `stages.browse` has it; help is shown without importing it."""


def show(
    config: Annotated[str, typer.Argument(metavar="CONFIG|RUN", help="a YAML file; a run's folder or name")],
    what: Annotated[str, typer.Argument(help="dataset, run, cuts, or a clip's name")] = "dataset",
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="fields of the config to set")
    ] = None,
    no_page: Annotated[bool, typer.Option("--no-page", help="tables alone, no page to browse")] = False,
    clips: Annotated[
        int, typer.Option(min=0, help="clips with a player; ten times as many get a picture")
    ] = CLIPS,
    open_: Annotated[bool, typer.Option("--open", help="open the page in a browser")] = False,
    decode: Annotated[
        bool, typer.Option("--decode", help="decode a clip's latents and compare them with it")
    ] = False,
) -> None:
    """Tables of a dataset, a run or a clip, with the reasons for what was rejected, and pages to look at.

    `cuts` draws a contact sheet of every film's cuts, kept or not. A RUN is shown while it goes on, too; by
    its name it is looked for in `workspace=FOLDER`.

    Example: ltx show configs/t2v_lora.yaml dataset --open
    """
    if (folder := _run_meant(config, [what, *(overrides or ())])) is not None:
        show_run(folder, page=not no_page, open_=open_)
        return
    from ltx_core.config.load import load
    from ltx_core.errors import ConfigError
    from ltx_core.run import Pipeline
    from ltx_core.stages.show import show as tables

    if decode and what in ("dataset", "run", "cuts"):
        raise ConfigError(
            f"--decode takes a clip, not {what!r}: give its name, as `ltx show CONFIG` lists it"
        )
    context = Pipeline(load(Path(config), overrides or ())).context
    if what == "cuts":
        _cuts(context)
        return
    for table in tables(context, what):
        show_table(table["title"], table["columns"], table["rows"])
    if what == "run":
        return
    path = _compared(context, what) if decode else None if no_page else _page(context, what, clips)
    if path is None:
        return
    console.print(f"{'page':<17} {path.absolute()}", markup=False)
    if open_ and not webbrowser.open(path.absolute().as_uri()):
        console.print("no browser was found; open the page by its path", markup=False)


def _run_meant(text: str, more: Sequence[str]) -> Path | None:
    """The folder of the run that is meant; None where a config is."""
    path = Path(text)
    stated = [word.partition("=")[2] for word in more if word.startswith("workspace=")]
    workspace = Path(stated[-1] if stated else "workspace")
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return named_run(text, workspace) if "checkpoints" in path.parts else None
    return run_of(text, workspace)


def _page(context: Context, what: str, clips: int) -> Path:
    """The dataset's first page, or a clip's."""
    from ltx_core.stages.browse import browse, clip_page

    if what != "dataset":
        return clip_page(context, what)
    with steps_bar("pages") as tell:
        return browse(context, clips, tell)


def _compared(context: Context, what: str) -> Path:
    """The page that compares a clip with what its latents decode to; its numbers are tables."""
    from ltx_core.stages.browse_decode import compare

    table, path = compare(context, what)
    show_table(table["title"], table["columns"], table["rows"])
    return path


def _cuts(context: Context) -> None:
    """Draw the contact sheets of all cuts, and say where they are."""
    from ltx_core.errors import LtxError
    from ltx_core.stages.base import NotReadyError
    from ltx_core.stages.cut_sheets import SHEETS, cut_sheets

    rows = []
    try:
        with steps_bar("films") as tell:
            for sheet in cut_sheets(context, tell):
                pages = "\n".join(str(page.relative_to(context.config.workspace)) for page in sheet.pages)
                rows.append((sheet.name, sheet.cuts, sheet.kept, pages or "-", sheet.problem))
    except NotReadyError as error:
        raise LtxError(f"nothing to show yet: {error}; run `ltx stage scores CONFIG` first") from None
    show_table("cuts", ("film", "cuts", "kept", "sheet", ""), rows)
    console.print(f"{'sheets':<17} {(context.config.workspace / SHEETS).absolute()}", markup=False)
