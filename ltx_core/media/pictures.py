"""Stills and moving pictures that Pillow reads better than FFmpeg: as they are meant to be seen.

Design choices
- A file is a picture by its first bytes, whatever its name. Orientation of the camera (EXIF) is applied, an
  embedded colour profile is brought to sRGB; CMYK, palettes, grey and 16 bits become RGB; transparency goes
  over black.
- Moving GIF and PNG are films, which FFmpeg reads; moving WebP and AVIF are films that are read here, in
  order.
- Only formats that are decoded inside Pillow are tried: none that starts another program.
- Raw photographs are TIFF files whose first picture is a thumbnail: they are refused.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.media.errors import MediaError

Picture = NDArray[np.uint8]
Size = tuple[int, int]
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM")
BY_FFMPEG = frozenset({"GIF", "PNG"})
"""Moving pictures of these formats are left to FFmpeg, which knows every frame's time without decoding."""
MOVING = frozenset({"GIF", "PNG", "WEBP", "AVIF"})
MAX_PIXELS = 1 << 27
"""Pixels of the largest frame that is decoded (16384 x 8192), so that memory stays bounded."""
TOO_LARGE = "too large: {}; at most 134 million pixels"
SHORTEST_MS = 20
"""Frames that state less are shown for `USUAL_MS`, as browsers do."""
USUAL_MS = 100
DNG_VERSION, SUBFILE_TYPE = 50706, 254
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)
AVIF = (b"avif", b"avis")
HEIC = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")
_BROKEN: tuple[type[Exception], ...] = (
    *(OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, AttributeError),
    *(OverflowError, ArithmeticError, MemoryError, RuntimeError, NotImplementedError),
    *(struct.error, zlib.error),
)
"""What Pillow's readers raise on damaged files."""
_HEADS: tuple[bytes, ...] = (
    *(b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"BM", b"\xff\x4f\xff\x51"),
    *(b"\0\0\0\x0cjP", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"),
)


@dataclass(frozen=True)
class PictureFacts:
    """A picture file: its format, size as shown, whether it has alpha, and milliseconds of each frame."""

    format: str
    width: int
    height: int
    alpha: bool
    durations: tuple[int, ...] = ()

    @property
    def still(self) -> bool:
        """Whether it is one picture."""
        return len(self.durations) < 2


def look(path: Path) -> PictureFacts | None:
    """Facts of a picture file, or None for any other and for what FFmpeg reads.

    Raises:
        MediaError: it is a picture that cannot be read to its end, too large, or a raw photograph.
    """
    state = path.stat()
    return _look(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _look(path: Path, size: int, changed: int) -> PictureFacts | None:
    del size, changed
    if not _is_picture(path):
        return None
    with _opened(path) as image:
        if image is None:
            return None
        moves = image.format in MOVING and getattr(image, "is_animated", False)
        if moves and image.format in BY_FFMPEG:
            return None
        _check(image, path)
        form, alpha = str(image.format), bool(image.has_transparency_data)
        width, height = image.size
        if moves:
            return PictureFacts(form, width, height, alpha, tuple(_durations(image)))
        if image.getexif().get(ORIENTATION, 1) in SIDEWAYS:
            width, height = height, width
        # Read to its end, at an eighth of the size where the format allows.
        image.draft("RGB", (64, 64))
        image.load()
        return PictureFacts(form, width, height, alpha)


def read_picture(path: Path, size: Size | None = None) -> Picture:
    """A still as shown: uint8 `[H, W, 3]`, RGB, resized to `size` (width, height) if given.

    Raises:
        MediaError: when it cannot be read.
    """
    from PIL import Image, ImageOps

    with _opened(path) as image:
        if image is None:
            raise MediaError("unreadable: not a picture", path)
        _check(image, path)
        if size is not None:
            # A JPEG is decoded at a half, a quarter or an eighth where that is still twice what is needed.
            image.draft("RGB", (2 * max(size), 2 * max(size)))
        shown = ImageOps.exif_transpose(image)
        rgb = _rgb(shown)
        if size is not None and rgb.size != size:
            rgb = rgb.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
        return np.array(rgb, np.uint8)


def moving_frames(path: Path, size: Size | None = None) -> Generator[Picture, None, None]:
    """Every frame of a moving picture in order, as `read_picture` gives stills.

    Raises:
        MediaError: when one cannot be read.
    """
    from PIL import Image, ImageSequence

    with _opened(path) as image:
        if image is None:
            raise MediaError("unreadable: not a picture", path)
        for frame in ImageSequence.Iterator(image):
            rgb = _rgb(frame)
            if size is not None and rgb.size != size:
                rgb = rgb.resize(size, Image.Resampling.BICUBIC)
            yield np.array(rgb, np.uint8)


def _is_picture(path: Path) -> bool:
    """Whether the first bytes are those of a format in `FORMATS`.

    Raises:
        MediaError: for HEIC, whose tiles no library here puts together.
    """
    try:
        with path.open("rb") as handle:
            head = handle.read(64)
    except OSError:
        return False
    if head[4:8] == b"ftyp":
        if head[8:12] in HEIC and b"avif" not in head:
            raise MediaError("HEIC picture: convert it to JPEG or PNG first", path)
        return head[8:12] in (*HEIC, *AVIF)
    return head.startswith(_HEADS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The open picture, None where no format knows it; every failure becomes a `MediaError`."""
    from PIL import Image, UnidentifiedImageError

    _quiet()
    try:
        try:
            image = Image.open(path, formats=FORMATS)
        except UnidentifiedImageError:
            image = None
        if image is None:
            yield None
            return
        with image:
            yield image
    except Image.DecompressionBombError as error:
        raise MediaError(TOO_LARGE.format(f"{error}".split(",")[0]), path) from error
    except MediaError:
        raise
    except _BROKEN as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MediaError(f"unreadable: damaged picture ({text[:80]})", path) from error


@lru_cache(maxsize=1)
def _quiet() -> None:
    """Pillow warns of every odd tag of a camera; what matters is an error."""
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _check(image: Any, path: Path) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise MediaError(TOO_LARGE.format(f"{width}x{height}"), path)
    if image.format == "TIFF":
        tags = image.tag_v2
        if DNG_VERSION in tags or int(tags.get(SUBFILE_TYPE, 0)) & 1:
            raise MediaError("raw photograph: develop it to JPEG, PNG or TIFF first", path)


def _durations(image: Any) -> Iterator[int]:
    """Milliseconds that each frame is shown for."""
    from PIL import ImageSequence

    for frame in ImageSequence.Iterator(image):
        frame.load()
        stated = int(frame.info.get("duration") or 0)
        yield stated if stated >= SHORTEST_MS else USUAL_MS


def _rgb(image: Any) -> Any:
    """A picture of any mode as RGB of 8 bits in sRGB, over black."""
    from PIL import Image

    if image.mode.startswith("I"):
        # 16 bits of grey; wider integers hold 16 bits too in what cameras and scanners write.
        values = np.clip(np.asarray(image).astype(np.int64), 0, 65535) // 257
        image = Image.fromarray(values.astype(np.uint8), "L")
    elif image.mode == "F":
        raise ValueError("floating-point values")
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        shown = _in_srgb(image.convert("RGBA"), profile)
        return Image.fromarray(over_black(np.asarray(shown)), "RGB")
    return _in_srgb(image, profile).convert("RGB")


def _in_srgb(image: Any, profile: bytes | None) -> Any:
    """The picture with its colours brought from its own profile to sRGB, where it has a usable one."""
    from PIL import ImageCms

    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    unusable: tuple[type[Exception], ...] = (ImageCms.PyCMSError, *_BROKEN)
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode == mode and "sRGB" in ImageCms.getProfileDescription(own):
            return image
        return ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode=mode)
    except unusable:
        return image


def over_black(image: Picture) -> Picture:
    """A picture with an alpha channel `[H, W, 4]` in front of black, `[H, W, 3]`."""
    alpha = image[..., 3:].astype(np.uint16)
    return np.asarray((image[..., :3] * alpha + 127) // 255, np.uint8)
