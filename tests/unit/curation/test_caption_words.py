"""Words of captions: what is asked, what is taken off an answer, measured ones, warnings of them."""

from __future__ import annotations

import numpy as np
import pytest

from ltx_core.curation.captioning.answer import clean_answer
from ltx_core.curation.captioning.describe import describe
from ltx_core.curation.captioning.outcome import NoCaptionError
from ltx_core.curation.captioning.prompts import SOUND_TEMPLATES, TEMPLATES, places, template
from ltx_core.curation.captioning.verdict import judge
from ltx_core.errors import ConfigError
from ltx_core.evaluation.caption_warnings import caption_warnings, shared_captions
from ltx_core.evaluation.card_facts import CardFacts
from ltx_core.evaluation.card_text import _data
from ltx_core.evaluation.report import DatasetFacts, ReportData
from ltx_core.evaluation.report_data_section import _captions


@pytest.mark.parametrize(
    ("answer", "caption"),
    [
        ("In this video, we see a red kite. It dives.", "A red kite. It dives."),
        ("Here is a detailed description of the video:\n\nA red kite.", "A red kite."),
        ("Certainly! The footage opens with a red kite.", "A red kite."),
        ('["A red kite."]', "A red kite."),
        ('{"combined_caption_english": "A red kite.", "mood": "calm"}', "A red kite."),
        ("A kite rises. " + "It turns left. " * 9, "A kite rises. It turns left."),
        ("The video shows the river.", "The river."),
        ("In this video game arcade, two people play.", "In this video game arcade, two people play."),
        ("The scene painter shows his work.", "The scene painter shows his work."),
        ("Well, well, well, a man says.", "Well, well, well, a man says."),
    ],
)
def test_stock_phrases_and_loops_are_taken_off(answer, caption):
    assert clean_answer(answer) == caption


def test_a_cut_answer_ends_with_its_last_sentence_and_own_phrases_go_too():
    assert clean_answer('A man says "stop." Then the', cut=True) == 'A man says "stop."'
    assert clean_answer("A man runs towards the", cut=True) == "A man runs towards the"
    assert clean_answer("Shot on film: a man runs.", ("shot on film",)) == "A man runs."
    with pytest.raises(NoCaptionError, match="repeats itself"):
        clean_answer("cat " * 200)


def test_templates_can_be_filled_and_a_typing_mistake_is_named():
    for sound, known in ((False, TEMPLATES), (True, SOUND_TEMPLATES)):
        for name, text in known.items():
            assert template(name, sound) == text and places(text) <= {"duration", "has_sound", "hint"}
    assert template('Answer as {"caption": "..."}, please.') == 'Answer as {"caption": "..."}, please.'
    with pytest.raises(ConfigError, match=r"placeholder \{fps\}"):
        template("At {fps}, what is seen?")


def test_a_stray_status_never_raises_anything_else():
    for status in (*range(400, 430), 500, 501, 502, 503, 504, 529):
        for text in (
            "",
            "{",
            "[]",
            '{"error": null}',
            '{"error": {"message": 3}}',
            '{"message": "no"}',
            "video",
        ):
            assert judge(status, text, {}, frozenset({"video"})).kind


def test_measured_facts_make_a_paragraph_of_the_same_facts():
    frames = np.full((9, 64, 64, 3), 20, np.uint8)
    for number in range(9):
        frames[number, 20:44, 4 + 4 * number : 28 + 4 * number] = (235, 215, 40)
    hum = np.tile(0.4 * np.sin(2 * np.pi * 220 * np.arange(9000) / 8000), (2, 1)).astype(np.float32)
    phrase, facts = describe(frames, 8, hum, 8000)
    text, same = describe(frames, 8, hum, 8000, "paragraph")
    assert same == facts and phrase == "a yellow square moves right on a dark background, low hum"
    assert text == (
        "A yellow square moves right on a dark background. The movement is calm. The picture is dark, with "
        "medium contrast and muted colours. What is heard is a low hum, dull."
    )
    rising = (np.linspace(20, 220, 9)[:, None, None, None] * np.ones((1, 64, 64, 3))).astype(np.uint8)
    text, _ = describe(rising, 8, None, 0, "paragraph")
    assert "Then it becomes brighter." in text and "sound" not in text
    assert "hardly anything moves" in describe(rising[:1].repeat(9, 0), 8, None, 0, "paragraph")[0]
    assert "there is no sound" in describe(rising, 8, np.zeros_like(hum), 8000, "paragraph")[0].lower()


def test_measured_and_shared_captions_are_warned_of_in_report_and_card():
    same = shared_captions(["a cat"] * 5 + ["a dog"] * 3 + ["a <b>kite</b>"])
    assert same == {"a cat": 5}
    facts = DatasetFacts(caption_sources={"sidecar": 3, "describe": 6}, shared_captions=same)
    measured, shared = caption_warnings(facts)
    assert measured.startswith("6 of 9 captions are measured.") and "not of content" in measured
    assert shared.startswith("5 clips share 1 captions") and '"a cat" (5)' in shared
    assert "not of content" in str(_captions(facts)) and "5 clips share" in str(_captions(facts))
    card = _data(ReportData("demo", "t2v", dataset=facts), CardFacts())
    assert "not of content" in card and "5 clips share" in card
    assert caption_warnings(DatasetFacts(caption_sources={"sidecar": 9})) == []
