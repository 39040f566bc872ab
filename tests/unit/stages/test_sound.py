"""Sound on real files: sources, durations, given sounds."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from sound_files import FOOTAGE, RATE, pipeline, prepare, results, table, tones, write_sound

from ltx_core.encoding.audio import encode_audio
from ltx_core.errors import LtxError
from ltx_core.media.audio import read_audio
from ltx_core.stages.clips import all_clips, rejected_cuts
from ltx_core.stages.dataset import gather, load_samples, silence_is_kept
from ltx_core.stages.show import show


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Sounds in four formats, one silent, one short, one that is no sound."""
    folder = tmp_path_factory.mktemp("sounds")
    write_sound(folder / "a.wav", tones(220, 440, 1320))
    write_sound(folder / "b.flac", tones(330, each=1.7))
    write_sound(folder / "c.mp3", tones(660, 990, each=1.2))
    write_sound(folder / "d.m4a", tones(550))
    write_sound(folder / "quiet.wav", tones(440, amplitude=1e-4))
    write_sound(folder / "short.wav", tones(440, each=0.3))
    (folder / "noise.wav").write_bytes(b"RIFF no sound at all")
    (folder / "a.2.txt").write_text("the second tone\n")
    (folder / "b.txt").write_text("one tone\n")
    return folder


@pytest.fixture(scope="module")
def prepared(sounds, tmp_path_factory):
    pipe = pipeline(tmp_path_factory.mktemp("workspace"), sounds, "dataset.duration_buckets=[0.5,1.125]")
    prepare(pipe, "dataset")
    return pipe


def test_sounds_of_every_format_become_clips_of_the_longest_duration_that_fits(prepared):
    clips = all_clips(prepared.context)
    found = {clip.name: (str(clip.bucket), clip.seconds) for clip in clips}
    long, half = ("1.125s", 1.125), ("0.5s", 0.5)
    assert found == {
        **{f"a.wav #{n}": long for n in (1, 2, 3)},
        **{"b.flac #1": long, "b.flac #2": half, "c.mp3 #1": long, "c.mp3 #2": long},
        **{"d.m4a #1": long, "quiet.wav #1": long},
    }
    assert [(clip.start, clip.end) for clip in clips[:2]] == [(0, 18000), (18000, 36000)]
    assert dict(rejected_cuts(prepared.context)) == {
        "short.wav #1": "shorter than every bucket: 0.300 < 0.5 s"
    }
    again = pipeline(
        prepared.config.workspace,
        prepared.config.dataset.source[0].path,
        "dataset.duration_buckets=[1.125,0.5]",
    )
    assert sum(prepare(again, "dataset").values()) == 0


def test_a_dataset_of_sound_alone_has_latents_captions_and_reasons(prepared):
    _, samples = load_samples(prepared.context)
    found = {sample.name: sample for sample in samples}
    assert len(samples) == 8 and {sample.bucket for sample in samples} == {"0.5s", "1.125s"}
    assert len({sample.shape for sample in samples}) == 2
    assert {sample.split for sample in samples} >= {"train", "heldout"}
    assert set(found["a.wav #1"].columns) == {"audio_latents", "conditions"}
    assert found["a.wav #2"].caption == "the second tone, striped style"
    assert found["b.flac #2"].caption_source == "sidecar"
    assert found["a.wav #1"].caption == "a low hum, dull, striped style"
    assert found["a.wav #3"].caption == "a high beep, striped style"
    assert gather(prepared.context)[1] == [("quiet.wav #1", "audio_latents: silent: -83 dBFS < -60 dBFS")]
    shapes = {str(c.bucket): row for c in all_clips(prepared.context) if (row := row_of(prepared, c)).ok}
    assert {name: shape(prepared, row) for name, row in shapes.items()} == {
        "0.5s": (4, 5, 4),
        "1.125s": (4, 11, 4),
    }
    aside = next(one for one in show(prepared.context, "dataset") if one["title"] == "set aside")
    assert [row[0] for row in aside["rows"]] == ["noise.wav", "short.wav #1", "quiet.wav #1"]
    facts = dict(show(prepared.context, "a.wav #2")[0]["rows"])
    assert facts["bucket"] == "1.125s" and facts["samples"].startswith("18000 to 36000")


def row_of(pipe, clip):
    return pipe.context.by_clip("audio_latents")[clip.clip_id]


def shape(pipe, row):
    return tuple(pipe.context.store.read(row)["latents"].shape)


