"""The in-context LoRA learns to follow its Canny reference, by the thresholds of the tiny model."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from cli import LTX, ROOT

pytestmark = pytest.mark.prove


@pytest.mark.timeout(1200)
def test_the_reference_decides_on_held_out_clips(tmp_path: Path):
    command = [LTX, "run", "configs/v2v_ic_lora.yaml", f"workspace={tmp_path}"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=900)
    (run,) = (tmp_path / "runs").glob("v2v_ic_lora-*")
    rows = {row["measure"]: row for row in json.loads((run / "evaluation.json").read_text())["influence"]}
    loss, centre = rows["held-out loss"], rows["distance of the object, px"]
    edges = rows["agreement of the edges, F1"]
    assert loss["right"] <= 0.75 * loss["wrong"] and loss["right"] < loss["withheld"]
    assert centre["right"] <= 6 and centre["wrong"] >= 10 and centre["withheld"] >= 10
    # Against the autoencoder's own round trip, which lifts all three (against the frames .55, .09, .11).
    assert edges["right"] >= 0.60 and edges["wrong"] <= 0.40 and edges["withheld"] <= 0.25
    # With another clip's reference the object is where that reference says.
    assert centre["followed"] <= 6
    report = (run / "report.html").read_text()
    assert "What each condition does" in report and "The samples follow the reference (video)" in report
