"""What a caption server must not bring about: endless requests, secrets shown, costs that nobody counted."""

from __future__ import annotations

import logging

import pytest
from caption_server import FRAMES, TONE, Server, ask, client, gemini, said, serving

from ltx_core.config.load import load
from ltx_core.curation.captioning.client import shown_url
from ltx_core.curation.captioning.endpoint import Endpoint
from ltx_core.curation.captioning.gemini import Gemini
from ltx_core.curation.captioning.journal import Answered, Journal
from ltx_core.curation.captioning.ledger import Ledger
from ltx_core.curation.captioning.outcome import EndpointError, NoCaptionError, Usage
from ltx_core.curation.captioning.verdict import judge
from ltx_core.curation.options.captions import CaptionOptions
from ltx_core.errors import ConfigError

serve = serving


def test_gemini_is_asked_without_what_it_refuses_and_not_for_ever(serve):
    def answer(number, body):
        kinds = {part.get("inline_data", {}).get("mime_type") for part in body["contents"][0]["parts"]}
        refused = next((kind for kind in ("video", "audio") if f"{kind}/" in str(kinds)), None)
        return (400, {}, {"error": {"message": f"{refused} is not supported"}}) if refused else gemini()

    server = Server(answer)
    with client(server, kind=Gemini) as found:
        assert found.caption(FRAMES, 8, TONE, 8000).sent == "frames" and len(server.requests) == 3
        with pytest.raises(NoCaptionError, match="takes no sound") as caught:
            found.caption(None, 8, TONE, 8000)
        assert caught.value.unasked and len(server.requests) == 3
    server.shutdown()
    server.server_close()

    class Stubborn(Gemini):
        def _body(self, clip, without, temperature):
            return super()._body(clip, frozenset(), temperature)

    server = serve((400, {}, {"error": {"message": "video is not supported"}}))
    with (
        Stubborn(client(server, kind=Gemini).options) as found,
        pytest.raises(EndpointError, match="where none was sent"),
    ):
        found.caption(FRAMES, 8, None, 0)
    assert len(server.requests) == 2


def test_no_part_of_a_key_is_said(serve, monkeypatch, caplog):
    monkeypatch.setenv("CAPTION_KEY", "sk-0123456789-0123456789")
    server = serve((503, {}, {"error": {"message": "x" * 290 + " sk-0123456789-0123456789"}}))
    with pytest.raises(EndpointError, match=r"HTTP 503: x+") as caught:
        ask(server)
    assert "sk-" not in str(caught.value) + caplog.text
    for wrong in ("sk-one\nsk-two", "sk one", "sk-\u2013dash", "sk\x07bell"):
        monkeypatch.setenv("CAPTION_KEY", wrong)
        with pytest.raises(EndpointError, match="variable CAPTION_KEY holds no key") as caught:
            ask(server, kind=Gemini)
        assert "sk" not in str(caught.value) + caplog.text
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "wrong", ["http://me:hush@host/v1", "http://me:hu/sh@host/v1", "http://host/v1?key=hush"]
)
def test_an_address_with_a_password_is_refused_and_never_quoted(wrong, tmp_path):
    (tmp_path / "run.yaml").write_text(f"dataset:\n  captions:\n    base_url: {wrong}\n")
    with pytest.raises(ConfigError, match="base_url holds a user, a password or a query") as caught:
        load(tmp_path / "run.yaml")
    assert "hu" not in str(caught.value) and "hu" not in shown_url(wrong)


def test_requests_are_not_told_by_the_library_and_a_wrong_address_is_no_crash(serve, caplog):
    with caplog.at_level(logging.INFO):
        ask(serve(said("A cat.")))
        options = CaptionOptions(captioner="endpoint", model="m", base_url="http://host:port/v1")
        with Endpoint(options) as found, pytest.raises(EndpointError, match="is no address"):
            found.caption(FRAMES, 8, None, 0)
    assert not [record for record in caplog.records if record.name.startswith("http")]


def test_half_a_surrogate_pair_can_be_stored(serve, tmp_path):
    answer = ask(serve(said("A cat \ud83d sleeps \ud83d\ude00.")))
    assert answer.caption == answer.raw == "A cat \ufffd sleeps \U0001f600."
    withheld = serve((200, {}, {"promptFeedback": {"blockReason": "ODD\udc00"}}))
    refused = serve((413, {}, {"error": {"message": "odd \ud800"}}))
    for server, kind in ((withheld, Gemini), (refused, Endpoint)):
        with pytest.raises(NoCaptionError) as caught:
            ask(server, kind=kind)
        assert "\ufffd" in str(caught.value) and str(caught.value).encode()
    journal = Journal(tmp_path)
    with journal.writing() as keep:
        keep("a", Answered("half \ud800", problem="\udfff"))
    assert journal.load() == {"a": Answered("half \ufffd", problem="\ufffd")}