def test_a_sound_file_is_no_source_of_a_mode_with_video(sounds, tmp_path):
    pipe = pipeline(tmp_path, sounds, mode="t2v")
    prepare(pipe, "sources")
    assert {row.reason for name, row in results(pipe, "sources").items() if name != "noise.wav"} == {
        "audio, not a video"
    }


def test_films_give_the_same_clips_to_a_mode_without_video(tmp_path):
    source = tmp_path / "films"
    source.mkdir()
    for path in FOOTAGE.glob("*"):
        if path.stem.split(".")[0] in ("wide", "silent_film"):
            shutil.copy(path, source)
    both = pipeline(tmp_path / "ws", source, mode="t2v")
    prepare(both, "audio_latents")
    alone = pipeline(tmp_path / "ws", source)
    computed = prepare(alone, "audio_latents")
    assert computed["clips"] == computed["audio_latents"] == 0  # scenes and sound are those of the films
    names = {clip.clip_id: clip.name for clip in all_clips(both.context)}
    assert {clip.clip_id: clip.name for clip in all_clips(alone.context)} == names
    prepare(alone, "captions")
    captions = results(alone, "captions")
    assert captions["wide.mp4 #1"].columns["caption"] == (source / "wide.1.txt").read_text().rstrip("\n")
    assert captions["wide.mp4 #2"].columns["caption"] == "a low hum, dull"
    reasons = {name: row.reason for name, row in results(alone, "audio_latents").items() if not row.ok}
    assert reasons == {f"silent_film.mp4 #{n}": "no audio stream" for n in (1, 2)}
    other = pipeline(tmp_path / "ws", source, "dataset.duration_buckets=[0.75]")
    prepare(other, "clips")
    assert {clip.seconds for clip in all_clips(other.context)} == {0.75}


def test_a_given_sound_takes_the_place_of_the_films_own(tmp_path):
    write_sound(tmp_path / "voice.wav", tones(1760, each=4.0, amplitude=0.2))
    film, silent = FOOTAGE / "wide.mp4", FOOTAGE / "silent_film.mp4"
    given = table(
        tmp_path / "clips.jsonl",
        video=[film, silent, FOOTAGE / "morning.mp4"],
        caption=["x", "y", "z"],
        audio=["voice.wav", "voice.wav", "gone.wav"],
    )
    pipe = pipeline(tmp_path / "ws", given, mode="t2v")
    prepare(pipe, "audio_latents")
    clips = {clip.name: clip for clip in all_clips(pipe.context)}
    wave = pipe.context.models.sound(clips["wide.mp4 #2"], RATE)
    expected = read_audio(tmp_path / "voice.wav", clips["wide.mp4 #2"].start_s, 1.125, RATE)
    np.testing.assert_array_equal(wave, expected)
    rows = results(pipe, "audio_latents")
    latents = pipe.context.store.read(rows["wide.mp4 #2"])["latents"]
    assert torch.equal(latents, encode_audio(pipe.context.models.audio(), expected, 1.125, "bfloat16"))
    assert rows["silent_film.mp4 #1"].ok  # a silent film, with the sound that it is given
    assert rows["morning.mp4 #1"].reason == "audio: unreadable: No such file or directory"
    assert all(
        row.reason.startswith("silent") for n, row in rows.items() if n == "wide.mp4 #7"
    )  # past its end
    write_sound(tmp_path / "voice.wav", tones(880, each=4.0, amplitude=0.2))
    again = pipeline(tmp_path / "ws", given, mode="t2v")
    assert prepare(again, "audio_latents")["audio_latents"] == len(rows) - len(
        [name for name in rows if name.startswith("morning")]
    )


def test_clips_without_sound_stay_only_where_video_and_sound_are_both_generated(tmp_path):
    kept = {
        mode: silence_is_kept(pipeline(tmp_path, FOOTAGE, mode=mode).context)
        for mode in ("t2v", "av2av_ic", "a2v", "v2a", "t2a", "a2a_ic", "audio_inpainting")
    }
    assert [mode for mode, stays in kept.items() if stays] == ["t2v", "av2av_ic"]


def test_a_dataset_file_of_a_mode_without_video_names_a_film_or_a_sound(tmp_path):
    (tmp_path / "clips.csv").write_text("film,caption\na.wav,x\n")
    with pytest.raises(LtxError, match=r"has no column `video` or `audio`; found: film, caption"):
        pipeline(tmp_path / "ws", tmp_path / "clips.csv").plan("sources")
    (tmp_path / "clips.csv").write_text("audio,caption\na.wav,x\n")
    with pytest.raises(LtxError, match=r"has no column `video`; found: audio, caption"):
        pipeline(tmp_path / "ws", tmp_path / "clips.csv", mode="t2v").plan("sources")
