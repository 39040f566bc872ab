"""`ltx push`: a published folder to a model hub, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows._screen import console, errors, show_table

KIB = 1024.0


def push(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="a config, a run's or a published folder")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="fields of the config to set")
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="the repository; else hub.hub_model_id")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="make the repository private")] = False,
    revision: Annotated[str | None, typer.Option(metavar="BRANCH", help="else hub.revision")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only list what would be pushed")] = False,
) -> None:
    """Push a published folder to a model hub; lists its files first. The token is HF_TOKEN or the login's.

    Example: ltx push configs/t2v_lora.yaml --to me/my-lora --private --dry-run
    """
    from ltx_core.models.hub_push import listed
    from ltx_core.models.hub_push import push as push_folder
    from ltx_core.stages.push import commit_message, warnings_of
    from ltx_core.stages.push_source import resolve, wanted

    folder, config = resolve(source, overrides or ())
    target = wanted(config.hub, to, private, revision)
    files = listed(folder)
    show_table(str(folder), ("file", "size"), [(name, _size(size)) for name, size in files])
    console.print(f"{len(files)} files, {_size(sum(size for _, size in files))}", markup=False)
    for warning in warnings_of(folder):
        errors.print(f"warning: {warning}", markup=False)
    where = f"{target.repository}{f', branch {target.revision}' if target.revision else ''}"
    seen = "private" if target.private else "public"
    if dry_run:
        console.print(f"would be pushed to {where} ({seen} where it is made); nothing was sent", markup=False)
        return
    done = push_folder(
        folder, target, commit_message(folder.name, ""), lambda text: console.print(text, markup=False)
    )
    console.print(f"{done.url}: pushed, commit {done.commit}", markup=False)


def _size(nbytes: int) -> str:
    size, unit = float(nbytes), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < KIB or unit == "GiB":
            break
        size /= KIB
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
