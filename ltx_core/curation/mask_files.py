"""Mask files: an image is one mask for all frames, a video one for each. White keeps, black is generated."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ltx_core.curation.masks import Mask
from ltx_core.media.beside import Stretch, open_pictures, read_stretch
from ltx_core.media.fit import fit_mask

LOSSLESS = frozenset({"png", "apng", "gif", "bmp", "tiff", "ffv1", "huffyuv", "ffvhuff", "rawvideo", "qtrle"})
"""Codecs whose grey is what was drawn."""
CODEC_LOSS = 8 / 255
"""What other codecs may change black and white by. Without a tolerance a black cell would come out almost
black, which counts as held: no token of it would be learned."""


def read_mask(path: Path, width: int, height: int, frames: int, fps: float, start: float = 0.0) -> Mask:
    """The mask of a clip: float32 `[frames, height, width]` in [0, 1], resized and cropped like its frames.

    Args:
        path: an image or a video.
        width, height, frames, fps: of the clip.
        start: seconds after the file's first frame at which the clip begins; an image has no time.

    Raises:
        MediaError: when the file cannot be read, has no pictures, or ends before the clip does.
    """
    info = open_pictures(path)
    still = info.frames == 1
    stretch = Stretch(1, fps) if still else Stretch(frames, fps, start)
    pictures = read_stretch(path, stretch, width, height)
    grey = pictures.mean(axis=3, dtype=np.float32) / 255
    if info.video_codec not in LOSSLESS:
        grey[grey <= CODEC_LOSS] = 0
        grey[grey >= 1 - CODEC_LOSS] = 1
    mask = fit_mask(grey, width, height)
    return np.repeat(mask, frames, axis=0) if still else mask
