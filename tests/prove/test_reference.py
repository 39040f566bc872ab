"""The in-context LoRA learns to follow its Canny reference, by the thresholds of the tiny model."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from cli import LTX, ROOT

pytestmark = pytest.mark.prove


def test_the_reference_decides_on_held_out_clips(tmp_path: Path):
    command = [LTX, "run", "configs/v2v_ic_lora.yaml", f"workspace={tmp_path}"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=900)
    (run,) = (tmp_path / "runs").glob("v2v_ic_lora-*")
    rows = {row["variant"]: row for row in json.loads((run / "evaluation.json").read_text())["influence"]}
    right, wrong, withheld = rows["right"], rows["wrong"], rows["withheld"]
    assert right["loss"] <= 0.75 * wrong["loss"] and right["loss"] < withheld["loss"]
    assert right["centre_px"] <= 6 and wrong["centre_px"] >= 10 and withheld["centre_px"] >= 10
    assert right["edge_f1"] >= 0.30 and wrong["edge_f1"] <= 0.25 and withheld["edge_f1"] <= 0.25
    # With another clip's reference the object is where that reference says.
    assert wrong["centre_to_given_px"] <= 6
    report = (run / "report.html").read_text()
    assert "Influence of the reference" in report and "The samples follow their reference" in report
