"""The report: well-formed, self-contained, safe against what captions and file names hold."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from ltx_core.evaluation import plots
from ltx_core.evaluation.browsing.facts import Measure
from ltx_core.evaluation.markup import VOID_ELEMENTS
from ltx_core.evaluation.report import (
    Bucket,
    DatasetFacts,
    Rejected,
    ReportData,
    SampleGroup,
    StageTime,
    View,
    verdict,
)
from ltx_core.evaluation.report_html import duration, render, with_config
from ltx_core.evaluation.report_tables import markdown_summary, number, tables, thumbnails
from ltx_core.evaluation.rows import LOSS, Effect, LossRow, effect_sentence
from ltx_core.evaluation.views import sound_view, view_of

NASTY = "quotes \" and ' here, <script>alert(1)</script> & 🎬\x00\x1b\nnew | line `code` [x](y)"


class Balance(HTMLParser):
    """Collects tags, attributes and texts, and fails on an end tag that does not fit."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.ids += [values["id"]] if values.get("id") else []
        self.addresses += [
            v for k, v in attrs if k in ("src", "href", "poster", "srcset", "xlink:href") and v
        ]
        if tag == "img":
            assert values["alt"]
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> does not fit"

    def handle_data(self, data: str) -> None:
        self.text += data


def picture(width: int = 576) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, 64), (200, 40, 40)).save(buffer, "PNG")
    return buffer.getvalue()


def losses(audio: float | None = 0.9) -> tuple[LossRow, ...]:
    rows = []
    for level in (0.25, 0.75):
        rows += [LossRow("video", level, 1.26, 6, "base"), LossRow("video", level, 0.78, 6, "lora")]
        if audio is not None:
            rows += [LossRow("audio", level, 1.0, 5, "base"), LossRow("audio", level, audio, 5, "lora")]
    return tuple(rows)


def report(**changes: object) -> ReportData:
    views = (View("Before", picture(), b"mp4" * 100), View("After", picture(), b"mp5" * 100, "880 Hz"))
    dataset = DatasetFacts(
        sources=3,
        buckets=(Bucket("64x64x9", 18, 6),),
        durations=(1.125,) * 24,
        caption_sources={"sidecar": 20, NASTY: 4},
        rejected=(Rejected(NASTY, "sources", "unreadable: " + NASTY),),
        silent=("film-1",),
        missing_audio="mask",
        truncated={"film-2": 7},
    )
    data = ReportData(
        title=NASTY,
        mode="v2v_ic",
        created="2026-03-04",
        heldout=losses(),
        curves={"video": [(i, 1 / i) for i in range(1, 2000)], "audio": [(1, 1.0)]},
        learning_rate=[(1, 1e-3), (2, 2e-3)],
        samples=(SampleGroup(NASTY * 300, views, "Held-out"),),
        influence=(
            Effect("video.reference", LOSS, 0.4, 0.8, None, 0.7, clips=6),
            Effect("video.reference", "distance of the object, px", 3, 14, 5, 12, clips=6),
            Effect("video.reference", "change against the right sample, levels of 255", 0, 9, None, 8, ""),
        ),
        influence_samples=(SampleGroup("b", views),),
        dataset=dataset,
        model={"rank": 16, "trigger": NASTY},
        config_yaml="model:\n  path: '" + NASTY + "'\n",
        lineage={"dataset digest": "ab" * 32},
        stages=(StageTime("latents", 24, 24, 0, 4.3),),
        notes=("One source has a variable frame rate.",),
    )
    return replace(data, **changes)


def parsed(page: str) -> Balance:
    parser = Balance()
    parser.feed(page)
    parser.close()
    assert not parser.open
    return parser


def test_the_page_is_balanced_self_contained_and_has_every_section():
    page = render(report())
    found = parsed(page)
    assert len(found.ids) == len(set(found.ids))
    assert "script" not in found.tags
    assert all(a.startswith(("data:", "#")) for a in found.addresses)
    assert {a[1:] for a in found.addresses if a.startswith("#")} <= set(found.ids)
    assert not re.search(r"(https?:)?//[a-z]", re.sub(r'src="data:[^"]*"', "", page))
    assert {"samples", "loss", "conditions", "training", "dataset", "model", "stages"} <= set(found.ids)
    assert {"config", "lineage"} <= set(found.ids)
    assert page.index("Held-out loss: video fell from 1.260 to 0.780") < page.index("<main>")
    assert 'name="viewport"' in page and "prefers-color-scheme: dark" in page
    assert len(page) < 250_000


