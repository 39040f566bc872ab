"""Caption servers that misbehave, over real HTTP: what is asked again, given up, and said of it."""

from __future__ import annotations

import base64
import email.utils
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import av
import pytest
from caption_server import FRAMES, KEY, TONE, Server, ask, client, gemini, said, serving

from ltx_core.curation.captioning.endpoint import Endpoint
from ltx_core.curation.captioning.gemini import Gemini
from ltx_core.curation.captioning.ledger import Ledger
from ltx_core.curation.captioning.outcome import EndpointError, NoCaptionError, Usage
from ltx_core.curation.options.captions import CaptionOptions

serve = serving


def test_what_may_pass_is_asked_again_with_growing_drawn_pauses(serve):
    pauses = []
    server = serve((500, {}, b"oops"), "cut", (200, {}, b'{"choices": [{"mess'), said("A cat."))
    answer = ask(server, pauses)
    assert answer.caption == "A cat." and len(server.requests) == 4
    assert pauses == [0.75, 1.5, 3.0]  # three quarters of 1, 2 and 4, as drawn


def test_a_slow_answer_is_not_waited_for_for_ever(serve):
    server = serve("slow", said("A cat."))
    assert ask(server, timeout=0.2).caption == "A cat."
    with pytest.raises(EndpointError, match=r"failed 1 times, last with ReadTimeout"):
        ask(serve("slow"), timeout=0.2, retries=0)


def test_retry_after_is_honoured_as_number_and_date_and_by_all_threads(serve):
    pauses = []
    date = email.utils.format_datetime(email.utils.localtime(), usegmt=False)
    server = serve((429, {"Retry-After": "90"}, b""), (503, {"Retry-After": date}, b""), said("A cat."))
    ask(server, pauses)
    assert (
        pauses[0] == pytest.approx(94.5) and pauses[1] < 2
    )  # as long as asked and a little more, never less
    with pytest.raises(EndpointError, match="asks to wait 7200 s"):
        ask(serve((429, {"Retry-After": "7200"}, b"")))
    server = Server(
        lambda number, body: (429, {"Retry-After": "0.4"}, b"") if number == 1 else said("A cat.")
    )
    options = CaptionOptions(captioner="endpoint", base_url=server.url, model="m", mode="frames", images=1)
    with Endpoint(options) as found, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: found.caption(FRAMES, 8, None, 0), range(6)))
    server.shutdown()
    server.server_close()
    later = [at - server.at[0] for at in server.at if at - server.at[0] > 0.2]
    assert later and min(later) >= 0.4


@pytest.mark.parametrize(
    ("status", "message", "found"),
    [
        (401, "no", "refused the key"),
        (400, "API key not valid. Please pass a valid API key.", "refused the key"),
        (404, "The model `omni` does not exist.", "offers no model 'omni'"),
        (429, "You exceeded your current quota. insufficient_quota", "account or its quota"),
        (429, "Quota exceeded: GenerateRequestsPerDayPerProject", "account or its quota"),
        (
            400,
            "max_tokens is too large: 400. maximum context length is 300",
            "lower dataset.captions.max_tokens",
        ),
        (418, "I am a teapot", "refuses the first request"),
    ],
)
def test_what_will_not_pass_ends_the_run_at_once(serve, status, message, found):
    server = serve((status, {}, {"error": {"message": f"{message} {KEY}"}}))
    with pytest.raises(EndpointError, match=found) as caught:
        ask(server)
    assert len(server.requests) == 1 and KEY not in str(caught.value)


def test_what_is_about_one_clip_is_its_reason(serve):
    long = {"error": {"message": "This model's maximum context length is 4096 tokens"}}
    with pytest.raises(NoCaptionError, match="refused by the captioner: HTTP 400: This model's maximum"):
        ask(serve((400, {}, long)))
    server = serve(said("A cat."), (422, {}, {"error": "odd frame"}), said("A dog."))
    with client(server) as found:
        found.caption(FRAMES, 8, TONE, 8000)
        with pytest.raises(NoCaptionError, match="HTTP 422: odd frame"):
            found.caption(FRAMES, 8, TONE, 8000)
        assert found.caption(FRAMES, 8, TONE, 8000).caption == "A dog."


@pytest.mark.parametrize(
    "message",
    [
        "At most 0 video(s) may be provided in one prompt.",
        "Invalid value: 'video_url'. Supported values are: 'text', 'image_url', 'input_audio'.",
        "unsupported content[].type",
        "Input tag 'video_url' found using 'type' does not match any of the expected tags",
    ],
)
def test_a_server_without_video_gets_frames_and_it_is_said_once(serve, caplog, message):
    def answer(number, body):
        kinds = [part["type"] for part in body["messages"][0]["content"]]
        return (400, {}, {"error": {"message": message}}) if "video_url" in kinds else said("A cat.")

    server = Server(answer)
    with caplog.at_level(logging.WARNING), client(server, mode="video", images=3) as found:
        answers = [found.caption(FRAMES, 8, TONE, 8000) for _ in range(3)]
    server.shutdown()
    server.server_close()
    assert [answer.sent for answer in answers] == ["frames+audio"] * 3 and len(server.requests) == 4
    (said_once,) = [record.message for record in caplog.records]
    assert "takes no video" in said_once and "mode: frames" in said_once
    with pytest.raises((EndpointError, NoCaptionError)):
        ask(serve((400, {}, {"error": {"message": message}})), mode="video", fallback=False)


