"""reference: another clip's clean tokens are attached in front (in-context LoRA, IC-LoRA).

Scale factors come from the data itself: rows and columns of the reference are multiplied by
target size / reference size; times use the reference's own frame rate, shifted so that both end together
(LTX-2 in-context reference, `docs/modes.md`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ltx_core.conditions.base import Attachment, Condition, Content, Grid, Modality
from ltx_core.conditions.files import Dims, OneSource, Part, Target
from ltx_core.errors import LtxError
from ltx_core.geometry.grid import VideoGrid

if TYPE_CHECKING:
    from torch import Tensor

FACTORS = {
    "downscale_factor": "reference_downscale_factor",
    "temporal_scale_factor": "reference_temporal_scale_factor",
}
"""Field of a reference's file -> where a LoRA's metadata states it; absent where it was trained without."""


def trained_factors(metadata: Mapping[str, str], name: str, columns: Sequence[str] = ()) -> list[int]:
    """Factors that a LoRA's metadata states under `name`: one for all references, or one per column.

    Args:
        metadata: of the LoRA.
        name: a value of `FACTORS`.
        columns: those that are asked for, in order; none: all that are stated, each once.
    """
    try:
        found = json.loads(metadata.get(name, "1"))
    except ValueError:
        found = 1
    by_column = found if isinstance(found, dict) else dict.fromkeys(columns or ("",), found)
    return [int(by_column.get(column, 1)) for column in columns or sorted(by_column)]


class ReferenceFile(OneSource):
    """A reference of a sample.

    Attributes:
        downscale_factor: sample size over the size that the reference is encoded at.
        temporal_scale_factor: (sample frames - 1) over (reference frames - 1).
        include_in_output: show it beside the result.
    """

    attaches: ClassVar[bool] = True

    type: Literal["reference"] = "reference"
    downscale_factor: Annotated[int, Field(ge=1)] = 1
    temporal_scale_factor: Annotated[int, Field(ge=1)] = 1
    include_in_output: bool = False

    def part(self, target: Target, column: str) -> Part:
        """The reference's latents as a column, at its own size and rate."""
        condition = Reference(latents_dir=column)
        if self.modality == "audio":
            sound = target.sound(self.source)
            seconds = min(target.seconds, sound.seconds)
            wave = sound.read(seconds, target.wave_rate) if self.include_in_output else None
            return Part(condition, column=target.encode_sound(sound, seconds), wave=wave)
        for name, metadata in FACTORS.items():
            self._check_factor(target, name, metadata)
        fps = target.fps / self.temporal_scale_factor
        frames = target.pictures(self.source, self._dims(target), fps)
        shown = frames if self.include_in_output else None
        return Part(condition, column=target.encode(frames), fps=fps, frames=shown)

    def _check_factor(self, target: Target, name: str, metadata: str) -> None:
        """Refuse a reference that is scaled otherwise than the LoRA's were."""
        known, found = target.factors(metadata), getattr(self, name)
        if known and found not in known:
            raise target.refuse(
                self,
                f"{name} is {found}, but the LoRA was trained with {metadata} "
                f"{', '.join(map(str, known))}; set {name}: {known[0]}",
            )

    def _dims(self, target: Target) -> Dims:
        """Size and frames of the reference.

        Raises:
            ConfigError: when the sample's cannot be divided so.
        """
        (width, height, frames), scale = target.dims, target.video.scale
        space, time = self.downscale_factor, self.temporal_scale_factor
        if width % (space * scale.width) or height % (space * scale.height):
            good = [
                n
                for n in range(1, target.video.width + 1)
                if not (width % (n * scale.width) or height % (n * scale.height))
            ]
            raise target.refuse(
                self,
                f"downscale_factor {space} does not divide the sample's {width}x{height} into cells of "
                f"{scale.width}x{scale.height} pixels; use {', '.join(map(str, good))}",
            )
        if (frames - 1) % (time * scale.time):
            good = [n for n in range(1, target.video.frames) if not (frames - 1) % (n * scale.time)]
            raise target.refuse(
                self,
                f"temporal_scale_factor {time} does not divide the sample's {frames} frames: frames - 1 must "
                f"be a multiple of {scale.time} times it; use {', '.join(map(str, good)) or 1}",
            )
        return width // space, height // space, (frames - 1) // time + 1


class Reference(Condition):
    """Attach the tokens of the clip in column `latents_dir`: hold 1, no loss."""

    modalities: ClassVar[tuple[Modality, ...]] = ("video", "audio")
    attaches: ClassVar[bool] = True
    summary: ClassVar[str] = "attaches another clip's tokens"
    file = ReferenceFile

    type: Literal["reference"] = "reference"
    latents_dir: str = "reference_latents"

    @property
    def columns(self) -> tuple[str, ...]:
        """The column of the reference's latents."""
        return (self.latents_dir,)

    def attach(self, grid: Grid, content: Content) -> Attachment:
        """The reference's tokens at positions scaled to the target's."""
        positions = content.grid.positions()
        if isinstance(grid, VideoGrid) and isinstance(content.grid, VideoGrid):
            positions = _scaled(positions, grid, content.grid)
        return Attachment(content.tokens, positions.expand(len(content.tokens), *positions.shape))


def spatial_factor(target: VideoGrid, reference: VideoGrid) -> int:
    """Target size over reference size.

    Raises:
        LtxError: when it is not one positive whole number for both axes.
    """
    rows, row_rest = divmod(target.height, reference.height)
    columns, column_rest = divmod(target.width, reference.width)
    if row_rest or column_rest or rows != columns or rows < 1:
        raise LtxError(
            f"a reference of {reference.height}x{reference.width} latents does not fit a target of "
            f"{target.height}x{target.width}: the target must be the same whole multiple of it along both "
            "axes; prepare the references with a `reference_downscale_factor` that divides both sizes"
        )
    return rows


def temporal_factor(target: VideoGrid, reference: VideoGrid) -> int:
    """(target frames - 1) / (reference frames - 1), both in pixel frames.

    Raises:
        LtxError: when it is not a positive whole number.
    """
    if target.frames == reference.frames:
        return 1
    factor, rest = divmod(target.pixel_frames - 1, max(1, reference.pixel_frames - 1))
    if rest or factor < 1 or reference.frames == 1:
        raise LtxError(
            f"a reference of {reference.pixel_frames} frames does not fit a target of {target.pixel_frames}: "
            "(target frames - 1) must be a whole multiple of (reference frames - 1)"
        )
    return factor


def _scaled(positions: Tensor, target: VideoGrid, reference: VideoGrid) -> Tensor:
    import torch

    space = spatial_factor(target, reference)
    factor = temporal_factor(target, reference)  # also where it is not used: refuses what does not fit
    # By the causal rule the first latent frame is one pixel frame long in both: what follows is moved back.
    shift = (factor - 1) / target.fps if target.scale.causal else 0.0
    return torch.cat([(positions[:1] - shift).clamp(min=0), positions[1:] * space])
