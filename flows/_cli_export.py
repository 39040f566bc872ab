"""`ltx export`: a trained product, or a model, in the form that other programs read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows._screen import console, steps_bar


class Form(StrEnum):
    """What can be written; the words are those of `stages.export.FORMS`."""

    comfyui = "comfyui"
    diffusers = "diffusers"
    merged = "merged"
    merged_file = "merged-file"
    folder = "folder"
    file = "file"


def export(  # noqa: PLR0913  # one argument per option
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="a config, a run's folder, a LoRA's file, a model")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="the new file or folder; never overwritten")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="fields of the config to set")
    ] = None,
    to: Annotated[Form, typer.Option(help="what is written")] = Form.comfyui,
    model: Annotated[
        Path | None, typer.Option(metavar="PATH", help="the base model, where the source does not say it")
    ] = None,
    strength: Annotated[float, typer.Option(help="of the LoRA in a merged model")] = 1.0,
    alpha: Annotated[
        float | None, typer.Option(help="of a LoRA whose file neither states nor contains it")
    ] = None,
    only_transformer: Annotated[
        bool, typer.Option("--only-transformer", help="leave out the model's other components")
    ] = False,
) -> None:
    """Write a trained LoRA or model for other programs, and convert between their forms.

    A LoRA: comfyui (one file; original names, alpha within), diffusers (one file with adapter metadata, for
    load_lora_weights), merged and merged-file (its base model with it). Whole weights: folder (diffusers'
    layout) and file (the original layout).

    Example: ltx export configs/t2v_lora.yaml mine --to diffusers

    Example: ltx export my.safetensors out.safetensors --to merged-file --model /models/LTX-2 --strength 0.8
    """
    from ltx_core.stages import export as exports
    from ltx_core.stages.export_source import resolve

    product, base = resolve(source, model, overrides or ())
    job = exports.Export(product, to.value, out, base, strength, alpha, only_transformer)
    with steps_bar("exporting, MiB") as tell:
        path, notes = exports.export(job, tell)
    for note in notes:
        console.print(f"note: {note}", markup=False)
    console.print(f"{path}: written", markup=False)
