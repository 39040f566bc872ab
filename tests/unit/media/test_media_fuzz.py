"""Damaged bytes of any kind: a file is read, or refused with a reason; nothing else ever happens."""

import random

import pytest

from data.make.torture.folder import CASES
from ltx_core.media.audio import read_audio, sound_span
from ltx_core.media.decode import frame_times, read_frames
from ltx_core.media.errors import MediaError
from ltx_core.media.film import every_frame
from ltx_core.media.probe import probe

FILMS = ("plain.mp4", "variable.mkv", "transport.ts", "no_times.avi", "vp9.webm", "av1.mp4", "hevc.mp4")
ODD = ("gif.gif", "moving.webp", "moving.png", "raw.h264", "interlaced.mpg", "mjpeg.avi", "edited.mp4")
OTHERS = ("photo.jpg", "still.png", "still.tiff", "still.webp", "sound.mp3", "sound.flac")
KINDS = (*FILMS, *ODD, *OTHERS)
SEEDS = 20
"""Of each damage; some thousand were tried."""


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    for case in CASES:
        if case.name in KINDS:
            case.make(folder / case.name)
    found = [(folder / name).read_bytes() for name in KINDS]
    assert all(found)
    return found


def noise_inside(rng, data, other):
    for _ in range(rng.choice((1, 5, 50, 500))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return data


def noise_in_headers(rng, data, other):
    for _ in range(rng.choice((1, 3, 10))):
        data[rng.randrange(min(len(data), 300))] = rng.choice((0, 127, 128, 255))
    return data


def noise_in_the_index(rng, data, other):
    for _ in range(rng.choice((1, 3, 10))):
        data[-1 - rng.randrange(min(len(data), 1500))] = rng.choice((0, 127, 128, 255))
    return data


def noise_from_somewhere_on(rng, data, other):
    start = rng.randrange(16, len(data))
    return data[:start] + rng.randbytes(len(data) - start)


def only_noise(rng, data, other):
    return rng.randbytes(rng.choice((1, 13, 500, 20_000)))


def two_files_in_one(rng, data, other):
    return data[: rng.randrange(1, len(data))] + other[rng.randrange(len(other)) :]


def a_piece_lost(rng, data, other):
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 2000) :]


def cut_off(rng, data, other):
    return data[: rng.randrange(1, len(data))]


DAMAGES = [
    noise_inside,
    noise_in_headers,
    noise_in_the_index,
    noise_from_somewhere_on,
    only_noise,
    two_files_in_one,
    a_piece_lost,
    cut_off,
]


def look_at_all(path):
    """Everything that a run does with a source, until it is refused."""
    info = probe(path)
    if info.kind != "audio":
        times = frame_times(path)
        assert 0 < len(times) == info.frames
        assert info.width > 0 and info.height > 0 and info.duration >= 0
        shown = sum(shown.at(64).shape[2] == 3 for shown in every_frame(path))
        assert shown <= len(times)
        frames = read_frames(path, [0, len(times) - 1], (32, 24))
        assert frames.shape == (2, 24, 32, 3)
    if info.has_audio:
        assert read_audio(path, 0.2, 0.5, 8000).shape == (2, 4000)
        start, end = sound_span(path)
        assert start <= end


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_file_is_read_or_refused(damage, originals, tmp_path, capfd):
    refused = 0
    for seed in range(SEEDS):
        rng = random.Random(f"{damage.__name__} {seed}")
        data, other = (bytearray(rng.choice(originals)) for _ in range(2))
        path = tmp_path / f"{seed}{rng.choice(('.mp4', '.mkv', '.avi', '.jpg', '.png', '.bin', ''))}"
        path.write_bytes(damage(rng, data, other))
        try:
            look_at_all(path)
        except MediaError as error:
            assert error.reason and "\n" not in error.reason and len(error.reason) < 200
            refused += 1
    assert refused > 0
    assert len(capfd.readouterr().err.splitlines()) <= SEEDS // 4  # no flood of messages
