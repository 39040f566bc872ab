"""Films of fields: whole frames, each at its own time, wherever reading begins."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.codec.context import Flags

from ltx_core.media.decode import frame_times, read_frames
from ltx_core.media.errors import MediaError
from ltx_core.media.probe import probe
from ltx_core.media.treatment import Treatment

SIZE = (192, 128)
SPEED = 6
"""Pixels that the bar moves from one field to the next: the comb's teeth."""


def bar(field):
    """The picture at a field's time: a bright bar that moves to the right."""
    image = np.full((SIZE[1], SIZE[0], 3), 40, np.uint8)
    left = 10 + SPEED * field
    image[:, left : left + 24] = 220
    return image


@pytest.fixture(scope="module", params=["mp4", "mpg"])
def film(request, tmp_path_factory):
    """12 frames of two fields each, the upper lines first."""
    path = tmp_path_factory.mktemp("fields") / f"film.{request.param}"
    codec, options = {
        "mp4": ("libx264", {"x264-params": "tff=1:keyint=4", "crf": "8"}),
        "mpg": ("mpeg2video", {"qmin": "1", "qmax": "2", "g": "4"}),
    }[request.param]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.options = options
        stream.codec_context.bit_rate = 4_000_000
        stream.codec_context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        for number in range(12):
            woven = bar(2 * number)
            woven[1::2] = bar(2 * number + 1)[1::2]
            frame = av.VideoFrame.from_ndarray(woven, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def comb(frame):
    """Mean difference between neighbouring lines."""
    return float(np.abs(np.diff(frame[8:-8].astype(int), axis=0)).mean())


def place(frame):
    """Where the bar's middle is."""
    columns = np.flatnonzero(frame[64, :, 1] > 130)
    return columns.mean()


def test_fields_become_whole_frames_at_the_same_times(film):
    assert probe(film).interlaced
    assert len(frame_times(film)) == 12
    whole = read_frames(film, range(12))
    kept = read_frames(film, range(12), treatment=Treatment(interlaced="keep"))
    assert [comb(frame) < 0.25 * comb(before) for frame, before in zip(whole, kept, strict=True)] == [
        True
    ] * 12
    # The upper field's picture: where the bar is at the frame's time.
    expected = [10 + SPEED * 2 * number + 11.5 for number in range(12)]
    assert [place(frame) for frame in whole] == pytest.approx(expected, abs=SPEED)


def test_a_frame_is_the_same_wherever_reading_begins(film):
    whole = read_frames(film, range(12))
    for wanted in ([5], [0, 11], [3, 4, 9], [7, 2]):
        np.testing.assert_array_equal(read_frames(film, wanted), whole[wanted])
    assert read_frames(film, [5], (96, 64)).shape == (1, 64, 96, 3)


def test_they_can_be_refused(film):
    with pytest.raises(MediaError, match="interlaced"):
        read_frames(film, [0], treatment=Treatment(interlaced="reject"))
    assert Treatment().applied(probe(film)) == "deinterlace"
