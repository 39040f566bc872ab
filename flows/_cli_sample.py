"""`ltx sample`: a trained LoRA on a user's own prompts, clips, masks, images and sounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows._screen import console, steps_bar

if TYPE_CHECKING:
    from ltx_core.config.root import Config
    from ltx_core.config.wishes import Wish

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="the run's YAML file")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="fields of the config to set")
]


def _file(text: str) -> Any:
    return typer.Option(metavar="FILE", help=text, resolve_path=True)


Prompts = Annotated[list[str] | None, typer.Option(help="what to generate; repeatable")]
Seeds = Annotated[list[int] | None, typer.Option(help="of the noise; repeatable")]
Strengths = Annotated[list[float] | None, typer.Option(help="of the LoRA: 0 is the base model; repeatable")]
Image = Annotated[Path | None, _file("the first frame: an image or a video")]
Prefix = Annotated[Path | None, _file("the beginning: a video or a sound")]
Suffix = Annotated[Path | None, _file("the end: a video or a sound")]
Span = Annotated[float | None, typer.Option(help="seconds of prefix and suffix that are kept")]
References = Annotated[list[Path] | None, _file("of an in-context LoRA: a video or a sound; repeatable")]
Beside = Annotated[bool, typer.Option("--beside", help="show references beside the result")]
Video = Annotated[Path | None, _file("the video, given whole, or in part by --mask or --crop")]
Audio = Annotated[Path | None, _file("the sound, given whole, or in part by --mask")]
Mask = Annotated[Path | None, _file("what of --video (else --audio) is kept: white stays")]
Crop = Annotated[str | None, typer.Option(metavar="Y1,X1,Y2,X2", help="what of --video is kept, in pixels")]
Dims = Annotated[str | None, typer.Option(metavar="WxHxF", help="width, height, frames: 960x544x89")]
Lora = Annotated[Path | None, _file("any LoRA: it needs neither a dataset nor a training")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="the folder to write to", resolve_path=True)
]


def sample(  # noqa: PLR0913  # one argument per option
    config: ConfigPath,
    overrides: Overrides = None,
    prompt: Prompts = None,
    seed: Seeds = None,
    strength: Strengths = None,
    image: Image = None,
    prefix: Prefix = None,
    suffix: Suffix = None,
    span: Span = None,
    reference: References = None,
    beside: Beside = False,
    video: Video = None,
    audio: Audio = None,
    mask: Mask = None,
    crop: Crop = None,
    dims: Dims = None,
    lora: Lora = None,
    output: Output = None,
) -> None:
    """Generate with the trained LoRA: the config's validation samples, or prompts and files of your own.

    Each sample is a file of its own; sheet.png shows all, index.json says how each was made.

    Example: ltx sample configs/i2v_lora.yaml --prompt "a red fox" --image fox.png --strength 0 --strength 1
    """
    from ltx_core.config.load import load
    from ltx_core.config.wishes import Wish

    wish = Wish(
        prompts=tuple(prompt or ()),
        image=image,
        prefix=prefix,
        suffix=suffix,
        span=span,
        references=tuple(reference or ()),
        video=video,
        audio=audio,
        mask=mask,
        crop=crop,
        beside=beside,
        dims=dims,
        seeds=tuple(seed or ()),
        strengths=tuple(strength or ()),
        lora=lora,
        folder=output,
    )
    _make(load(config, overrides or ()), wish)


def _make(config: Config, wish: Wish) -> None:
    """Each file's path when it is written; meanwhile a bar of the sampler's steps."""
    from ltx_core import run as core

    with steps_bar("sampling") as tell:
        for path in core.sample(config, wish, tell):
            console.print(str(path), markup=False)
