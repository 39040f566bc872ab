"""A public package has the name ltx_core too: when it comes first on the path, the command says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_another_ltx_core_is_named_and_nothing_runs(tmp_path: Path):
    (tmp_path / "ltx_core").mkdir()
    (tmp_path / "ltx_core" / "__init__.py").touch()
    found = subprocess.run(
        [sys.executable, "-m", "flows.cli", "plan", "configs/demo.yaml"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    assert f"another package named ltx_core is installed ({tmp_path / 'ltx_core'})" in found.stderr
    assert "Traceback" not in found.stderr
