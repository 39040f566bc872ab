"""Buckets of a plan, for people: what they hold, and what another choice would change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from flows._screen import console, show_table

if TYPE_CHECKING:
    from ltx_core.stages.context import Context


def show_mixture(context: Context) -> None:
    """What each bucket holds and how it is batched, and what each source gives."""
    from ltx_core.stages.mixture import mixture_tables

    for table in mixture_tables(context):
        show_table(table["title"], table["columns"], table["rows"])


def choose_anew(context: Context, yes: bool) -> bool:
    """Say what a new choice of buckets changes, ask, and make it; whether the plan goes on.

    Raises:
        LtxError: where there is nothing to choose.
    """
    from ltx_core.stages.mixture import chosen_rows
    from ltx_core.stages.rebucket import propose, rebucket

    found = propose(context)
    show_table("buckets as they would be chosen now", *chosen_rows(found.table))
    if found.old == found.new:
        console.print("these are the buckets that are used already", markup=False)
        return True
    if found.old is not None:
        console.print(f"{'until now':<14} {', '.join(map(str, found.old))}", markup=False)
    console.print(
        f"{'what changes':<14} {found.anew} of {found.clips} clips are encoded anew, "
        f"{found.gone} clips of before are no more",
        markup=False,
    )
    if not yes and not typer.confirm("choose these buckets?", default=False):
        console.print("nothing was changed; --yes chooses without asking", markup=False)
        return False
    rebucket(context)
    return True