def test_texts_from_outside_are_shown_and_never_markup():
    page = render(report())
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; 🎬" in page
    assert "\x00" not in page and "\x1b" not in page
    assert "characters)" in page
    render(report(title="lone surrogate \ud800")).encode("utf-8")


def test_what_is_missing_is_left_out():
    page = render(report(heldout=losses(None), influence=(), influence_samples=(), curves={}, samples=()))
    ids = parsed(page).ids
    assert not {"samples", "conditions"} & set(ids)
    assert "audio fell" not in page
    bare = parsed(render(ReportData("bare", "t2v")))
    assert "The held-out loss was not measured." in bare.text


def test_videos_beyond_the_limit_stay_out_and_the_sheets_stay():
    page = render(report(), max_media_bytes=700)
    assert page.count("<video") == 2 and page.count("<img") == 4
    assert "this page would be too large" in page
    with pytest.raises(ValueError, match="PNG, JPEG or WebP"):
        render(report(samples=(SampleGroup("a", (View("Before", b"GIF89a"),)),)))


def test_the_verdict_names_what_did_not_improve():
    assert verdict(report()).good
    flat = verdict(report(heldout=losses(1.001)))
    assert not flat.good and "audio hardly moved" in flat.sentence
    assert any("no clear improvement in audio" in warning for warning in flat.warnings)
    worse = verdict(report(heldout=losses(1.3)))
    assert "audio rose from 1.000 to 1.300 (+30%)" in worse.sentence
    ignored = verdict(report(influence=(Effect("audio", LOSS, 0.8, 0.8, None, 0.7),)))
    assert not ignored.good and "The given sound has no clear influence" in ignored.warnings[0]


def test_a_condition_is_told_by_all_of_its_measures():
    loss = Effect("video.first_frame", LOSS, 0.4, None, None, 0.7)
    said = effect_sentence([loss, Effect("video.first_frame", "likeness, dB", 22, 14, 21, 12, "higher")])
    assert said == (
        "The samples follow the first frame (video): held-out loss 0.4 with the clip's own, 0.7 without it; "
        "likeness, dB 22 with the clip's own, 14 with another clip's, 12 without it."
    )
    assert "is mixed" in effect_sentence([loss, Effect("video.first_frame", "px", 9, 5, None, 8)])
    # A hundredth is no difference, and a number that judges nothing says nothing.
    assert Effect("a", LOSS, 0.995, 1.0, None, 1.0).helps is False
    assert effect_sentence([Effect("a", "change", 0, 9, None, 8, "")]) == ""
    row = tables(report())["conditions"][1]
    assert row == {
        "condition": "reference (video)", "measure": "distance of the object, px",
        "own": "3", "another's": "14", "to that other": "5", "withheld": "12", "better": "lower", "clips": 6,
    }  # fmt: skip


def test_a_sound_is_a_spectrogram_with_a_player():
    wave = np.sin(np.arange(2 * 4000, dtype=np.float32)).reshape(2, 4000) / 2
    view = sound_view("After", wave, 8000, "440 Hz")
    data = report(samples=(SampleGroup("a", (view,)),), influence_samples=())
    page = render(data)
    assert page.count("<audio") == 1 and "data:audio/wav" in page and "After, spectrogram: a" in page
    parsed(page)
    assert "<audio" not in render(data, max_media_bytes=100) and "would be too large" in render(data, 100)


def test_silent_and_truncated_clips_are_explained():
    text = parsed(render(report())).text
    assert "1 clip has no sound: film-1. They train the video" in text
    assert "could not take the end of 1 caption (7 tokens in all): film-2" in text


