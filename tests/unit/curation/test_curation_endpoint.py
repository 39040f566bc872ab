"""The captioner behind HTTP, against a real server on the loopback."""

import base64
import io
import json
import threading
import wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from ltx_core.curation.captioning.answer import NoCaptionError, clean_answer
from ltx_core.curation.captioning.endpoint import Endpoint, EndpointError
from ltx_core.curation.options.captions import CaptionOptions
from ltx_core.media.decode import read_frames

KEY = "sk-secret-key-of-a-test"
FRAMES = np.random.default_rng(0).integers(0, 255, (9, 64, 64, 3), np.uint8)
TONE = np.tile(0.4 * np.sin(np.arange(9000) * 0.3), (2, 1)).astype(np.float32)


def reply(text):
    usage = {"prompt_tokens": 321, "completion_tokens": 12}
    return {"choices": [{"message": {"role": "assistant", "content": text}}], "usage": usage}


class Server(ThreadingHTTPServer):
    """Answers with the (status, headers, body) of `answers` in turn, the last one for ever."""

    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.requests = []
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, dict(self.headers), body))
        answers = self.server.answers
        status, headers, content = answers.pop(0) if len(answers) > 1 else answers[0]
        data = (json.dumps(content) if not isinstance(content, str) else content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def serve(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CAPTION_KEY", KEY)
    servers = []

    def start(*answers):
        server = Server(answers)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(server, pauses=None, **options):
    settings = {"model": "omni", "api_key_env": "CAPTION_KEY", "retries": 3} | options
    chosen = CaptionOptions(captioner="endpoint", base_url=server.url, **settings)
    sleep = (pauses if pauses is not None else []).append
    with Endpoint(chosen, sleep=sleep, draw=lambda: 0.0) as endpoint:
        return endpoint.caption(FRAMES, 8, TONE, 8000)


def test_frames_and_sound_arrive_and_a_busy_server_is_asked_again(serve, caplog):
    server = serve((429, {"Retry-After": "7"}, "slow down"), (200, {}, reply("A cat sleeps.")))
    pauses = []
    answer = ask(server, pauses, images=4, extra_body={"top_p": 0.5})
    assert (answer.caption, answer.prompt_tokens, answer.completion_tokens) == ("A cat sleeps.", 321, 12)
    assert pauses == [7.0]
    assert len(server.requests) == 2
    path, headers, body = server.requests[1]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert (body["model"], body["max_tokens"], body["temperature"], body["top_p"]) == ("omni", 400, 0.0, 0.5)
    (message,) = body["messages"]
    parts = message["content"]
    assert [part["type"] for part in parts] == ["image_url"] * 4 + ["input_audio", "text"]
    kind, data = parts[0]["image_url"]["url"].split(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (64, 64)
    assert parts[4]["input_audio"]["format"] == "wav"
    with wave.open(io.BytesIO(base64.b64decode(parts[4]["input_audio"]["data"]))) as sound:
        assert (sound.getnchannels(), sound.getframerate(), sound.getnframes()) == (1, 16000, 18000)
    assert parts[5]["text"] == CaptionOptions().prompt
    assert KEY not in caplog.text


def test_a_video_is_sent_whole_and_silence_is_not(serve, tmp_path, monkeypatch):
    server = serve((200, {}, reply("A cat.")))
    monkeypatch.setattr("test_curation_endpoint.TONE", np.zeros((2, 9000), np.float32))
    ask(server, mode="video", prompt="What is it?")
    parts = server.requests[0][2]["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["video_url", "text"]
    assert parts[1]["text"] == "What is it?"
    kind, data = parts[0]["video_url"]["url"].split(",")
    assert kind == "data:video/mp4;base64"
    (tmp_path / "sent.mp4").write_bytes(base64.b64decode(data))
    assert read_frames(tmp_path / "sent.mp4", range(9)).shape == FRAMES.shape


def test_retries_end_with_the_last_problem_and_growing_pauses(serve):
    server = serve((503, {}, "loading"))
    pauses = []
    with pytest.raises(
        EndpointError, match=r"failed 4 times, last with HTTP 503: loading\. Start the server"
    ):
        ask(server, pauses)
    assert pauses == [1.0, 2.0, 4.0]
    server.shutdown()
    server.server_close()
    with pytest.raises(EndpointError, match="failed 1 times, last with Connect"):
        ask(server, retries=0)


def test_no_key_is_sent_when_none_is_set_and_none_is_ever_shown(serve, monkeypatch):
    server = serve((400, {}, f"bad request with {KEY}"))
    with pytest.raises(EndpointError, match=r"HTTP 400: bad request with \*\*\*") as caught:
        ask(server)
    assert KEY not in str(caught.value)
    server.answers = [(401, {}, "who?")]
    with pytest.raises(EndpointError, match="set the environment variable CAPTION_KEY to a valid one"):
        ask(server)
    monkeypatch.delenv("CAPTION_KEY")
    server.answers = [(200, {}, reply("A cat."))]
    ask(server)
    assert "Authorization" not in server.requests[-1][1]


@pytest.mark.parametrize("content", ["<html>hello</html>", {"error": "x"}, {"choices": []}, ["list"]])
def test_another_kind_of_server_is_named(serve, content):
    with pytest.raises(EndpointError, match=r"did not answer in JSON|OpenAI-compatible"):
        ask(serve((200, {}, content)))


def test_a_model_must_be_named():
    with pytest.raises(EndpointError, match=r"captions\.model is empty"):
        Endpoint(CaptionOptions(captioner="endpoint"))


@pytest.mark.parametrize(
    ("answer", "caption"),
    [
        ("A cat sleeps.", "A cat sleeps."),
        ("<think>It is a cat.\nI think.</think>\n\nA cat sleeps.", "A cat sleeps."),
        ("thoughts without a start</think>A cat sleeps.", "A cat sleeps."),
        ("```text\nA cat sleeps.\n```", "A cat sleeps."),
        ('```json\n{"caption": "A cat sleeps."}\n```', "A cat sleeps."),
        ("The video shows a cat that sleeps.", "A cat that sleeps."),
        ("Sure! Here is a caption for the video: The clip depicts a cat.", "A cat."),
        ("**Caption:** A cat sleeps.", "A cat sleeps."),
        ('"A cat sleeps."', "A cat sleeps."),
        ('"Hello," says a cat, "you."', '"Hello," says a cat, "you."'),
        ("The video store shows a cat.", "The video store shows a cat."),
        ("a cat, then\n\na dog \N{DOG FACE}", "a cat, then\n\na dog \N{DOG FACE}"),
    ],
)
def test_answers_are_cleaned(answer, caption):
    assert clean_answer(answer) == caption


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "  \n",
        "<think>only thoughts",
        "I'm sorry, I can't help with that.",
        "I cannot see.",
        None,
        "```\n```",
    ],
)
def test_empty_answers_and_refusals_are_rejected(answer):
    with pytest.raises(NoCaptionError, match="no caption: "):
        clean_answer(answer)
