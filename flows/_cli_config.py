"""`ltx config`: today's form of a config, its resolved values, the schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from flows._screen import errors

config_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Migrate a config, show what it resolves to."
)
ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="the run's YAML file")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="fields of the config to set")
]


@config_app.command()
def migrate(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="a config in an older form")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="the file to write; the terminal without it")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace the file where it exists")] = False,
) -> None:
    """Write a config of an older trainer in today's form; it resolves to the same.

    Example: ltx config migrate old.yaml -o new.yaml
    """
    from ltx_core.config.migrate_file import migrated, write_migrated

    if output is None:
        text, changes = migrated(old, None, Path.cwd())
        typer.echo(text, nl=False)
    else:
        changes = write_migrated(old, output, Path.cwd(), force=force)
    if not changes:
        errors.print(f"{old} is in today's form already; nothing was written", markup=False)
    elif output is not None:
        lines = "\n".join(f"  {change}" for change in changes)
        errors.print(f"{output}: written. What changed:\n{lines}\nNext: ltx check {output}", markup=False)


@config_app.command()
def show(config: ConfigPath, overrides: Overrides = None) -> None:
    """The resolved config: every field with its value, paths absolute.

    Example: ltx config show configs/t2v_lora.yaml
    """
    from ltx_core.config.load import dump, load

    typer.echo(dump(load(config, overrides or ())), nl=False)


@config_app.command()
def schema() -> None:
    """The JSON schema of a config, for an editor that checks YAML.

    Example: ltx config schema
    """
    from ltx_core.config.root import Config

    typer.echo(json.dumps(Config.model_json_schema(), indent=2))
