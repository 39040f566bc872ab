"""Evaluations beside a training: by condition and level, on few clips, equal however they are computed."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from heldout_cases import I2V, LEVELS, evaluation, sample, samples

from ltx_core.assemble import assemble
from ltx_core.evaluation.draws import chosen_clips, levels_of
from ltx_core.evaluation.heldout import fixed_noise
from ltx_core.modes import Strategy
from ltx_core.stages.batches import scales
from ltx_core.training.heldout_log import cut_heldout, means, read_heldout, record_heldout

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def measured(sampling):
    found = evaluation(sampling)
    return found, found.measure(7)


def by_hand(found, clip, modality, condition, index):
    """The loss of one clip at one level, of a forward pass of its own; None where nothing counts."""
    strategy = Strategy.model_validate(I2V)
    batch = found.rows.reader()([clip])
    applied = assemble(strategy, batch, scales(found.context))
    kept = {
        "without video.first_frame": ("video", "first_frame"),
        "without audio.prefix": ("audio", "prefix"),
    }
    tracks = dict(applied)
    if condition in kept:
        name, kind = kept[condition]
        stream = strategy.streams[name]
        others = [one for one in stream.conditions if one.type != kind]
        fewer = strategy.model_copy(update={name: stream.model_copy(update={"conditions": others})})
        tracks = assemble(fewer, batch, scales(found.context))
    level = (index + 0.5) / LEVELS
    noise, inputs, times, levels = {}, {}, {}, {}
    for name, track in tracks.items():
        seed = found.context.config.validation.seed
        noise[name] = fixed_noise(seed, clip, name, index, tuple(track.clean.shape[1:]))[None]
        mixed = (1 - level) * track.clean + level * noise[name]
        hold = track.hold[..., None]
        inputs[name] = hold * track.clean + (1 - hold) * mixed
        times[name] = level * (1 - track.hold)
        levels[name] = torch.tensor([level])
    with torch.no_grad():
        velocity = found.velocity(tracks, inputs, times, levels, found.contexts([clip]))[modality]
    wanted = noise[modality] - tracks[modality].clean
    counts = (applied[modality].hold == 0)[0]
    if (modality == "audio" and not bool(batch.audio_present[0])) or not counts.any():
        return None
    return float(((velocity - wanted) ** 2)[0, counts].mean())


def test_each_number_is_that_of_a_computation_by_hand(measured):
    """Every row, by split, modality, condition and level; with the conditions that stay and one left out."""
    found, rows = measured
    names = ["all", "without video.first_frame", "without audio.prefix"]
    assert list(dict.fromkeys(one.condition for one in found.passes if one.split == "heldout")) == names
    assert {row.condition for row in rows if row.split == "train"} == {"all"}
    seen = set()
    for row in rows:
        index = int(row.level * LEVELS)
        cells = {
            clip
            for one in found.passes
            if (one.split, one.condition) == (row.split, row.condition)
            for clip, at in zip(one.clips, one.at, strict=True)
            if at == index
        }
        losses = [by_hand(found, clip, row.modality, row.condition, index) for clip in sorted(cells)]
        counted = [loss for loss in losses if loss is not None]
        assert row.clips == len(counted)
        assert row.loss == pytest.approx(math.fsum(counted) / len(counted), rel=2e-5), row
        seen.add((row.split, row.modality, row.condition))
    assert len(seen) == 2 * 3 + 2
    without = {name: means(rows, name)["heldout_video"] for name in names}
    assert len(set(without.values())) == 3
    assert means(rows)["heldout_video"] == without["all"]


def test_numbers_do_not_depend_on_other_clips_order_or_passes(sampling, measured, monkeypatch):
    _, rows = measured
    assert evaluation(sampling, samples()[::-1]).measure(7) == rows
    more = [*samples(), *(sample(f"g{number}", "wide", "gap") for number in range(3))]
    assert evaluation(sampling, more).measure(7) == rows
    monkeypatch.setattr("ltx_core.stages.heldout.PASS_ROWS", 1)
    alone = evaluation(sampling).measure(7)
    assert [replace(row, loss=0) for row in alone] == [replace(row, loss=0) for row in rows]
    for one, other in zip(alone, rows, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-5)


def test_few_clips_are_spread_and_every_level_is_measured(sampling):
    found = evaluation(sampling, heldout_clips=3)
    heldout, train = found.clips["heldout"], found.clips["train"]
    assert len(heldout) == len(train) == 3 and {one.bucket for one in heldout} == {"96x64x17", "64x64x25"}
    assert len({one.source for one in heldout}) == 3 and not any(one.regularisation for one in train)
    assert {one.level for one in found.measure(0) if one.modality == "video"} == {0.125, 0.375, 0.625, 0.875}
    assert sum(len(one.clips) for one in found.passes if one.condition == "all") == 2 * 3 * 2
    whole = evaluation(sampling, heldout_clips=3, heldout_levels_per_clip=LEVELS)
    assert sum(len(one.clips) for one in whole.passes if one.condition == "all") == 2 * 3 * LEVELS
    assert chosen_clips(samples()[:6], 3) == chosen_clips(samples()[:6][::-1], 3) == heldout
    assert chosen_clips([], 3) == [] and evaluation(sampling, samples()[6:]).passes == []


@pytest.mark.parametrize(
    ("clips", "levels", "each", "wanted"),
    [
        (16, 8, None, 1),
        (8, 8, None, 1),
        (3, 8, None, 3),
        (1, 8, None, 8),
        (8, 8, 2, 2),
        (5, 4, 9, 4),
    ],
)
def test_levels_are_shared_out(clips, levels, each, wanted):
    found = levels_of(clips, levels, each)
    assert {len(one) for one in found} == {wanted} and all(len(set(one)) == wanted for one in found)
    often = [sum(level in one for one in found) for level in range(levels)]
    assert min(often) >= 1 and max(often) - min(often) <= 1
    assert levels_of(0, levels) == []


def test_the_record_is_cut_and_replaced_by_step(tmp_path, measured):
    _, rows = measured
    assert read_heldout(tmp_path) == []
    for step in (0, 7, 14):
        record_heldout(tmp_path, step, [replace(row, step=step) for row in rows])
    cut_heldout(tmp_path, 13)
    assert [row.step for row in read_heldout(tmp_path)] == [0] * len(rows) + [7] * len(rows)
    record_heldout(tmp_path, 7, rows[:2])
    assert read_heldout(tmp_path)[len(rows) :] == rows[:2]
    (tmp_path / "heldout.parquet").write_bytes(b"torn")
    assert read_heldout(tmp_path) == []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.prove
def test_two_processes_measure_and_sample_what_one_does(tmp_path, sampling, measured):
    """The same numbers in both, and the same bytes of every sample and of the sheet."""
    workspace = sampling.config.workspace
    runs = {"one": 1, "two": 2}
    for name, world in runs.items():
        out = tmp_path / name
        out.mkdir()
        environment = os.environ | {"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}", "OMP_NUM_THREADS": "1"}
        if world > 1:
            environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
        program = [
            sys.executable,
            str(Path(__file__).with_name("heldout_cases.py")),
            str(workspace),
            str(out),
        ]
        processes = [
            subprocess.Popen(
                program,
                env=environment | ({"RANK": str(rank), "LOCAL_RANK": str(rank)} if world > 1 else {}),
                stderr=subprocess.PIPE,
            )
            for rank in range(world)
        ]
        for process in processes:
            _, errors = process.communicate(timeout=300)
            assert process.returncode == 0, errors.decode()
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in runs
    )
    assert two.pop("rows_1.json") == two["rows_0.json"]
    assert set(one) == {"rows_0.json", "sheet.png", *(f"0{number}.mp4" for number in range(1, 5))}
    assert one == two
