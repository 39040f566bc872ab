"""A mask of any kind, refined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ltx_core.curation.kinds import Work
from ltx_core.curation.masking.kinds import DRAWN, MASKS
from ltx_core.curation.masking.latent import latent_mask
from ltx_core.curation.masking.refine import refine
from ltx_core.curation.masking.target import Mask, Target

if TYPE_CHECKING:
    from ltx_core.curation.options.masks import MaskOptions

DRAWS = 256
"""How often a mask is drawn until it covers a cell; the last one is taken as it is."""


def make_mask(
    kind: str, target: Target, options: MaskOptions, work: Work, threshold: float | None = None
) -> Mask:
    """A mask `[F, H, W]` in [0, 1] of a kind that is made here.

    A drawn one generates at least one latent wholly: what is held in part bears no loss, so a mask that
    covers no cell would teach nothing; where shapes are not much larger than cells, another is drawn.

    Args:
        kind: its name.
        target: the clip.
        options: of all kinds.
        work: the clip's id, and the kind's model.
        threshold: as in `latent_mask`.

    Raises:
        MediaError: when there is nothing to make it of, as where nothing moves.
        LtxError: when a user's function fails.
    """
    make = MASKS[kind].make
    assert make is not None  # a given file is read by its stage
    for attempt in range(DRAWS if kind in DRAWN else 1):
        clip_id = f"{work.clip_id}/{attempt}" if attempt else work.clip_id
        mask: Mask = refine(make(target, options, Work(clip_id, work.model)), options)
        if attempt + 1 < DRAWS and latent_mask(mask, target.scale, threshold).min() == 0:
            break
    return mask
