"""Several processes that answer one request: what is handed on, what is said of a failure, how all end."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import threading
import time

import psutil
import pytest

from ltx_core.errors import LtxError
from ltx_core.training import launcher
from ltx_core.training.launcher import launch
from ltx_core.training.options import AccelerationOptions
from ltx_core.training.processes import check_place, place, process_count

RANK = """
import json, os, signal, sys, time
rank = int(os.environ["RANK"])
request = json.loads(sys.stdin.readline())
def say(**message): print(json.dumps(message), flush=True)
def stop(number, frame):
    say(error="stopped", user=True)
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
open(os.path.join(request["folder"], f"pid{rank}"), "w").write(str(os.getpid()))
say(progress={"rank": rank})
"""


def rank(body: str) -> tuple[str, ...]:
    """A program in place of a training process, which waits for ever unless `body` ends it."""
    return (sys.executable, "-S", "-c", RANK + textwrap.dedent(body) + "\ntime.sleep(60)")


def run(tmp_path, body, count=2):
    told = []
    code = launch({"folder": str(tmp_path)}, count, told.append, os.environ, rank(body))
    return code, told


def gone(tmp_path):
    return [
        not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        for pid in (int(path.read_text()) for path in sorted(tmp_path.glob("pid*")))
    ]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(launcher, "TELL_S", 0.5)
    monkeypatch.setattr(launcher, "FOLLOW_S", 2.0)


def test_the_first_process_reports_for_all(tmp_path):
    code, told = run(tmp_path, "say(manifest={'rank': rank, 'of': os.environ['WORLD_SIZE']}); sys.exit()")
    assert (code, told) == (0, [{"progress": {"rank": 0}}, {"manifest": {"rank": 0, "of": "2"}}])


def test_a_process_that_is_killed_ends_the_others(tmp_path):
    code, told = run(tmp_path, "if rank == 1: os.kill(os.getpid(), signal.SIGKILL)")
    assert code == 1
    assert "training process 1 of 2 was killed" in told[-1]["error"] and told[-1]["user"]
    assert gone(tmp_path) == [True, True]


def test_the_cause_is_told_and_not_the_lost_connection(tmp_path):
    """The first process loses its connection to the one that breaks, and is the first to say so."""
    body = """
    if rank == 0:
        say(error="RuntimeError: Connection closed by peer", user=False)
        sys.exit(1)
    time.sleep(0.2)
    say(error="Traceback: ZeroDivisionError", user=False)
    sys.exit(1)
    """
    code, told = run(tmp_path, body)
    assert code == 1
    assert told[-1] == {"error": "training process 1 of 2:\nTraceback: ZeroDivisionError", "user": False}


def test_a_mistake_of_all_is_told_once(tmp_path):
    _, told = run(tmp_path, "say(error='no such clip', user=True); sys.exit(1)")
    assert told[1:] == [{"error": "no such clip", "user": True}]


def test_a_request_to_end_reaches_all_once(tmp_path):
    def stop():
        while len(list(tmp_path.glob("pid*"))) < 2:
            time.sleep(0.02)
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    threading.Thread(target=stop).start()
    code, told = run(tmp_path, "")
    assert code == 75 and told[-1]["interrupted"]
    assert gone(tmp_path) == [True, True]
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_options_and_the_processes_must_agree(monkeypatch):
    """The key of a run counts the processes: a later command must find it by the config alone."""
    assert process_count(AccelerationOptions(processes="auto", device="cpu")) == 1
    assert place().world == 1 and place().main
    for name, value in {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert check_place(AccelerationOptions(processes=4)).local == 1
    with pytest.raises(LtxError, match=r"acceleration\.processes=4"):
        check_place(AccelerationOptions(device="cpu"))