def test_artifacts_have_the_same_rows_and_stay_small():
    data = report()
    found = tables(data)
    assert found["heldout-loss"][-1] == {
        "modality": "audio", "level": "mean", "base": "1.00", "LoRA": "0.900", "change": "−10.0%", "clips": 5,
    }  # fmt: skip
    many = replace(data.dataset, rejected=tuple(Rejected(f"f{i}", "sources", "r") for i in range(90)))
    cut = tables(replace(data, dataset=many), limit=10)["rejected"]
    assert len(cut) == 10 and cut[-1] == {"what": "and 81 more; see report.html"}
    summary = markdown_summary(data)
    assert "<script>" not in summary
    assert "\x00" not in summary + str(found)
    hostile = [line for line in summary.splitlines() if "alert" in line]
    assert len(hostile) == 3 and all(line.startswith(("# ", "| ")) for line in hostile)
    sizes = [Image.open(io.BytesIO(png)).size for png in thumbnails(data).values()]
    assert len(sizes) == 4 and max(sizes) <= (480, 480)


def test_numbers_read_well():
    assert [number(v) for v in (None, float("nan"), 0.0, 1.2345, 123.456, 12345, 2e-5, True, -0.5)] == [
        "–", "–", "0.000", "1.23", "123", "12,345", "2.00e-05", "True", "−0.500",
    ]  # fmt: skip
    assert [duration(s) for s in (0.31, 42, 185, 7800)] == ["0.3 s", "42 s", "3 min 05 s", "2 h 10 min"]


def test_a_view_of_frames_is_a_strip_with_a_poster():
    frames = np.zeros((25, 32, 64, 3), np.uint8)
    view = view_of("After", frames, b"mp4", "440 Hz")
    assert Image.open(io.BytesIO(view.sheet)).size[1] == 64
    assert Image.open(io.BytesIO(view.poster)).size == (256, 128)
    assert view_of("After", frames).poster is None
    page = render(report(samples=(SampleGroup("a", (view,)),)))
    assert 'poster="data:image/png' in page
    parsed(page)


def test_the_datasets_section_has_histograms_counts_a_strip_and_the_way_to_its_page():
    shown = report()
    many = tuple(Rejected(f"{n}.mp4 #1", "clips", f"shorter than every bucket: {n} < 9") for n in range(7))
    loudness = Measure("Loudness", "dBFS", tuple(-0.5 * n for n in range(24)), (-9.0,))
    facts = replace(shown.dataset, rejected=many, page="../../show/my%20films/index.html")
    facts = replace(facts, measures=(loudness,), strip=picture())
    page = Balance()
    page.feed(render(replace(shown, dataset=facts)))
    assert "../../show/my%20films/index.html" in page.addresses
    assert "Loudness (dBFS) of 24 clips" in page.text and "Limits: -9" in page.text
    assert "shorter than every bucket7" in page.text
    without = Balance()
    without.feed(render(shown))
    assert "ltx show CONFIG" in without.text and page.tags.count("img") == without.tags.count("img") + 1


def test_plots_can_be_read():
    """Names beside a title do not lie over it, parts of a bar have colours, measurements stay as they are."""
    losses = [(float(step), 2.0 + (step % 2)) for step in range(1, 41)]
    heldout = [(0.0, 3.0), (20.0, 1.0), (40.0, 2.0)]
    names = ("video", "audio", "video held out", "audio held out")
    figure = plots.loss_curves({name: heldout if "held" in name else losses for name in names})
    figure.draw_without_rendering()
    (axes,) = figure.axes
    title = next(text for text in axes.findobj(Text) if text.get_text() == "Training loss")
    assert not title.get_window_extent().overlaps(axes.get_legend().get_window_extent())
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}
    assert drawn["video held out"] == [3.0, 1.0, 2.0]
    assert max(drawn["video"]) < 2.7, "the noise of single steps is averaged"
    drawing = plots.svg(figure, "x")
    assert "DejaVu" not in drawing and "font-family: system-ui, sans-serif" in drawing, "the page's letters"
    bars = plots.stacked_bars(["64x64x9"], {"train": [17], "held-out": [8]}, "Clips").axes[0].patches
    assert len({bar.get_facecolor() for bar in bars}) == 2


def test_another_config_takes_the_place_of_the_one_shown():
    """What is published after a corrected licence shows no word of the earlier one."""
    before, after = "license: CC-BY-NC-4.0\nname: </code><b>", "license: 'CC-BY-4.0'\nname: &"
    page = render(replace(ReportData("x", "t2v"), config_yaml=before))
    changed = with_config(page, after)
    assert changed == render(replace(ReportData("x", "t2v"), config_yaml=after)) != page
    assert with_config(render(ReportData("x", "t2v")), after) == render(ReportData("x", "t2v"))
