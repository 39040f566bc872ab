"""Sound on real files: sources, durations, given sounds, references and masks over time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sound_files import tones, write_sound

from ltx_core.config.load import load
from ltx_core.encoding.audio import encode_audio
from ltx_core.errors import LtxError
from ltx_core.media.audio import loudness, pitch, read_audio
from ltx_core.run import Pipeline
from ltx_core.stages.clips import all_clips, rejected_cuts
from ltx_core.stages.dataset import gather, load_samples
from ltx_core.stages.show import show

ROOT = Path(__file__).parents[3]
FOOTAGE = ROOT / "data" / "footage"
RATE = 8000
"""Samples per second of the small model's front end."""


def pipeline(workspace, source, *overrides, mode="t2a"):
    settings = [f"workspace={workspace}", f"dataset.source={source}", "engine.threads=1"]
    settings += ["acceleration.threads=1", *overrides]
    return Pipeline(load(ROOT / "configs" / f"{mode}_lora.yaml", settings, ROOT))


def prepare(pipe, until):
    computed = {}
    for stage in pipe.stages(until):
        computed[stage] = sum(pipe.compute(stage, chunk)["rows"] for chunk in pipe.plan(stage).chunks)
    pipe.context.refresh()
    return computed


def results(pipe, stage):
    return {item.name: row for item, row in pipe.context.results(stage)}


def table(path, **columns):
    """A dataset file of one row per value."""
    names = list(columns)
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(json.dumps({k: str(v) for k, v in row.items() if v}) for row in rows))
    return path


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
        prepared.config.workspace, prepared.config.dataset.source, "dataset.duration_buckets=[1.125,0.5]"
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


def test_references_are_made_of_the_clip_or_taken_from_the_given_file(tmp_path):
    write_sound(tmp_path / "one.wav", tones(250, 2500))
    write_sound(tmp_path / "two.wav", tones(300, 400))
    write_sound(tmp_path / "given.mp3", tones(700, 800))
    write_sound(tmp_path / "brief.wav", tones(700, each=1.3))
    names = [tmp_path / "one.wav", tmp_path / "two.wav", tmp_path / "given.mp3"]
    source = table(
        tmp_path / "clips.jsonl",
        audio=names,
        caption=["x"] * 3,
        reference_audio=["", "given.mp3", "brief.wav"],
    )

    def made(*overrides):
        pipe = pipeline(tmp_path / "ws", source, *overrides, mode="a2a_ic")
        prepare(pipe, "reference_audio_latents")
        rows = results(pipe, "audio_references")
        waves = {
            name: read_audio(pipe.context.store.file(row, "reference.wav"), 0, 1.125, RATE)
            for name, row in rows.items()
            if row.ok
        }
        return pipe, rows, waves

    _, rows, waves = made("dataset.audio_references={kind: lowpass}")
    assert all(row.ok for row in rows.values())
    low, high = loudness(waves["one.wav #1"]), loudness(waves["one.wav #2"])
    assert low == pytest.approx(-11, abs=0.5) and high < low - 12  # 2500 Hz lies above 1000 Hz, 250 Hz below

    pipe, rows, waves = made("dataset.audio_references={kind: null}")
    assert {row.columns["kind"] for row in rows.values() if row.ok} == {"file"}  # the dataset file has them
    assert rows["one.wav #1"].reason == "no reference_audio: the dataset file gives none for this source"
    assert rows["given.mp3 #2"].reason.startswith("reference_audio: ends at 1.30 s, its clip at 2.25 s")
    assert pitch(waves["two.wav #2"], RATE) == pytest.approx(800, rel=0.01)
    assert loudness(waves["two.wav #1"][:, :300]) > -14  # an MP3's late beginning is no silence in front
    latents = pipe.context.store.read(results(pipe, "reference_audio_latents")["two.wav #2"])["latents"]
    assert torch.equal(
        latents, encode_audio(pipe.context.models.audio(), waves["two.wav #2"], 1.125, "bfloat16")
    )

    _, _, noisy = made("dataset.audio_references={kind: noise, snr_db: 6}")
    own = read_audio(tmp_path / "two.wav", 0, 1.125, RATE)
    assert loudness(own) - loudness(noisy["two.wav #1"] - own) == pytest.approx(6, abs=0.5)
    _, seeded, _ = made("dataset.audio_references={kind: noise, snr_db: 6, seed: 1}")
    _, again, _ = made("dataset.audio_references={kind: noise, snr_db: 6}")
    assert [row.row_key for row in again.values()] != [row.row_key for row in seeded.values()]
    _, muffled, _ = made("dataset.audio_references={kind: lowpass, snr_db: 3, seed: 5}")
    _, rows, _ = made("dataset.audio_references={kind: lowpass}")
    assert [row.row_key for row in muffled.values()] == [row.row_key for row in rows.values()]


