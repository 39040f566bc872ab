"""A caption server that misbehaves as told: real HTTP on the loopback, in threads."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from ltx_core.curation.captioning.endpoint import Endpoint
from ltx_core.curation.captioning.gemini import Gemini
from ltx_core.curation.options.captions import CaptionOptions

KEY = "a-secret-key"
FRAMES = np.random.default_rng(0).integers(0, 255, (9, 32, 48, 3), np.uint8)
TONE = np.tile(0.4 * np.sin(np.arange(9000) * 0.3), (2, 1)).astype(np.float32)
USAGE = {"prompt_tokens": 100, "completion_tokens": 7}


def said(text, **more):
    """An answer of an OpenAI-compatible server."""
    return 200, {}, {"choices": [{"message": {"content": text}, **more}], "usage": USAGE}


class Server(ThreadingHTTPServer):
    """Answers with what `answer(number, body)` gives: (status, headers, JSON or bytes), "cut" or "slow"."""

    daemon_threads = True

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.lock = answer, threading.Lock()
        self.requests, self.at, self.busy, self.most = [], [], 0, 0
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.requests.append((self.path, dict(self.headers), body))
            server.at.append(time.monotonic())
            server.busy += 1
            server.most = max(server.most, server.busy)
            number = len(server.requests)
        try:
            self.answer(server.answer(number, body))
        finally:
            with server.lock:
                server.busy -= 1

    def answer(self, answer):
        if answer == "slow":
            time.sleep(1.0)
            answer = said("too late")
        if answer == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"choices": [')
            self.close_connection = True
            return
        status, headers, content = answer
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture(name="serve")
def serving(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CAPTION_KEY", KEY)
    servers = []

    def start(*answers):
        """Answers in turn, the last one for ever."""
        servers.append(Server(lambda number, body: answers[min(number, len(answers)) - 1]))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def client(server, pauses=None, kind=Endpoint, ledger=None, **options):
    settings = {"model": "omni", "api_key_env": "CAPTION_KEY", "retries": 3} | options
    name = "gemini" if kind is Gemini else "endpoint"
    chosen = CaptionOptions(captioner=name, base_url=server.url, **settings)
    sleep = (pauses if pauses is not None else []).append
    return kind(chosen, sleep=sleep, draw=lambda: 0.5, ledger=ledger)


def ask(server, pauses=None, **options):
    with client(server, pauses, **options) as found:
        return found.caption(FRAMES, 8, TONE, 8000)


def gemini(text="A cat sleeps.", **more):
    parts = [{"text": "hm", "thought": True}, {"text": text}]
    counts = {"promptTokenCount": 500, "candidatesTokenCount": 20, "thoughtsTokenCount": 5}
    candidate = {"content": {"parts": parts}, "finishReason": "STOP", **more}
    return 200, {}, {"candidates": [candidate], "usageMetadata": counts}
