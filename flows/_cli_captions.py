"""`ltx captions`: captions out into a file to review, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows._screen import console, errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ltx_core.run import Pipeline
    from ltx_core.stages.base import StagePlan
    from ltx_core.stages.context import Context

captions_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Review captions in a spreadsheet and take them back."
)
ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="the run's YAML file")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="fields of the config to set")
]
NAMED = 10
"""Clips that are named at most."""


@captions_app.command()
def edit(
    config: ConfigPath,
    overrides: Overrides = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="the file to write")] = Path("captions.csv"),
    pictures: Annotated[bool, typer.Option(help="a preview of each clip, made once")] = True,
    apply: Annotated[
        Path | None, typer.Option("--apply", help="take this edited file back instead of writing one")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace the file where it exists")] = False,
) -> None:
    """Write the captions of all clips into a CSV file; write what they shall be into its column new_caption.

    Example: ltx captions edit my_run.yaml -o captions.csv
    """
    from ltx_core.errors import ConfigError
    from ltx_core.stages.caption_review import write_review

    if apply is not None:
        _apply(config, overrides, apply)
        return
    if output.exists() and not force:
        raise ConfigError(f"{output} exists, perhaps with edits; name another file, or give --force")

    def tell(done: int, total: int) -> None:
        if pictures and done % 100 == 0:
            errors.print(f"{done}/{total} clips", markup=False)

    count = write_review(_pipeline(config, overrides).context, output, pictures, tell)
    console.print(f"{output}: {count} clips. Next: ltx captions apply {config} {output}", markup=False)


@captions_app.command()
def apply(
    config: ConfigPath,
    edited: Annotated[Path, typer.Argument(metavar="FILE", help="the edited CSV file")],
    overrides: Overrides = None,
) -> None:
    """Take an edited file back: its new captions win over all others; only what changed is computed again.

    Example: ltx captions apply my_run.yaml captions.csv
    """
    _apply(config, overrides, edited)


def show_cost(context: Context, plans: Sequence[StagePlan]) -> None:
    """What captions cost, where a server is asked for them; and what is wrong with those that are there."""
    from ltx_core.stages.caption_costs import caption_notes, cost_line

    for text in filter(None, (cost_line(context, plans), caption_notes(context))):
        console.print(f"{'captions':<14} {text}", markup=False)


def _apply(config: Path, overrides: list[str] | None, edited: Path) -> None:
    from ltx_core.stages.caption_review import apply_review

    found = apply_review(_pipeline(config, overrides).context, edited)
    if found.misplaced:
        errors.print(
            f"The column caption differs for {_names(found.misplaced)}: it is not taken back; write what a "
            "caption shall be into new_caption",
            markup=False,
        )
    reset = f", {len(found.reset)} reset" if found.reset else ""
    console.print(f"{len(found.changed)} captions changed{reset}, {found.same} as before", markup=False)
    if found.changed or found.reset:
        console.print(f"Next: ltx run {config}", markup=False)


def _names(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _pipeline(config: Path, overrides: list[str] | None) -> Pipeline:
    from ltx_core.config.load import load
    from ltx_core.run import Pipeline

    return Pipeline(load(config, overrides or ()))