def test_masks_are_drawn_or_given_and_stored_to_be_looked_at(tmp_path):
    for number, name in enumerate(("drawn", "listed", "painted", "kept")):
        write_sound(tmp_path / f"{name}.wav", tones(300 + 100 * number, each=2.3))
    (tmp_path / "m.json").write_text('{"generate": [[0.0, 0.4], [1.425, 1.6]]}')
    values = np.ones((2, 2300 * 8), np.float32)
    values[:, 8 * 500 : 8 * 700] = 0
    write_sound(tmp_path / "m.wav", values, 8000)
    source = table(
        tmp_path / "clips.jsonl",
        audio=[f"{name}.wav" for name in ("drawn", "listed", "painted", "kept")],
        caption=["x"] * 4,
        audio_mask=["", "m.json", "m.wav", "kept.wav"],
    )
    pipe = pipeline(tmp_path / "ws", source, "dataset.audio_masks={kind: null}", mode="audio_inpainting")
    prepare(pipe, "audio_masks")
    rows = results(pipe, "audio_masks")
    read = {name: pipe.context.store.read(row)["mask"] for name, row in rows.items() if row.ok}
    assert all(mask.shape == (11,) and mask.dtype == torch.float32 for mask in read.values())
    assert rows["drawn.wav #1"].reason == "no audio_mask: the dataset file gives none for this source"
    # A step is 0.1 s, the first one 0.025 s: 0 to 0.4 s are steps 0 to 3 and three quarters of step 4.
    np.testing.assert_allclose(read["listed.wav #1"], [0, 0, 0, 0, 0.25, *[1] * 6], atol=1e-6)
    # The second clip begins at 1.125 s: 0.3 to 0.475 s of it.
    np.testing.assert_allclose(read["listed.wav #2"], [1, 1, 1, 0.75, 0, 0.5, *[1] * 5], atol=1e-6)
    painted = read["painted.wav #1"]
    np.testing.assert_allclose(painted, [*[1] * 5, 0.75, 0, 0.25, 1, 1, 1], atol=1e-6)
    reason = "audio_mask generates no whole latent step of 0.1 s of the clip: nothing is left to learn"
    assert rows["painted.wav #2"].reason == reason
    assert rows["kept.wav #1"].reason == reason  # a tone is no mask, but nothing breaks
    for name in ("mask.png", "mask.wav"):
        assert pipe.context.store.file(rows["listed.wav #1"], name).stat().st_size > 100
    drawn = pipeline(tmp_path / "ws", source, "dataset.audio_masks={kind: spans}", mode="audio_inpainting")
    prepare(drawn, "audio_masks")
    for row in results(drawn, "audio_masks").values():
        mask = drawn.context.store.read(row)["mask"]
        assert (mask == 0).any() and (mask == 1).any()
    hard = pipeline(
        tmp_path / "ws",
        source,
        "dataset.audio_masks={kind: null}",
        "dataset.mask_threshold=0.5",
        mode="audio_inpainting",
    )
    prepare(hard, "audio_masks")
    row = results(hard, "audio_masks")["painted.wav #1"]
    assert hard.context.store.read(row)["mask"].tolist() == [*[1] * 6, 0, 0, *[1] * 3]


def test_a_silent_clip_of_a_joint_mode_keeps_a_silent_reference(tmp_path):
    source = tmp_path / "films"
    source.mkdir()
    shutil.copy(FOOTAGE / "silent_film.mp4", source)
    for missing, ok in (("mask", True), ("drop", False)):
        pipe = pipeline(tmp_path / "ws", source, f"dataset.audio.missing={missing}", mode="av2av_ic")
        prepare(pipe, "audio_references")
        rows = results(pipe, "audio_references").values()
        assert {row.ok for row in rows} == {ok} and {row.reason for row in rows} == {
            "" if ok else "no audio stream"
        }


def test_a_dataset_file_of_a_mode_without_video_names_a_film_or_a_sound(tmp_path):
    (tmp_path / "clips.csv").write_text("film,caption\na.wav,x\n")
    with pytest.raises(LtxError, match=r"has no column `video` or `audio`; found: film, caption"):
        pipeline(tmp_path / "ws", tmp_path / "clips.csv").plan("sources")
    (tmp_path / "clips.csv").write_text("audio,caption\na.wav,x\n")
    with pytest.raises(LtxError, match=r"has no column `video`; found: audio, caption"):
        pipeline(tmp_path / "ws", tmp_path / "clips.csv", mode="t2v").plan("sources")