def test_a_server_without_ears_gets_no_sound(serve, caplog):
    def answer(number, body):
        kinds = [part["type"] for part in body["messages"][0]["content"]]
        deaf = {"error": {"message": "audio input is not supported - hint: provide an mmproj"}}
        return (500, {}, deaf) if "input_audio" in kinds else said("A cat.")

    server = Server(answer)
    with client(server) as found:
        assert found.caption(FRAMES, 8, TONE, 8000).sent == "frames"
        with pytest.raises(NoCaptionError, match="takes no sound"):
            found.caption(None, 8, TONE, 8000)
    server.shutdown()
    server.server_close()
    assert "takes no audio" in caplog.text


def test_presets_send_what_vllm_takes(serve):
    server = serve(said("A cat."))
    ask(server, preset="vllm_qwen_omni", extra_body={"chat_template_kwargs": {"x": 1}, "seed": 3})
    body = server.requests[0][2]
    kinds = [part["type"] for part in body["messages"][0]["content"]]
    assert kinds == ["video_url", "audio_url", "text"]
    assert body["mm_processor_kwargs"] == {"fps": 2.0} and body["seed"] == 3
    assert body["chat_template_kwargs"] == {"enable_thinking": False, "x": 1}
    sound = body["messages"][0]["content"][1]["audio_url"]["url"]
    assert sound.startswith("data:audio/wav;base64,")
    ask(server, preset="vllm_qwen_vl", mode="frames", longest_side=24, images=2)
    parts = server.requests[1][2]["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["image_url", "image_url", "text"]


def test_the_limits_of_a_minute_hold_for_all_processes(tmp_path):
    now = [1000.0]
    options = CaptionOptions(requests_per_minute=3, tokens_per_minute=1000, max_tokens=100)
    first, second = (Ledger(options, tmp_path / "spent.jsonl", lambda: now[0]) for _ in range(2))
    for ledger in (first, second, first):
        name, wait = ledger.enter(100)
        assert wait == 0
        ledger.settle(name, Usage(100, 100, 1))
        now[0] += 10
    assert second.enter(100) == ("", pytest.approx(30.0))
    now[0] += 30
    name, wait = second.enter(100)
    assert wait == 0
    second.settle(name, Usage(600, 100, 1))  # more than was guessed: later guesses are six times as large
    # Three requests are in this minute, and the next, of 700 tokens, has to be alone in its own.
    assert first.enter(100) == ("", pytest.approx(60.0))
    assert first.total() == (Usage(900, 400, 4), 0.0)
    assert Ledger(options, tmp_path / "spent.jsonl").total() == first.total()


def test_many_threads_ask_and_no_answer_is_mixed_up(serve):
    def answer(number, body):
        time.sleep(0.01 * (number % 3))
        return said(f"Clip {body['messages'][0]['content'][-1]['text']}.")

    server = Server(answer)
    with client(server, images=1) as found, ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda n: found.caption(FRAMES, 8, None, 0, f"number {n}").caption, range(40)))
    server.shutdown()
    server.server_close()
    assert texts == [f"Clip number {n}." for n in range(40)]
    assert 2 <= server.most <= 8 and found.ledger.total()[0] == Usage(4000, 280, 40)


def test_gemini_sees_and_hears_and_its_key_is_in_a_header_alone(serve, caplog):
    server = serve(gemini())
    with (
        caplog.at_level(logging.DEBUG),
        client(
            server, kind=Gemini, extra_body={"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}
        ) as found,
    ):
        answer = found.caption(FRAMES, 8, TONE, 8000)
    assert (answer.caption, answer.prompt_tokens, answer.completion_tokens) == ("A cat sleeps.", 500, 25)
    path, headers, body = server.requests[0]
    assert path == "/v1/models/omni:generateContent" and headers["x-goog-api-key"] == KEY
    assert KEY not in path and KEY not in caplog.text
    assert body["generationConfig"] == {
        "maxOutputTokens": 400, "temperature": 0.0, "thinkingConfig": {"thinkingBudget": 0},
    }  # fmt: skip
    film, question = body["contents"][0]["parts"]
    assert question["text"] == CaptionOptions().prompt and film["video_metadata"] == {"fps": 2.0}
    with av.open(BytesIO(base64.b64decode(film["inline_data"]["data"]))) as container:
        assert container.streams.video[0].frames == 9 and len(container.streams.audio) == 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (
            {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}},
            r"blocked the clip \(PROHIBITED_CONTENT\)",
        ),
        ({"candidates": [{"finishReason": "SAFETY"}]}, r"withheld its answer \(SAFETY\)"),
        (
            {"candidates": [{"finishReason": "MAX_TOKENS", "content": {}}]},
            "used up 400 tokens before it answered",
        ),
        ({"candidates": [{"finishReason": "RECITATION"}]}, "answer is empty"),
    ],
)
def test_what_gemini_withholds_is_the_clips_reason(serve, reply, reason):
    with pytest.raises(NoCaptionError, match=reason):
        ask(serve((200, {}, reply)), kind=Gemini)


def test_gemini_asks_to_wait_in_its_own_words(serve):
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}]
    busy = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": details}}
    pauses = []
    assert ask(serve((429, {}, busy), gemini()), pauses, kind=Gemini).caption == "A cat sleeps."
    assert pauses == [pytest.approx(35.7)]
    with pytest.raises(EndpointError, match="must lead to the Gemini API"):
        ask(serve(said("A cat.")), kind=Gemini)
