"""What a condition does, told from drawn clips and tones whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_metrics import clip, edges, tone

from ltx_core.evaluation.effects import DRIFT, Comparison, Media, Tally, measures
from ltx_core.evaluation.regions import audio_region, shown_where, video_region
from ltx_core.evaluation.rows import LOSS, decides
from ltx_core.geometry.grid import VideoGrid, VideoScale

GRID = VideoGrid(3, 4, 4, VideoScale(4, 16, 16))


def effects(key, chosen, comparisons, losses, clips):
    """The rows of a lever."""
    tally = Tally(key, chosen)
    for found in comparisons:
        tally.add(found)
    return tally.rows(losses, clips)


def media(x: float, y: float) -> Media:
    return Media(clip(x, y))


def test_a_followed_reference_is_told_from_an_ignored_one():
    chosen = measures("reference", "video", edges)
    true, other = media(16, 20), media(16, 45)
    followed = Comparison(
        true, {"right": media(17, 20), "wrong": media(17, 45), "withheld": media(16, 32)}, other
    )
    losses = {"right": 0.45, "wrong": 0.8, "withheld": 0.7}
    loss, centre, agreement, change = effects("video.reference", chosen, [followed], losses, 6)
    assert (loss.measure, loss.right, loss.clips) == (LOSS, 0.45, 6)
    assert centre.right == pytest.approx(1, abs=0.1) and centre.wrong == pytest.approx(25, abs=0.2)
    assert centre.followed == pytest.approx(1, abs=0.1) and centre.withheld == pytest.approx(12, abs=0.2)
    assert agreement.right == 1.0 and agreement.wrong < 0.3 and agreement.followed == 1.0
    assert change.right == 0 and change.wrong > 5 and change.followed is None and change.better == ""
    assert decides([loss, centre, agreement, change]) is True
    ignored = Comparison(true, {"right": media(16, 45), "wrong": media(16, 22)}, other)
    rows = effects("video.reference", chosen, [ignored], {}, 0)
    assert [row.measure for row in rows] == [centre.measure, agreement.measure, change.measure]
    assert decides(rows) is False


def test_a_held_span_is_measured_in_the_next_latent_frame():
    hold = torch.zeros(GRID.tokens)
    hold[:16] = 1
    region = video_region(hold, GRID, span=True)
    assert region.kept.any((1, 2)).tolist() == [True] + [False] * 8
    assert region.near.any((1, 2)).tolist() == [False] + [True] * 4 + [False] * 4
    near, far = clip(20, 30), clip(20, 30)
    far[5:] = 0  # what comes later does not count
    samples = {"right": Media(far), "withheld": media(20, 50)}
    drift = {"right": 0.0, "withheld": 2.5}
    found = Comparison(Media(near), samples, region=region, drift=drift)
    likeness, centre, change, held = effects(
        "video.first_frame", measures("first_frame", "video"), [found], {}, 0
    )
    assert likeness.right == 99 and likeness.withheld < 20
    assert centre.right == 0 and centre.withheld == pytest.approx(20, abs=0.2)
    assert change.withheld > 0 and (held.measure, held.right, held.withheld) == (DRIFT, 0.0, 2.5)


def test_a_kept_region_and_the_rest_are_measured_apart():
    hold = torch.zeros(3, 4, 4)
    hold[:, :, :2] = 1
    region = video_region(hold.flatten(), GRID, span=False)
    # Half a cell at the inner edge counts for neither side.
    assert region.kept[0].sum() == 64 * 24 and region.near[0].sum() == 64 * 32
    assert not (region.kept & region.near).any()
    true = clip(20, 30)
    right, seed = true.copy(), true.copy()
    right[:, :, 32:], seed[:, :, 32:] = 200, 100
    samples = {"right": Media(right), "withheld": media(30, 50), "seed": Media(seed)}
    kept, rest, change, seeds = effects(
        "video.mask", measures("mask", "video"), [Comparison(Media(true), samples, region=region)], {}, 0
    )
    assert kept.right == 99 and kept.withheld < 20 and kept.better == "higher"
    assert rest.right < 15 and rest.better == "" and change.right == 0
    assert seeds.right == 100 and seeds.withheld is None
    shown = shown_where(true, hold.flatten(), GRID)
    assert np.array_equal(shown[:, :, :32], true[:, :, :32]) and (shown[:, :, 32:] == 128).all()


def test_a_sound_is_measured_next_to_what_is_held():
    hold = torch.zeros(20)
    hold[15:] = 1
    region = audio_region(hold, 10.0, span=True)
    assert region.near.nonzero()[0].tolist() == [13, 14] and region.kept.sum() == 5
    mask = audio_region(hold, 10.0, span=False)
    assert mask.near.sum() == 15 and mask.kept.sum() == 5
    low, high = Media(None, tone(440), 8000), Media(None, tone(660), 8000)
    found = Comparison(low, {"right": low, "wrong": high, "withheld": high}, high, region)
    span, change = effects("audio.suffix", measures("suffix", "audio"), [found], {}, 0)
    assert span.right == 0 and span.wrong == span.withheld > 1 and span.followed == 0
    assert change.measure.endswith("dB")
    cut = Comparison(low, {"right": low, "wrong": high, "withheld": high, "cut": high}, high)
    assert effects("video", measures("given", "audio"), [cut], {}, 0)[-1].withheld == 0
    given = effects(
        "video", measures("given", "audio"), [Comparison(low, {"right": high, "wrong": low})], {}, 0
    )
    assert [row.measure for row in given][:2] == [
        "distance of the sound, dB",
        "distance of the pitch, semitones",
    ]
    assert given[1].right == pytest.approx(7.02, abs=0.1)
