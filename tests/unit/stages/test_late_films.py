"""Files beside a film whose first frame comes late: they begin with its first frame."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from picture_files import pipeline as picture_pipeline
from picture_files import write_negative
from sound_files import FOOTAGE, RATE, pipeline, prepare, results, table, tones, write_sound

from ltx_core.media.audio import read_audio
from ltx_core.media.decode import read_frames
from ltx_core.stages.clips import all_clips

LATE = 0.5
"""Seconds before the film's first frame and first sample."""


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """A film of the demo with all of its packets later."""
    path = tmp_path_factory.mktemp("films") / "late.mkv"
    with av.open(str(FOOTAGE / "wide.mp4")) as film, av.open(str(path), "w") as delayed:
        streams = {stream.index: delayed.add_stream_from_template(stream) for stream in film.streams}
        for packet in film.demux():
            if packet.dts is not None:
                by = int(Fraction(LATE) / packet.time_base)
                packet.pts, packet.dts = packet.pts + by, packet.dts + by
                packet.stream = streams[packet.stream.index]
                delayed.mux(packet)
    return path


def test_given_sounds_begin_with_a_late_films_first_frame(late, tmp_path):
    write_sound(tmp_path / "voice.wav", tones(*range(300, 1500, 100)))
    write_sound(tmp_path / "other.wav", tones(*range(400, 1600, 100)))
    source = table(
        tmp_path / "films.jsonl",
        video=[late, FOOTAGE / "wide.mp4"],
        caption=["x", "y"],
        audio=["voice.wav"] * 2,
        reference_audio=["other.wav"] * 2,
    )
    kind = "dataset.audio_references={kind: null}"
    pipe = pipeline(tmp_path / "ws", source, kind, mode="a2a_ic")
    prepare(pipe, "audio_references")
    clips = {clip.name: clip for clip in all_clips(pipe.context)}
    one, two = clips["late.mkv #2"], clips["wide.mp4 #2"]
    assert one.origin == pytest.approx(LATE, abs=0.01) and (two.origin, two.late) == (0, [])
    assert one.time == pytest.approx(two.time, abs=0.002) and one.start_s > two.start_s + 0.4
    wave = pipe.context.models.sound(one, RATE)
    np.testing.assert_array_equal(wave, read_audio(tmp_path / "voice.wav", one.time, one.seconds, RATE))
    row = results(pipe, "audio_references")[one.name]
    found = read_audio(pipe.context.store.file(row, "reference.wav"), 0, one.seconds, RATE)
    other = read_audio(tmp_path / "other.wav", one.time, one.seconds, RATE)
    assert np.abs(found - other).max() < 1e-3


def test_a_late_films_own_sound_and_a_given_video_lie_where_its_frames_do(late, tmp_path):
    write_negative(tmp_path / "negative.mp4", "wide.mp4")
    source = table(tmp_path / "films.jsonl", video=[late], caption=["x"], reference_video=["negative.mp4"])
    pipe = picture_pipeline(tmp_path / "ws", source, "{type: reference}")
    prepare(pipe, "references")
    for clip in all_clips(pipe.context)[1:3]:
        row = pipe.context.by_clip("references")[clip.clip_id]
        shown = read_frames(pipe.context.store.file(row, "reference.mp4"), list(range(clip.bucket.frames)))
        frames = pipe.context.models.frames(clip)
        assert np.abs(shown.astype(int) - (255 - frames.astype(int))).mean() < 5
        own = read_audio(late, clip.start_s, clip.seconds, RATE)
        np.testing.assert_array_equal(pipe.context.models.sound(clip, RATE), own)
