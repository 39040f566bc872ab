"""Our local server: locked, on loopback, quiet, and gone with its parent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from flows._server import QUIET, ServerError, answers, server, users_server

ROOT = Path(__file__).resolve().parents[2]


def test_the_local_server_is_locked_and_on_loopback(prefect_server):
    url = os.environ["PREFECT_API_URL"]
    assert url.startswith("http://127.0.0.1:")
    assert answers(url)
    assert httpx.post(f"{url}/flows/filter", json={}).status_code == 401
    user, password = os.environ["PREFECT_API_AUTH_STRING"].split(":")
    assert httpx.post(f"{url}/flows/filter", json={}, auth=(user, password)).status_code == 200


def test_nothing_is_sent_anywhere(prefect_server):
    from prefect.settings import get_current_settings

    assert os.environ["DO_NOT_TRACK"] == "1"
    assert not get_current_settings().server.analytics_enabled
    assert set(QUIET) <= set(os.environ)


def test_a_server_of_the_users_that_does_not_answer_is_named(tmp_path, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{taken.getsockname()[1]}/api")
        with pytest.raises(ServerError, match="No Prefect server answers"), server(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_the_users_server_is_found_in_the_environment_and_in_the_profile(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("PREFECT_PROFILE", raising=False)
    assert users_server() is None
    profile = 'active = "studio"\n[profiles.studio]\nPREFECT_API_URL = "http://studio:4200/api"\n'
    (tmp_path / "profiles.toml").write_text(profile)
    assert users_server() == "http://studio:4200/api"
    monkeypatch.setenv("PREFECT_API_URL", "http://other:4200/api")
    assert users_server() == "http://other:4200/api"


def test_a_home_that_cannot_be_made_is_a_plain_error(tmp_path, monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "none"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerError, match="cannot be written"), server(tmp_path / "file" / "prefect"):
        pass


def test_a_killed_parent_leaves_no_server(tmp_path, until):
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom flows._server import LocalServer\n"
        "print(LocalServer(Path(sys.argv[1])).process.pid, flush=True)\ntime.sleep(300)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert psutil.pid_exists(pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


@pytest.mark.prove
def test_servers_that_start_at_once_on_a_new_home_all_answer(tmp_path):
    """Two that made one database at the same time used to fail, one of them."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom flows._server import LocalServer\n"
        "local = LocalServer(Path(sys.argv[1]))\nlocal.wait()\nlocal.close()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(3)]
    for process in started:
        _, problem = process.communicate(timeout=300)
        assert process.returncode == 0, problem
