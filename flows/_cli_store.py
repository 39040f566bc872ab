"""`ltx store`: keep the store of a config."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from flows._screen import console, show_table
from ltx_core.errors import StoreError

if TYPE_CHECKING:
    from ltx_core.store.store import Store

store_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Import prepared data, verify the store, collect garbage.",
)
export_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Write what a store holds as files."
)
store_app.add_typer(export_app, name="export")
ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="the run's YAML file")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="fields of the config to set")
]


@store_app.command("import")
def import_folder(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="the folder `.precomputed`, or the one that holds it")
    ],
    config: ConfigPath,
    overrides: Overrides = None,
) -> None:
    """Take data that the public trainer prepared (`.pt` files) into the store; no raw media are needed.

    Example: ltx store import /data/films/.precomputed configs/t2v_lora.yaml
    """
    from ltx_core import run
    from ltx_core.config.load import load

    where = f"data.preprocessed_data_root={json.dumps(str(folder.absolute()))}"
    found = run.import_prepared(load(config, [*(overrides or ()), where]), _tell)
    if found["rejected"]:
        show_table("", ("set aside", "reason"), found["rejected"])
    show_table("", ("column", "files", "imported", "set aside"), found["columns"])
    if found["unknown"]:
        names = ", ".join(found["unknown"])
        console.print(
            f"not imported: {names} (no column that the mode reads or the trainer knows)", markup=False
        )
    console.print(f"a run trains on it with {where}", markup=False)


def _tell(done: int, parts: int) -> None:
    if console.is_terminal:
        console.print(f"{done} of {parts} parts", end="\r")


@store_app.command()
def verify(
    config: ConfigPath,
    overrides: Overrides = None,
    repair: Annotated[bool, typer.Option(help="set damaged parts aside; a run computes them")] = False,
) -> None:
    """Read every committed byte again and compare it with its checksum.

    Example: ltx store verify configs/t2v_lora.yaml
    """
    from ltx_core.store import verify as checks

    store = _store(config, overrides)
    checked, problems = checks.verify(store)
    console.print(f"{store.root}: {checked} rows checked, {len(problems)} problems", markup=False)
    if not problems:
        return
    show_table("", ("stage", "part", "what"), [(p.stage, p.part.name, p.what) for p in problems])
    if not repair:
        console.print("--repair sets these parts aside; the next run then computes their rows anew")
        raise typer.Exit(1)
    console.print(f"{checks.repair(problems)} parts set aside; the next run computes their rows anew")


@store_app.command()
def gc(
    config: ConfigPath,
    overrides: Overrides = None,
    dry_run: Annotated[bool, typer.Option(help="only say what would be removed")] = False,
) -> None:
    """Remove the parts that no dataset, run or report names; those that the config's own preparation has
    computed so far are kept. While a run works on the store, nothing is removed.

    Example: ltx store gc configs/t2v_lora.yaml --dry-run
    """
    from ltx_core.config.load import load
    from ltx_core.run import Pipeline
    from ltx_core.store.collect import collect

    store = _store(config, overrides)
    named, unknown = Pipeline(load(config, overrides or ())).named()
    if unknown:
        console.print(f"note: rows that only this config needs are not known ({unknown})", markup=False)
    removed = collect(store, dry_run=dry_run, keep=named)
    for name in removed:
        console.print(name, markup=False)
    console.print(f"{len(removed)} parts {'would be ' if dry_run else ''}removed")


@export_app.command("clips")
def export_clips(
    config: ConfigPath,
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="the folder to write them to")],
    overrides: Overrides = None,
    size: Annotated[str, typer.Option(help="source, or bucket: the size that training sees")] = "source",
) -> None:
    """The kept clips as files (H.264 and AAC, borders cut away), with a dataset file beside them.

    What is there already is not written again; the folder is a `dataset.source` by itself.

    Example: ltx store export clips configs/t2v_lora.yaml /data/clips --size bucket
    """
    from flows._screen import steps_bar
    from ltx_core.config.load import load
    from ltx_core.errors import ConfigError
    from ltx_core.run import Pipeline
    from ltx_core.stages.clip_export import TABLE
    from ltx_core.stages.clip_export import export_clips as export

    if size not in ("source", "bucket"):
        raise ConfigError(f"--size is {size!r}; it is source or bucket")
    context = Pipeline(load(config, overrides or ())).context
    with steps_bar("clips") as tell:
        done = export(context, folder, cast(Literal["source", "bucket"], size), tell)
    if done.problems:
        show_table("", ("set aside", "reason"), done.problems)
    console.print(
        f"{done.written} clips written, {done.present} were there, {done.removed} older files removed",
        markup=False,
    )
    console.print(f"{'dataset file':<17} {(folder / TABLE).absolute()}", markup=False)


def _store(config: Path, overrides: list[str] | None) -> Store:
    from ltx_core.config.load import load
    from ltx_core.store.store import Store

    root = load(config, overrides or ()).store_root
    if not root.is_dir():
        raise StoreError(f"there is no store at {root} yet; `ltx run {config}` makes one")
    return Store(root)
