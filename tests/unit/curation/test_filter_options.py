"""How filters are written, what is refused, and what they find in given scores."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltx_core.config.load import build
from ltx_core.curation.filters.rules import RULES, findings, rules_table
from ltx_core.curation.options.filters import FILTERS, FilterOptions, Scorer
from ltx_core.errors import ConfigError

BAD = {
    **{
        "kind": "video",
        "has_sound": True,
        "luma": 0.03,
        "sharpness": 0.05,
        "motion": 0.0,
        "frozen_share": 1.0,
    },
    **{
        "black_share": 1.0,
        "border_share": 0.4,
        "text_share": 0.2,
        "overlay_share": 0.01,
        "sound_dbfs": -80.0,
    },
    **{"clipped_share": 0.3, "sound_late_s": 0.31, "sound_late_sure": 0.6},
}
GOOD = {
    **{
        "kind": "video",
        "has_sound": True,
        "luma": 0.4,
        "sharpness": 0.5,
        "motion": 0.02,
        "frozen_share": 0.0,
    },
    **{"black_share": 0.0, "border_share": 0.0, "text_share": 0.0, "overlay_share": 0.0, "sound_dbfs": -20.0},
    **{"clipped_share": 0.0, "sound_late_s": 0.02, "sound_late_sure": 0.6},
}


def filters(tmp_path, value):
    return build({"dataset": {"filters": value}}, tmp_path, "test.yaml").dataset.filters


def found(scores, options, pictures=True, sound=True):
    return {one.filter: one for one in findings(scores, options, pictures, sound, ("report", "on"))}


def test_short_forms(tmp_path):
    written = filters(
        tmp_path, {"dark": True, "blurred": 0.2, "black": "off", "text": {"mode": False, "above": 0.1}}
    )
    assert (written.dark.mode, written.dark.below) == ("on", 0.06)
    assert (written.blurred.mode, written.blurred.below) == ("on", 0.2)
    assert written.black.mode == "off" and written.text.mode == "off"
    assert (written.text.above, written.text.overlay_above) == (0.1, FilterOptions().text.overlay_above)
    partly = filters(tmp_path, {"duplicate": {"distance": 4}}).duplicate
    assert (partly.mode, partly.distance, partly.hashes) == ("report", 4, 4)
    every = filters(tmp_path, "report")
    assert {getattr(every, name).mode for name in FILTERS} == {"report"}
    assert filters(tmp_path, {}) == FilterOptions()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"dark": "maybe"}, r"dark is 'maybe'; write off, report, on or a threshold, as 0.06"),
        ("maybe", r"'maybe'; write off, report or on for all filters"),
        ({"dirk": "on"}, r"dataset\.filters\.dirk: unknown key; did you mean 'dark'"),
        ({"dark": {"above": 1}}, r"dataset\.filters\.dark\.above: unknown key"),
        ({"duplicate": {"hashes": 9}}, r"dataset\.filters\.duplicate\.hashes: .*5"),
        ({"scorers": [{"name": "dark", "function": "a:b"}]}, r"two scores are called 'dark'"),
        ({"scorers": [{"name": "A b", "function": "a:b"}]}, r"scorer 'A b': a name is small letters"),
        (
            {"scorers": [{"name": "a", "function": "nothing"}]},
            r"scorer a: function is 'nothing'; name a function",
        ),
        (
            {"scorers": [{"name": "a", "function": "a:b", "mode": "on"}]},
            r"scorer a: mode is on, but there is no threshold",
        ),
    ],
)
def test_refused(tmp_path, value, message):
    with pytest.raises(ConfigError, match=message):
        filters(tmp_path, value)


def test_each_rule_finds_its_own_and_says_the_numbers():
    options = FilterOptions()
    assert found(GOOD, options) == {}
    bad = found(BAD, options)
    assert set(bad) == {rule.name for rule in RULES}
    assert bad["dark"].reason == "dark: mean luma 0.03 < 0.06"
    assert bad["static"].reason == "static: mean change 0.0000 < 0.001"
    assert bad["text"].reason == "text: overlay 0.0100 of the picture > 0.002"
    assert bad["silent"].reason == "silent: loudness -80.0 < -60 dBFS"
    assert bad["out_of_step"].reason == "out_of_step: sound 0.31 s late > 0.12 s"
    assert {name for name, one in bad.items() if one.mode == "on"} == {"black", "frozen"}
    for rule in RULES:
        healed = {rule.score: GOOD[rule.score]} | ({"overlay_share": 0.0} if rule.name == "text" else {})
        assert set(bad) - set(found({**BAD, **healed}, options)) == {rule.name}


def test_what_a_mode_or_a_kind_does_not_have_is_not_asked():
    options, nothing = FilterOptions(), dict.fromkeys(BAD)
    sound = {rule.name for rule in RULES if rule.of == "sound"}
    assert set(found(BAD, options, sound=False)) == {rule.name for rule in RULES} - sound
    assert set(found(BAD, options, pictures=False)) == sound - {"out_of_step"}
    still = found({**BAD, "kind": "image"}, options)
    assert {"static", "frozen"} | sound == {rule.name for rule in RULES} - set(still)
    assert found({**nothing, "has_sound": True}, options) == {}
    assert [one.reason for one in found(nothing, options).values()] == ["silent: no sound"]


def test_a_scorer_may_be_shown_without_a_threshold():
    assert Scorer("aesthetic", "my.scores:aesthetic").mode == "report"


def test_the_docs_hold_the_table_of_the_filters():
    page = Path(__file__).parents[3] / "docs" / "filters.md"
    assert rules_table() in page.read_text()
