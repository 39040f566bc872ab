"""file: mask files. An image is one mask for all frames, a video one for each. White keeps, black is
generated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ltx_core.curation.kinds import FILE, Kind
from ltx_core.curation.masking.latent import without_loss
from ltx_core.curation.masking.target import Mask

if TYPE_CHECKING:
    from ltx_core.media.beside import Part

LOSSLESS = frozenset({"png", "apng", "gif", "bmp", "tiff", "ffv1", "huffyuv", "ffvhuff", "rawvideo", "qtrle"})
"""Codecs whose grey is what was drawn."""


@dataclass(frozen=True)
class MaskFileOptions:
    """None."""


def read_mask(
    path: Path,
    width: int,
    height: int,
    frames: int,
    fps: float,
    start: float = 0.0,
    part: Part | None = None,
) -> Mask:
    """The mask of a clip: float32 `[frames, height, width]` in [0, 1], resized and cropped like its frames.

    Args:
        path: an image or a video.
        width, height, frames, fps: of the clip.
        start: seconds after the file's first frame at which the clip begins; an image has no time.
        part: what is used of the film's frames; None: all of them.

    Raises:
        MediaError: when the file cannot be read, has no pictures, or ends before the clip does.
    """
    from ltx_core.media.beside import Stretch, open_pictures, read_stretch
    from ltx_core.media.fit import fit_mask

    info = open_pictures(path)
    still = info.frames == 1
    stretch = Stretch(1, fps) if still else Stretch(frames, fps, start)
    pictures = read_stretch(path, stretch, width, height, part)
    grey = pictures.mean(axis=3, dtype=np.float32) / 255
    mask = fit_mask(grey if info.video_codec in LOSSLESS else without_loss(grey), width, height)
    return np.repeat(mask, frames, axis=0) if still else mask


GIVEN = Kind(
    FILE,
    "the `video_mask` of a dataset file: a video or an image, white keeps",
    MaskFileOptions,
    of_clip=False,
)
