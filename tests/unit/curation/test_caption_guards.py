"""What a caption server must not bring about: endless requests, secrets shown, costs that nobody counted."""

from __future__ import annotations

import logging

import pytest
from caption_server import FRAMES, TONE, Server, ask, client, gemini, said, serving

from ltx_core.config.load import load
from ltx_core.curation.captioning.client import shown_url
from ltx_core.curation.captioning.endpoint import Endpoint
from ltx_core.curation.captioning.gemini import Gemini
from ltx_core.curation.captioning.outcome import EndpointError, NoCaptionError
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
