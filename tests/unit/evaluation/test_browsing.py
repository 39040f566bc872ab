"""The pages of a dataset as a function of plain data: odd names, thousands of clips, limits, reasons."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from page_checks import Page, broken_links, read_pages

from ltx_core.evaluation.browsing import decoded
from ltx_core.evaluation.browsing.card import card, scale_of
from ltx_core.evaluation.browsing.facts import (
    Aside,
    ClipFacts,
    Collection,
    Limit,
    Look,
    Twins,
    kind_of_reason,
    measures,
)
from ltx_core.evaluation.browsing.index import as_json
from ltx_core.evaluation.browsing.links import PER_PAGE, href
from ltx_core.evaluation.browsing.pictures import beside, overlaid, preview_size, sound_picture
from ltx_core.evaluation.browsing.write import write_pages
from ltx_core.evaluation.markup import printable

ODD = (
    "quotes \" and ' here.mp4 #1",
    "<script>alert(1)</script></script><!--.mp4",
    "line\nbreak & 🎬 100% #?.mp4",
    os.fsdecode(b"undecodable-\xff\xfe.mp4"),
    "$math$ {x} \x00\x1b.mp4",
)
LIMITS = {"sharpness": Limit(low=10.0), "brightness": Limit(16, 240, rejects=False)}


def clip(number: int, name: str = "", **more: object) -> ClipFacts:
    """One of many clips."""
    facts: dict[str, object] = {
        "split": "heldout" if number % 5 == 0 else "train",
        "bucket": "64x64x9" if number % 3 else "64x96x9",
        "fps": 24.0,
        "seconds": 0.375,
        "source": f"film {number // 50}.mp4",
        "start_s": number * 1.0,
        "end_s": number + 0.5,
        "source_fps": 29.97,
        "width": 1920,
        "height": 1080,
        "caption": f"clip number {number}",
        "caption_source": "describe" if number % 2 else "sidecar",
        "sound": "yes",
        "scores": {"sharpness": float(number % 40), "brightness": 100.0},
    }
    return ClipFacts(f"{number:032x}"[::-1], name or f"film.mp4 #{number}", **{**facts, **more})  # type: ignore[arg-type]


def test_odd_names_are_texts_and_their_links_lead_to_their_files(tmp_path: Path):
    (tmp_path / "media").mkdir()
    clips = []
    for number, name in enumerate(ODD):
        still = f"media/{name.replace('/', '_').replace(chr(0), '_')}.jpg"
        (tmp_path / still).write_bytes(b"jpeg")
        looks = (Look("Clip", "picture", still, alt=name), Look(name, note=name))
        clips.append(clip(number, name, caption=name, source=name, path=name, looks=looks, bucket=name))
    aside = tuple(Aside(name, "sources", f"unreadable: {name}") for name in ODD)
    data = Collection(ODD[1], "d" * 20, tuple(clips), aside, limits=LIMITS, notes=(ODD[1],))
    write_pages(tmp_path, data, frozenset(one.clip_id for one in clips[:3]))
    pages = read_pages(tmp_path)
    assert broken_links(pages) == []
    cards = pages[tmp_path / "clips-0001.html"]
    for name in ODD:
        assert printable(name) in cards.text
        assert printable(name) in pages[tmp_path / "set-aside.html"].text
    assert all(page.tags.count("script") == 2 * (path.name == "index.html") for path, page in pages.items())
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    found = json.loads(index.split('id="data">', 1)[1].split("</script>", 1)[0])
    assert [entry[0] for entry in found["clips"]] == [printable(name) for name in ODD]


def test_thousands_of_clips_are_on_pages_and_in_the_search(tmp_path: Path):
    clips = tuple(clip(number) for number in range(5000))
    write_pages(tmp_path, Collection("many", clips=clips, limits=LIMITS), frozenset())
    pages = sorted(tmp_path.glob("clips-*.html"))
    assert len(pages) == 5000 // PER_PAGE
    shown = Page(pages[7].read_text()).ids
    assert len([one for one in shown if one.startswith("c-")]) == PER_PAGE
    index = (tmp_path / "index.html").read_text()
    assert len(json.loads(index.split('id="data">', 1)[1].split("</script>", 1)[0])["clips"]) == 5000
    assert len(index) < 400 * 5000 + 400_000
    # A smaller dataset takes the pages of the larger one away; the same one again writes nothing.
    smaller = Collection("many", clips=clips[:150], limits=LIMITS)
    assert write_pages(tmp_path, smaller, frozenset([clips[3].clip_id]))
    assert len(list(tmp_path.glob("clips-*.html"))) == 2
    assert write_pages(tmp_path, smaller, frozenset([clips[3].clip_id])) == []
    assert broken_links(read_pages(tmp_path)) == []


def test_scores_have_bars_limits_and_histograms():
    clips = [clip(number) for number in range(60)]
    scale = scale_of(clips, LIMITS)
    blurred = clip(
        3, found=(("blurred", "blurred: sharpness 3.00 < 10"),), sound="no audio stream", repeats=2.0
    )
    assert blurred.flags == ("described caption", "no sound", "blurred")
    drawn = [Page(card(one, scale, has_page=False)) for one in (blurred, clip(30))]
    assert "blurred: sharpness 3.00 < 10" in drawn[0].text and "2 times" in drawn[0].text
    assert "sharpness: 3.00; set aside below 10" in drawn[0].labels
    assert ["bar beyond" in card(one, scale, has_page=False) for one in (blurred, clip(30))] == [True, False]
    assert scale.ranges["brightness"] == (16, 240) and scale.ranges["sharpness"] == (0, 39)
    found = {one.name: one for one in measures(clips, LIMITS)}
    assert found["Sharpness"].limits == (10.0,) and len(found["Sharpness"].values) == 60
    assert {"Aspect", "Length", "Frame rate", "Captions", "Brightness"} <= found.keys()
    assert LIMITS["sharpness"].words() == "set aside below 10"
    assert LIMITS["brightness"].words() == "reported below 16 or above 240"


def test_look_alikes_lie_side_by_side_with_their_distance(tmp_path: Path):
    clips = tuple(clip(number, aside="filters: duplicate" if number == 2 else "") for number in range(4))
    twins = (Twins(((clips[0].clip_id, 0.0), (clips[2].clip_id, 3.0), ("gone", 1.0))),)
    write_pages(tmp_path, Collection("twins", clips=clips, twins=twins), frozenset())
    pages = read_pages(tmp_path)
    text = pages[tmp_path / "look-alikes.html"].text
    assert "Group 1" in text and "film.mp4 #0" in text and "film.mp4 #2" in text and "duplicate" in text
    assert broken_links(pages) == []


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("shorter than every bucket: 3 < 9 frames", "shorter than every bucket"),
        ("unreadable: damaged", "unreadable"),
        ("same content as a: b.mp4, which is used", "same content as another file"),
        ("silent -61.5 dB", "silent … dB"),
        ("", "no reason"),
    ],
)
def test_reasons_are_counted_without_their_numbers(reason: str, kind: str):
    assert kind_of_reason(reason) == kind


def test_json_never_ends_its_element():
    text = as_json({"a": "</script><!-- & \u2028 🎬"})
    assert not set(text) & set("<>&\u2028") and json.loads(text) == {"a": "</script><!-- & \u2028 🎬"}
    assert href("media/a b#%?\udcff.jpg", "../") == "../media/a%20b%23%25%3F%FF.jpg"


def test_a_mask_tints_what_is_generated_alone():
    frames = np.full((4, 8, 8, 3), 100, np.uint8)
    mask = np.full((2, 4, 4, 3), 255, np.uint8)
    mask[1, :, :2] = 0
    shown = overlaid(frames, mask)
    assert (shown[:2] == 100).all() and (shown[2:, :, 5:] == 100).all()
    assert (shown[2:, :, :3, 0] > 150).all() and (shown[2:, :, :3, 2] == 50).all()
    assert preview_size(1920, 1080) == (320, 180) and preview_size(64, 33) == (64, 32)
    assert beside([frames, frames[:2]]).shape == (4, 8, 22, 3)


def test_a_sound_is_drawn_with_its_mask():
    wave = np.zeros((2, 16000), np.float32)
    wave[:, 8000:] = np.sin(np.arange(8000) * 0.3)
    plain = sound_picture(wave, 16000)
    half = plain.shape[1] // 2
    assert plain[8, : half - 4].max() < 60 and plain[8, half + 4 : -4, 2].min() > 200
    masked = sound_picture(wave, 16000, np.array([1, 0], np.float32))
    assert (masked[:9, :half] == plain[:9, :half]).all() and (masked[0] != plain[0])[half:].any()


def test_decoded_sound_and_frames_have_numbers_that_say_how_near_they_are():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, 8, 8, 3), np.uint8)
    other = frames.copy()
    other[1] ^= 1
    found = decoded.frame_psnr(other, frames)
    assert found[0] == found[2] == np.inf and 47 < found[1] < 49
    time = np.arange(16000) / 16000
    wave = np.stack([np.sin(2 * np.pi * 440 * time)] * 2).astype(np.float32)
    shifted = np.stack([np.sin(2 * np.pi * 440 * time + 1.0)] * 2).astype(np.float32)
    noise = rng.normal(0, 0.5, wave.shape).astype(np.float32)
    assert decoded.band_snr(wave, wave, 16000) == np.inf
    assert decoded.band_snr(shifted, wave, 16000) > 20 > 10 > decoded.band_snr(noise, wave, 16000)
    assert np.isnan(decoded.band_snr(wave, np.zeros_like(wave), 16000))
