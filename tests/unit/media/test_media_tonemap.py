"""HDR as SDR: values that the standards name, and files from the encoder to the frame."""

from fractions import Fraction

import av
import numpy as np
import pytest

from ltx_core.media.decode import read_frames
from ltx_core.media.errors import MediaError
from ltx_core.media.film import every_frame
from ltx_core.media.probe import probe
from ltx_core.media.tonemap import hlg_to_scene, light_to_pq, pq_to_light, roll_off, tone_map
from ltx_core.media.treatment import Treatment

TONEMAP = Treatment(hdr="tonemap")


def test_transfer_functions_have_the_values_of_the_standards():
    # ITU-R BT.2408, table 1: white of 203 cd/m2 is 58 % PQ and 75 % HLG; ST 2084: 100 cd/m2 is 50.8 %.
    assert light_to_pq(np.array([0, 100.0, 203.0, 1000.0, 10000.0])) == pytest.approx(
        [0, 0.508, 0.581, 0.752, 1.0], abs=6e-4
    )
    values = np.linspace(0, 1, 50)
    assert light_to_pq(pq_to_light(values)) == pytest.approx(values, abs=1e-6)
    assert hlg_to_scene(np.array([0, 0.5, 1.0])) == pytest.approx([0, 1 / 12, 1], abs=1e-4)
    assert 1000 * hlg_to_scene(np.array(0.75)) ** 1.2 == pytest.approx(203, rel=0.01)


def test_the_roll_off_keeps_what_is_dark_and_ends_at_white():
    light = np.array([0, 1.0, 10.0, 80.0, 203.0, 400.0, 1000.0])
    shown = roll_off(light)
    assert shown[:4] == pytest.approx(light[:4], rel=1e-3)
    assert (np.diff(shown) > 0).all()
    assert 120 < shown[4] < 160
    assert shown[6] == pytest.approx(203, rel=1e-3)


@pytest.mark.parametrize("transfer", ["PQ", "HLG"])
def test_greys_stay_grey_rise_and_end_at_white(transfer):
    ramp = np.repeat(np.linspace(0, 1, 256)[None, :, None], 3, axis=2)
    sdr = tone_map(ramp, transfer)[0].astype(int)
    assert np.abs(sdr - sdr[:, :1]).max() <= 1
    assert (np.diff(sdr[:, 1]) >= 0).all()
    assert sdr[0, 1] == 0 and sdr[-1, 1] == 255
    # The same white in both kinds of footage: 203 cd/m2.
    white = {"PQ": 0.5807, "HLG": 0.75}[transfer]
    level = round(255 * (float(roll_off(np.array(203.0))) / 203) ** (1 / 2.4))
    assert tone_map(np.full((1, 1, 3), white), transfer)[0, 0].tolist() == pytest.approx([level] * 3, abs=2)


def test_colours_keep_their_hue_and_what_no_display_shows_is_clipped():
    red, green, blue = (light_to_pq(np.array(value)) for value in ([60, 20, 20], [20, 60, 20], [20, 20, 60]))
    for number, colour in enumerate((red, green, blue)):
        assert tone_map(colour[None, None], "PQ")[0, 0].argmax() == number
    bright = tone_map(np.array([[[0.9, 0.9, 0.2]]]), "PQ")[0, 0]
    assert bright.max() == 255 and bright[2] < bright[:2].min()


def write_hdr(path, levels, transfer):
    """A film of two equal frames whose rows are the 10-bit grey `levels`, coded without loss."""
    height, width = 64, len(levels)
    tags = {"PQ": "smpte2084", "HLG": "arib-std-b67"}[transfer]
    params = f"log-level=none:pools=1:lossless=1:transfer={tags}:colorprim=bt2020:colormatrix=bt2020nc"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p10le"
        stream.codec_context.options = {"x265-params": params}
        frame = av.VideoFrame(width, height, "yuv420p10le")
        for plane, value in zip(frame.planes, (levels, 512, 512), strict=True):
            rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
            rows[:, : plane.width] = value
            plane.update(rows.tobytes())
        for number in range(2):
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("transfer", ["PQ", "HLG"])
def test_a_ramp_in_a_file_comes_out_as_the_curve_says(tmp_path, transfer):
    path = tmp_path / "ramp.mp4"
    levels = np.linspace(64, 940, 128).round().astype(np.uint16)
    write_hdr(path, levels, transfer)
    info = probe(path)
    assert (info.hdr, info.depth, info.kind) == (transfer, 10, "video")
    signal = np.repeat(((levels - 64.0) / 876)[None, :, None], 3, axis=2)
    expected = tone_map(signal, transfer)[0].astype(int)
    frames = read_frames(path, [0, 1], treatment=TONEMAP)
    assert frames.shape == (2, 64, 128, 3)
    assert np.abs(frames[1, 20].astype(int) - expected).max() <= 1
    half = read_frames(path, [0], (64, 32), TONEMAP)[0, 10].astype(int)
    assert np.abs(half - (expected[::2] + expected[1::2]) / 2).max() <= 6
    (first, _) = list(every_frame(path))
    assert np.abs(first.at(128)[20].astype(int) - expected).max() <= 1
    with pytest.raises(MediaError, match=rf"HDR video \({transfer}\)"):
        read_frames(path, [0])


def test_a_treatment_says_what_it_does_to_a_file(tmp_path, video):
    path = tmp_path / "ramp.mp4"
    write_hdr(path, np.full(64, 400, np.uint16), "PQ")
    assert TONEMAP.applied(probe(path)) == "tonemap"
    assert TONEMAP.applied(probe(video)) == Treatment().applied(probe(video)) == ""