@pytest.mark.parametrize(
    ("status", "text", "headers", "kind"),
    [
        (429, "check your plan and billing details", {"retry-after": "7"}, "again"),
        (429, '{"error": {"message": "see billing", "details": [{"retryDelay": "7s"}]}}', {}, "again"),
        (429, "check your plan and billing details", {}, "money"),
        (429, '"GenerateRequestsPerDay", "retryDelay": "7s"', {}, "money"),
        (429, "insufficient_quota", {"retry-after": "7"}, "money"),
        (403, "requires moderation, and your input was flagged", {}, "clip"),
        (403, "This violates our usage policies", {}, "clip"),
        (403, "forbidden", {}, "key"),
        (403, "Invalid API key, see the safety pages", {}, "key"),
    ],
)
def test_a_pause_or_a_policy_is_not_taken_for_an_empty_account_or_a_wrong_key(status, text, headers, kind):
    found = judge(status, text, headers, frozenset())
    assert found.kind == kind and found.pause == (7.0 if kind == "again" else None)


def test_an_answer_packed_in_an_odd_way_is_asked_for_again(serve):
    server = serve((200, {"Content-Encoding": "gzip"}, b"this is no gzip"), said("A cat."))
    assert ask(server).caption == "A cat."


PRICES = {"price_in": 1000.0, "price_out": 1000.0, "images": 1, "retries": 1, "max_tokens": 50}


def spent(server, **options):
    """What asking once took, by the ledger, and how it ended."""
    with client(server, **PRICES | options) as found:
        try:
            ended = found.caption(FRAMES, 8, None, 0)
        except (EndpointError, NoCaptionError) as error:
            ended = error
        return *found.ledger.total(), ended


def test_what_may_have_been_billed_costs_what_was_expected(serve):
    free, paid, _ = spent(serve((503, {}, b"busy"), said("A cat.")))
    assert free == Usage(100, 7, 1) and paid == pytest.approx(0.107)
    for lost in ("cut", "slow", (200, {}, b"no JSON")):
        usage, cost, _ = spent(serve(lost, said("A cat.")), timeout=0.3)
        assert (usage.requests, usage.completion_tokens) == (1, 57) and cost > paid + 0.05
    usage, cost, error = spent(serve((200, {}, {"hello": 1})))
    assert isinstance(error, EndpointError) and usage.completion_tokens == 50 and cost > 0.05
    _, cost, error = spent(serve("cut"), max_cost=0.3)
    assert "max_cost" in str(error) and 0.1 < cost <= 0.3


def test_every_try_counts_against_the_limits(serve):
    pauses = []
    server = serve((503, {}, b"busy"), said("A cat."))
    with client(server, pauses, requests_per_minute=1) as found:
        found.ledger._clock = lambda: sum(pauses)
        found.caption(FRAMES, 8, None, 0)
    assert pauses == [0.75, 59.25]


def test_an_answer_without_counts_costs_what_is_expected_and_one_paid_for_is_kept(serve):
    usage, cost, answer = spent(serve((200, {}, {"choices": [{"message": {"content": "A cat sleeps."}}]})))
    assert (answer.prompt_tokens, answer.completion_tokens) == (usage.prompt_tokens, 4)
    assert usage.prompt_tokens > 40 and cost == pytest.approx((usage.prompt_tokens + 4) / 1000)
    _, _, error = spent(serve(said("I cannot help."), (413, {}, b"too large")))
    assert (error.usage, error.raw, error.unasked) == (Usage(100, 7, 1), "I cannot help.", False)


def test_a_ledger_that_cannot_be_read_is_let_go_and_odd_lines_are_passed_over(tmp_path):
    path = tmp_path / "spent.jsonl"
    path.write_text(
        '7\n["a", null, 1, 1, null, 1]\n[["b"], 1, 1, 1.5, [1, 1, 1], 1]\n["c", 1, 1, 1, [1, "x"], 1]\n'
    )
    assert Ledger(CaptionOptions(), path).total() == (Usage(1, 1, 1), 1.5)
    path.unlink()
    path.mkdir()
    ledger = Ledger(CaptionOptions(), path)
    with pytest.raises(OSError):
        ledger.total()
    path.rmdir()
    assert ledger.total() == (Usage(), 0.0)
