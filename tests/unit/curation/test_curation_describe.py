"""The measured caption says what is there, and nothing else."""

import json

import numpy as np
import pytest

from ltx_core.curation.captioning.describe import describe

WAYS = {
    "moves left": (-3, 0),
    "moves right": (3, 0),
    "moves up": (0, -3),
    "moves down": (0, 3),
    "stays still": (0, 0),
}


def clip(colour=(235, 215, 40), ground=(25, 25, 30), way=(0, 0), growth=0.0):
    frames = np.empty((9, 64, 64, 3), np.uint8)
    frames[:] = ground
    rows, columns = np.mgrid[:64, :64]
    for n in range(9):
        radius = 9 + growth * (n - 4)
        near = (columns - 32 - way[0] * (n - 4)) ** 2 + (rows - 32 - way[1] * (n - 4)) ** 2 <= radius**2
        frames[n, near] = colour
    return frames


def tone(hertz, amplitude=0.4, rate=8000):
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(9000) / rate)
    return np.stack([wave, wave]).astype(np.float32)


@pytest.mark.parametrize("motion", list(WAYS))
def test_the_way_of_an_object_is_named(motion):
    text, facts = describe(clip(way=WAYS[motion]), 8, None, 0)
    assert text == f"a yellow circle {motion} on a dark background"
    assert facts["seconds"] == 1.125
    json.dumps(facts)


def test_growing_colours_and_outlines():
    assert describe(clip(growth=0.9), 8, None, 0)[0] == "a yellow circle grows on a dark background"
    assert describe(clip(growth=-0.9), 8, None, 0)[0] == "a yellow circle shrinks on a dark background"
    square = clip((50, 80, 230), (115, 80, 45))
    square[:, 22:44, 22:44] = (50, 80, 230)
    assert describe(square, 8, None, 0)[0] == "a blue square stays still on a brown background"
    odd = clip((160, 50, 200), (30, 110, 115))
    odd[:, 4:60, 30:34] = (160, 50, 200)
    assert describe(odd, 8, None, 0)[0] == "a purple shape stays still on a teal background"


@pytest.mark.parametrize(
    ("hertz", "amplitude", "words"),
    [
        (220, 0.4, ", low hum"),
        (520, 0.4, ", mid tone"),
        (1200, 0.4, ", high beep"),
        (220, 0.005, ", quiet low hum"),
        (520, 0.9, ", loud mid tone"),
        (520, 0.0, ""),
    ],
)
def test_the_sound_is_named_by_pitch_and_level(hertz, amplitude, words):
    text, facts = describe(clip(), 8, tone(hertz, amplitude), 8000)
    assert text == f"a yellow circle stays still on a dark background{words}"
    if words:
        assert facts["pitch_hz"] == pytest.approx(hertz, rel=0.01)


def test_a_picture_without_one_object_is_named_by_its_colour_and_movement():
    rng = np.random.default_rng(0)
    wide = np.repeat(rng.integers(60, 200, (64, 160, 1)), 3, 2).astype(np.uint8) // (2, 1, 2)
    wide = wide.astype(np.uint8)
    pan = np.stack([wide[:, 4 * n : 4 * n + 96] for n in range(9)])
    text, facts = describe(pan, 8, None, 0)
    assert text == "a green picture moves left"
    assert facts["way_x"] < -0.2
    noise = rng.normal(0, 0.2, (2, 9000)).astype(np.float32)
    assert describe(pan[:1], 8, noise, 8000)[0] == "a green picture stays still, sound without a pitch"
    assert describe(pan, 8, None, 0) == describe(pan, 8, None, 0)
