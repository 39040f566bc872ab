"""`ltx`, the command line. Exit codes: 0 done, 1 failed, 2 wrong use.

A command takes a config and `key=value` texts that set any of its fields; there is no option per field.
Prefect and torch are imported by the commands that need them, when they need them.
"""

from __future__ import annotations

import gc
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows._cli_captions import captions_app, show_cost
from flows._cli_config import config_app
from flows._cli_export import export
from flows._cli_push import push
from flows._cli_runs import compare
from flows._cli_sample import sample
from flows._cli_show import show
from flows._cli_store import store_app
from flows._screen import console, errors, show_plans, show_table
from ltx_core.errors import LegacyConfigWarning, LtxError

if TYPE_CHECKING:
    from ltx_core.config.root import Config

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="A folder of videos in, a trained LTX LoRA out.",
)
app.add_typer(store_app, name="store")
app.add_typer(config_app, name="config")
app.add_typer(captions_app, name="captions")

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="the run's YAML file")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="fields of the config to set")
]
CHECKOUT = Path(__file__).resolve().parents[1]


@app.command()
def run(config: ConfigPath, overrides: Overrides = None) -> None:
    """The whole flow: prepare the dataset, train, evaluate, publish.

    Example: ltx run configs/t2v_lora.yaml optimization.steps=500
    """
    from flows._execute import execute
    from tasks._work import Job

    _say_products(*execute(Job.of(config, overrides or ())))


@app.command()
def demo(
    overrides: Overrides = None,
    workspace: Annotated[Path, typer.Option(help="where everything is written")] = Path("workspace"),
) -> None:
    """The whole flow on the included demo; the last line is the path of its report.

    Example: ltx demo --workspace /tmp/ltx
    """
    from flows._execute import execute
    from tasks._work import Job

    settings = (f"workspace={workspace.absolute()}", *(overrides or ()))
    job = Job(str(CHECKOUT / "configs" / "demo.yaml"), settings, str(CHECKOUT))
    _say_products(*execute(job))


@app.command("demo-modes")
def demo_modes(
    overrides: Overrides = None,
    workspace: Annotated[Path, typer.Option(help="where everything is written")] = Path(
        "workspace/demo-modes"
    ),
    only: Annotated[list[str] | None, typer.Option(help="a mode to check; may be repeated")] = None,
) -> None:
    """Train modes on the included demo and check that each learns its condition; ends with 1 if one does not.

    Example: ltx demo-modes --only i2v
    """
    from flows._demo_modes import check_modes

    found = check_modes(workspace, overrides or (), only or ())
    console.print(f"{'report':<17} {found.report.absolute()}", markup=False)
    if not found.passed:
        raise typer.Exit(1)


@app.command()
def stage(
    name: Annotated[str, typer.Argument(metavar="NAME", help="a stage, such as captions or latents")],
    config: ConfigPath,
    overrides: Overrides = None,
) -> None:
    """One stage and what it needs, nothing after it.

    Example: ltx stage captions configs/t2v_lora.yaml
    """
    from flows._execute import execute
    from tasks._work import Job

    _, manifests = execute(Job.of(config, overrides or ()), until=name)
    if rejected := manifests[name]["rejected"]:
        show_table("", ("rejected", "reason"), rejected)


@app.command()
def plan(
    config: ConfigPath,
    overrides: Overrides = None,
    gpu_memory: Annotated[
        str | None, typer.Option(help="plan for a GPU with so much memory, such as 24GiB")
    ] = None,
    rebucket: Annotated[
        bool, typer.Option("--rebucket", help="choose the buckets of `dataset.buckets: auto` anew")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="with --rebucket: do not ask")] = False,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="measure the model's speed here first: about a minute")
    ] = False,
) -> None:
    """What would run, what is cached, what a step holds, how long it takes, how much memory and disk.

    It computes nothing, but for --rebucket, which says what changes and asks before it chooses.

    Example: ltx plan configs/t2v_lora.yaml --gpu-memory 24GiB dataset.source=/data/films
    """
    from flows._buckets import choose_anew, show_mixture
    from flows._estimate import show_estimate
    from ltx_core.run import Pipeline
    from ltx_core.stages.device import memory_of

    pipeline = Pipeline(_load(config, overrides))
    if rebucket and not choose_anew(pipeline.context, yes):
        return
    if calibrate:
        pipeline.calibrate()
    device = pipeline.device(None if gpu_memory is None else memory_of(gpu_memory))
    plans = pipeline.plans(device)
    show_plans(plans)
    show_mixture(pipeline.context)
    show_estimate(pipeline.estimate(plans, device))
    show_cost(pipeline.context, plans)


@app.command()
def check(config: ConfigPath, overrides: Overrides = None) -> None:
    """Preflight: the config, the data, the model, the disk, memory; computes nothing.

    Example: ltx check my_run.yaml
    """
    from flows._estimate import fit_line
    from ltx_core.config.preflight import preflight
    from ltx_core.run import Pipeline

    found = _load(config, overrides)
    checks = preflight(found)
    rows = [(check.name, "ok" if check.ok else "WRONG", check.detail) for check in checks]
    passed = all(check.ok for check in checks)
    if passed:  # what memory is needed follows from a model that can be read and buckets that fit it
        pipeline = Pipeline(found)
        rows.append(("memory", *fit_line(pipeline.fit())))
        rows.append(("earlier run", "ok", "\n".join(pipeline.changes()) or "none, or nothing has changed"))
    show_table("", ("what", "", "found"), rows)
    if not passed:
        raise typer.Exit(1)


app.command()(show)
app.command()(compare)
app.command()(sample)
app.command()(export)
app.command()(push)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="the folder of videos")],
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="the folder of the base model")],
    output: Annotated[Path, typer.Option("--output", "-o", help="the file to write")] = Path("config.yaml"),
) -> None:
    """Write a commented config for a folder of videos and a model.

    Example: ltx init ~/films /models/LTX-2 -o films.yaml
    """
    from ltx_core.config.init import init_config

    init_config(folder, model, output)
    console.print(f"{output}: written. Next: ltx check {output}, then ltx run {output}", markup=False)


def main() -> None:
    """Run a command; a user's mistake ends with its message and exit code 1."""
    warnings.simplefilter("once", LegacyConfigWarning)
    warnings.showwarning = _say_warning
    gc.set_threshold(100_000, 20, 20)  # rows of a large store are many objects and no garbage
    try:
        app()
    except LtxError as error:
        errors.print(f"ltx: {error}", markup=False)
        sys.exit(1)


def _say_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning without the line of code that gave it: its text is for the user."""
    errors.print(f"warning: {message}", markup=False)


def _load(config: Path, overrides: list[str] | None) -> Config:
    from ltx_core.config.load import load

    return load(config, overrides or ())


def _say_products(workspace: Path, manifests: dict[str, Any]) -> None:
    """The verdict and where the results are; the report comes last."""
    evaluated, published = manifests.get("evaluate", {}), manifests.get("publish", {})
    if verdict := evaluated.get("verdict"):
        console.print(f"\n{verdict}", markup=False)
    if product := published.get("product"):
        kind = "LoRA" if product.endswith(".safetensors") else "transformer"
        console.print(f"{kind:<17} {workspace / product}", markup=False)
    if url := manifests.get("push", {}).get("url"):
        console.print(f"{'pushed to':<17} {url}", markup=False)
    if report := evaluated.get("report"):
        console.print(f"{'report':<17} {workspace / evaluated['run'] / report}", markup=False)


if __name__ == "__main__":
    main()
