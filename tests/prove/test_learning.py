"""`ltx demo-modes` on one mode: its checks pass, the report is whole, and the next time all is cached."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from cli import LTX, ROOT

pytestmark = pytest.mark.prove


def test_a_mode_is_trained_checked_and_reported(tmp_path: Path):
    command = [LTX, "demo-modes", "--workspace", tmp_path, "--only", "audio_extend"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    found = json.loads((tmp_path / "report.json").read_text())
    (mode,) = found["modes"]
    assert found["passed"] and mode["passed"] and len(mode["checks"]) == 3
    page = (tmp_path / "report.html").read_text()
    assert "3 of 3 checks passed" in page and page.count("<img") >= 4
    again = subprocess.run(command, cwd=ROOT, check=True, timeout=60, capture_output=True, text=True)
    assert "train             cached" in again.stdout and again.stdout.count("passed  ") == 3
    # A check that fails is told by the exit code.
    lazy = [*command, "optimization.steps=2", "optimization.warmup_steps=0", "validation.inference_steps=2"]
    assert subprocess.run(lazy, cwd=ROOT, timeout=600, check=False).returncode == 1
