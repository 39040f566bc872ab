"""Reference sounds and masks over time, made of a clip or given, in the rows of their stages."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from sound_files import FOOTAGE, RATE, pipeline, prepare, results, table, tones, write_sound

from ltx_core.encoding.audio import encode_audio
from ltx_core.media.audio import loudness, read_audio
from ltx_core.media.pitch import pitch


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
