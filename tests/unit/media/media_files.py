"""Real files of the kinds that users have, written by the project's own writer or by PyAV."""

import struct
from fractions import Fraction

import av
import numpy as np


def tone(hertz, seconds, rate=16000, amplitude=0.5):
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave, wave]).astype(np.float32)


def counted_frames(count, height=64, width=96):
    """Frames that show their own number in 8 binary blocks along the top, above a flat colour."""
    frames = np.full((count, height, width, 3), (90, 60, 160), np.uint8)
    for number in range(count):
        for bit in range(8):
            frames[number, :16, bit * 12 : (bit + 1) * 12] = 255 if number >> bit & 1 else 0
    return frames


def read_number(frame):
    return sum(int(frame[8, bit * 12 + 6].mean() > 128) << bit for bit in range(8))


def encode(
    path, frames, codec="libx264", pts=None, rate=Fraction(30), time_base=Fraction(1, 1000), **options
):
    """A file by PyAV alone, with the presentation times `pts` in units of `time_base`."""
    pix_fmt = options.pop("pix_fmt", "yuv420p")
    aspect = options.pop("aspect", None)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = time_base
        stream.codec_context.options = {key: str(value) for key, value in options.items()}
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = pts[number] if pts is not None else round(number / rate / time_base)
            frame.time_base = time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def rotate_in_place(path, degrees):
    """Write a rotation by `degrees` clockwise into the track header, as phones do."""
    data = bytearray(path.read_bytes())
    one = 0x10000
    turn = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}[degrees]
    place = data.index(b"tkhd") + 4 + 40
    a, b, c, d = turn
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(data)
