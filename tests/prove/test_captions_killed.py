"""A worker that is killed in the middle of a chunk of captions: nobody is asked twice, nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cli import Clone, environment, rows, until

pytestmark = pytest.mark.prove
SERVED = (
    "dataset.captions.captioner=endpoint",
    "dataset.captions.model=tiny",
    "dataset.captions.order=[captioner]",
    "dataset.captions.concurrency=2",
    "dataset.captions.images=2",
)
STOPS_AT = 7


class Captioner(BaseHTTPRequestHandler):
    """Answers at once; from request `STOPS_AT` on it holds its answers back until it is let go."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        picture = json.dumps(body["messages"][0]["content"][:-1])
        with server.lock:
            server.asked.append(picture)
            number = len(server.asked)
        if number >= STOPS_AT and not server.go_on.wait(60):
            return
        if number >= STOPS_AT and number in server.lost:
            return
        text = f"Clip {number} of a film."
        with server.lock:
            server.answered[picture] = text
        data = json.dumps(
            {"choices": [{"message": {"content": text}}], "usage": {"prompt_tokens": 9}}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture
def server():
    found = ThreadingHTTPServer(("127.0.0.1", 0), Captioner)
    found.daemon_threads = True
    found.lock, found.go_on = threading.Lock(), threading.Event()
    found.asked, found.answered, found.lost = [], {}, set()
    threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
    yield found
    found.go_on.set()
    found.shutdown()
    found.server_close()


def test_a_worker_killed_in_the_middle_of_a_chunk_asks_nobody_twice(server, tmp_path):
    clone = Clone.make(
        tmp_path, *SERVED, f"dataset.captions.base_url=http://127.0.0.1:{server.server_port}/v1"
    )
    clone.ltx("stage", "scores", "configs/demo.yaml")
    pipe = clone.pipeline()
    (chunk,) = pipe.plan("captions").chunks
    command = [sys.executable, "-P", "-m", "ltx_core", "worker"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    worker = subprocess.Popen(command, cwd=tmp_path, env=environment(tmp_path), text=True, **pipes)
    request = {
        "config": str(tmp_path / "configs" / "demo.yaml"),
        "overrides": list(clone.overrides),
        "base_dir": str(tmp_path),
        "stage": "captions",
        "chunk": chunk,
    }
    worker.stdin.write(json.dumps(request) + "\n")
    worker.stdin.flush()
    # Six clips are answered, the answers for two more are waited for: the chunk is far from committed.
    until(lambda: len(server.asked) >= STOPS_AT + 1 and len(server.answered) == STOPS_AT - 1)
    until(lambda: journalled(clone) == STOPS_AT - 1)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    server.lost = {STOPS_AT, STOPS_AT + 1}  # their client is gone
    server.go_on.set()
    assert "captions" not in rows(clone.workspace) or not rows(clone.workspace)["captions"]
    output = clone.ltx("stage", "captions", "configs/demo.yaml")
    asked = Counter(server.asked)
    assert len(asked) == len(chunk) and "captions" in output
    twice = {picture for picture, times in asked.items() if times > 1}
    assert twice == set(server.asked[STOPS_AT - 1 : STOPS_AT + 1])  # only those that had no answer
    found = rows(clone.workspace)["captions"].values()
    assert sorted(row.columns["caption"] for row in found) == sorted(server.answered.values())
    assert len(found) == len(chunk)
    # Another run asks nobody.
    before = len(server.asked)
    clone.ltx("stage", "captions", "configs/demo.yaml")
    assert len(server.asked) == before


def journalled(clone):
    """Answers that are on the disk and in no row."""
    folder = clone.workspace / "captions" / "answers"
    return (
        sum(len(path.read_bytes().splitlines()) for path in folder.glob("*.jsonl")) if folder.is_dir() else 0
    )
