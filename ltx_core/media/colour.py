"""A decoded frame as a person sees it: RGB, turned, with square pixels, over black, SDR.

Design choices
- What is transparent is shown over black: a player shows films with alpha so, sources with premultiplied
  colours hold exactly that, and a pixel that covers nothing adds no light.
- High dynamic range is scaled first as it is coded, and then brought to SDR in numpy: at the small size that
  costs little.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.media.container import SCALING_THREADS
from ltx_core.media.pictures import over_black
from ltx_core.media.probe import MediaInfo
from ltx_core.media.tonemap import Transfer, tone_map

Picture = NDArray[np.uint8]
Size = tuple[int, int]
FULL_RANGE = 2
BT709_MATRIX = 1
RED_AND_BLUE = {False: (1.4746, 1.8814), True: (1.5748, 1.8556)}
"""Weights of the colour differences in red and in blue: BT.2020 (non-constant luminance) and BT.709."""
LUMA = {False: (0.2627, 0.0593), True: (0.2126, 0.0722)}
"""Shares of red and blue in the brightness, of the same two."""


def picture_of(
    frame: Any, info: MediaInfo, size: Size | None = None, interpolation: str = "BICUBIC"
) -> Picture:
    """A frame of the file `info` as shown: uint8 `[H, W, 3]`, RGB.

    Args:
        frame: as decoded.
        info: what its file holds.
        size: (width, height) as shown; None: that of the file.
        interpolation: swscale's, where it is resized.
    """
    width, height = size or (info.width, info.height)
    if info.rotation in (90, 270):
        width, height = height, width
    if info.hdr:
        image = _sdr(frame, info.hdr, (width, height), interpolation)
    elif info.alpha:
        image = over_black(_scaled(frame, info, "rgba", (width, height), interpolation))
    else:
        image = _scaled(frame, info, "rgb24", (width, height), interpolation)
    return np.ascontiguousarray(np.rot90(image, info.rotation // 90))


def _scaled(frame: Any, info: MediaInfo, pix_fmt: str, size: Size, interpolation: str) -> Picture:
    from av.video.reformatter import Colorspace

    options: dict[str, Any] = {"format": pix_fmt, "interpolation": interpolation, "threads": SCALING_THREADS}
    if (frame.width, frame.height) != size:
        options["width"], options["height"] = size
    if info.assume_709:
        options["src_colorspace"] = Colorspace.ITU709
    image: Picture = frame.reformat(**options).to_ndarray()
    return image


def _sdr(frame: Any, transfer: Transfer, size: Size, interpolation: str) -> Picture:
    """A PQ or HLG frame in SDR; its matrix is applied here, since swscale's loses steps of 16 bits."""
    rgb = bool(frame.format.is_rgb)
    small = frame.reformat(
        format="rgb48le" if rgb else "yuv444p16le",
        width=size[0],
        height=size[1],
        interpolation=interpolation,
        threads=SCALING_THREADS,
    )
    values = small.to_ndarray().astype(np.float32)
    if rgb:
        return tone_map(values / 65535, transfer)
    return tone_map(_rgb_of(values, frame), transfer)


def _rgb_of(values: NDArray[np.float32], frame: Any) -> NDArray[np.float32]:
    """Brightness and colour differences of 16 bits `[H, W, 3]` as R, G, B in [0, 1]."""
    if int(frame.color_range) == FULL_RANGE:
        luma, blue, red = values[..., 0] / 65535, values[..., 1] / 65535 - 0.5, values[..., 2] / 65535 - 0.5
    else:
        luma = (values[..., 0] - 4096) / 56064
        blue, red = (values[..., 1] - 32768) / 57344, (values[..., 2] - 32768) / 57344
    old = int(frame.colorspace) == BT709_MATRIX
    (by_red, by_blue), (share_red, share_blue) = RED_AND_BLUE[old], LUMA[old]
    shown_red, shown_blue = luma + by_red * red, luma + by_blue * blue
    green = (luma - share_red * shown_red - share_blue * shown_blue) / (1 - share_red - share_blue)
    return np.stack([shown_red, green, shown_blue], axis=-1)
