"""Pictures to look at: contact sheets of frames with labels, as PNG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

Picture = NDArray[np.uint8]
LABEL_SIZE = 13
LINE_HEIGHT = 17
GAP = 6
MAX_LINES = 4
BACKGROUND, INK = (255, 255, 255), (40, 40, 40)


@dataclass(frozen=True)
class Strip:
    """One row of a sheet: frames side by side under a label."""

    frames: Sequence[Picture]
    label: str = ""


def pick_frames(frames: Picture, count: int) -> list[Picture]:
    """At most `count` frames of `[F, H, W, 3]`, evenly spread, the first and the last included."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int))
    return [frames[index] for index in chosen]


def thumbnail(frame: Picture, longest: int) -> Picture:
    """`frame` `[H, W, 3]` so that its longer side is `longest` pixels; small ones grow with sharp pixels."""
    import cv2

    scale = longest / max(frame.shape[:2])
    size = (max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(frame, size, interpolation=method), np.uint8)


def bordered(picture: Picture, colour: tuple[int, int, int], width: int = 3) -> Picture:
    """A copy of `picture` `[H, W, 3]` with a frame of `colour`, `width` pixels wide, over its edge."""
    out = picture.copy()
    out[:width] = out[-width:] = colour
    out[:, :width] = out[:, -width:] = colour
    return out


def side_by_side(pictures: Sequence[Picture]) -> Picture:
    """Pictures of any sizes in one row, tops aligned, with a white gap."""
    height = max(picture.shape[0] for picture in pictures)
    width = sum(picture.shape[1] for picture in pictures) + GAP * (len(pictures) - 1)
    sheet = np.full((height, width, 3), BACKGROUND, np.uint8)
    left = 0
    for picture in pictures:
        sheet[: picture.shape[0], left : left + picture.shape[1]] = picture
        left += picture.shape[1] + GAP
    return sheet


def png(picture: Picture) -> bytes:
    """`[H, W, 3]` uint8 as the bytes of a PNG file."""
    from PIL import Image

    return _png_bytes(Image.fromarray(np.ascontiguousarray(picture)))


def contact_sheet(strips: Sequence[Strip], longest: int = 128, columns: int = 1) -> bytes:
    """A PNG of labelled strips, `columns` of them in a row.

    Args:
        strips: the rows; each may hold another number of frames.
        longest: pixels of the longer side of every frame.
        columns: strips side by side.

    Raises:
        ValueError: without any strip, or with a strip without frames.
    """
    from PIL import Image

    if not strips or any(not len(strip.frames) for strip in strips):
        raise ValueError("a contact sheet needs at least one strip, and every strip at least one frame")
    tiles = [_tile(strip, longest) for strip in strips]
    width = max(tile.width for tile in tiles)
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    heights = [max(tile.height for tile in row) for row in rows]
    sheet = Image.new(
        "RGB",
        (GAP + columns * (width + GAP), GAP + sum(height + GAP for height in heights)),
        BACKGROUND,
    )
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        for number, tile in enumerate(row):
            sheet.paste(tile, (GAP + number * (width + GAP), top))
        top += height + GAP
    return _png_bytes(sheet)


def _tile(strip: Strip, longest: int) -> Image:
    """A strip with its label above, broken into as many lines as it needs."""
    from PIL import Image, ImageDraw, ImageFont

    row = side_by_side([thumbnail(frame, longest) for frame in strip.frames])
    font = ImageFont.load_default(LABEL_SIZE)
    lines = _wrap(strip.label, max(row.shape[1], longest), font.getlength)
    top = LINE_HEIGHT * len(lines)
    tile = Image.new("RGB", (max(row.shape[1], longest), row.shape[0] + top), BACKGROUND)
    draw = ImageDraw.Draw(tile)
    for number, line in enumerate(lines):
        draw.text((0, number * LINE_HEIGHT), line, fill=INK, font=font)
    tile.paste(Image.fromarray(row), (0, top))
    return tile


def _wrap(text: str, width: int, length: Callable[[str], float]) -> list[str]:
    """`text` in at most `MAX_LINES` lines of `width` pixels; what does not fit ends in three dots."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        joined = f"{line} {word}".strip()
        if line and length(joined) > width:
            lines.append(line)
            line = word
        else:
            line = joined
    if line:
        lines.append(line)
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], lines[MAX_LINES - 1] + " ..."]
    return lines


def _png_bytes(image: Image) -> bytes:
    out = BytesIO()
    image.save(out, "PNG")  # `optimize` takes ten times as long and makes a sheet 4% smaller (measured)
    return out.getvalue()
