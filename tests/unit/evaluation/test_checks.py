"""Learning checks: limits, what counts as failed, and the page of all modes."""

from __future__ import annotations

import io
import json

from PIL import Image
from test_report import parsed

from ltx_core.evaluation.checks import Check, Checked, Limit, outcomes
from ltx_core.evaluation.checks_html import render_checks
from ltx_core.evaluation.rows import LOSS, Effect

LOSSES = Check(
    "video.prefix", LOSS, (Limit("right", "<=", 0.9, "withheld"), Limit("right", "<=", 0.95, "wrong"))
)
NEAR = Check("video.prefix", "px", (Limit("right", "<=", 6), Limit("withheld", ">=", 10)))


def test_every_limit_must_hold_and_what_was_not_measured_fails():
    good = [
        Effect("video.prefix", LOSS, 0.6, 0.8, None, 0.7),
        Effect("video.prefix", "px", 5, None, None, 10),
    ]
    assert [one.passed for one in outcomes((LOSSES, NEAR), good)] == [True, True]
    close = Effect("video.prefix", LOSS, 0.64, 0.8, None, 0.7)
    assert not outcomes((LOSSES,), [close])[0].passed
    alone = Effect("video.prefix", LOSS, 0.6, None, None, 0.7)
    assert not outcomes((LOSSES,), [alone])[0].passed
    missing = outcomes((LOSSES,), [Effect("audio.prefix", LOSS, 0.6, 0.8, None, 0.7)])[0]
    assert missing.effect is None and not missing.passed
    assert [limit.text() for limit in LOSSES.limits] == ["own ≤ 0.9 × withheld", "own ≤ 0.95 × another's"]


def test_the_page_says_which_check_failed():
    buffer = io.BytesIO()
    Image.new("RGB", (48, 32), (200, 40, 40)).save(buffer, "PNG")
    found = [Effect("video.prefix", LOSS, 0.6, 0.8, None, 0.7, clips=8), Effect("video.prefix", "px", 9)]
    one = Checked(
        "video_extend", "<b>", "", "/runs/a", outcomes((LOSSES, NEAR), found), {"own": buffer.getvalue()}
    )
    page = render_checks("Modes", "today", [one])
    read = parsed(page)
    assert "1 of 2 checks passed in 1 modes." in read.text and "video_extend: px" in read.text
    assert "<b>" not in page and page.count("<img") == 1 and "FAILED" in page
    assert not one.passed and json.loads(json.dumps(one.as_dict()))["checks"][0]["passed"] is True
