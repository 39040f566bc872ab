"""The torture folder through the real command: each file is used, or set aside with the right reason."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from fractions import Fraction

import pytest
from cli import ROOT, Clone

from data.make.torture.encode import Film, by_reference
from data.make.torture.folder import CASES, make_folder
from ltx_core.stages.clips import all_clips, rejected_cuts
from ltx_core.stages.dataset import load_samples
from ltx_core.stages.sources import repeated_files

pytestmark = pytest.mark.prove
OVERRIDES = ("dataset.buckets=[64x64x9,64x64x1]", "dataset.max_rejected_fraction=1")
MOST_MEMORY = 2 << 30
"""Bytes of the largest process of the run, whose models, libraries and largest frame (8K) are in it."""
PLANS = "configs/t2v_lora.yaml"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The pipeline after the run, what it said, and the memory of its largest process."""
    clone = Clone.make(tmp_path_factory.mktemp("torture") / "clone", "dataset.source=odd", *OVERRIDES)
    make_folder(clone.folder / "odd")
    output = clone.ltx("stage", "dataset", PLANS)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
    pipe = clone.pipeline(config="t2v_lora")
    pipe.context.refresh()
    return pipe.context, output, peak


def told(case):
    """The name of a case's file in rows: on one line."""
    return case.name.replace("\n", "\\n")


def rows(context, stage):
    return {item.name: row for item, row in context.results(stage)}


def test_every_file_is_used_or_set_aside_with_its_reason(run):
    context, _, _ = run
    wrong = {case.name: problem for case in CASES if (problem := _problem(case, context))}
    assert wrong == {}


def _problem(case, context):
    """What is not as the case says, or ""."""
    sources, scenes = rows(context, "sources"), rows(context, "scenes")
    if told(case) == "locked.mp4" and os.geteuid() == 0:
        return ""  # root can read what nobody may
    if case.outcome in ("again", "ignored"):
        again = dict(repeated_files(context))
        found = again.get(told(case), "") if case.outcome == "again" else sources.get(told(case), "")
        return "" if re.search(case.reason, found or "") and told(case) not in sources else f"found: {found}"
    found = (scenes if case.stage == "scenes" else sources).get(told(case))
    if found is None:
        return "it has no row"
    if case.outcome == "rejected":
        fits = not found.ok and re.search(case.reason, found.reason)
        return "" if fits else f"{found.status}: {found.reason}"
    return _as_used(case, context, sources[told(case)], scenes[told(case)])


def _as_used(case, context, source, scenes):
    """What is not as it should be of a file that can be read, or ""."""
    if not (source.ok and scenes.ok):
        return source.reason + scenes.reason
    differing = {
        name: (value, source.columns[name])
        for name, value in case.facts.items()
        if not (
            abs(source.columns[name] - value) <= 0.01
            if isinstance(value, float)
            else source.columns[name] == value
        )
    }
    clips = [clip for clip in all_clips(context) if clip.name.startswith(f"{told(case)} #")]
    reasons = [reason for name, reason in rejected_cuts(context) if name.startswith(f"{told(case)} #")]
    if case.outcome == "short" and not clips:
        return "" if any(re.search(case.reason, reason) for reason in reasons) else f"reasons: {reasons}"
    frames = {clip.bucket.frames for clip in clips}
    wanted = {1} if case.facts.get("kind") == "image" else {9}
    if case.outcome == "short":
        wanted = {1}
    return f"differing {differing}, clips of {frames}" if differing or frames != wanted else ""


def test_the_samples_are_those_of_the_used_files(run):
    context, output, _ = run
    _, samples = load_samples(context)
    used = {told(case) for case in CASES if case.outcome == "used"}
    of_files = {sample.name.rpartition(" #")[0] for sample in samples}
    assert used <= of_files
    assert of_files - used <= {told(case) for case in CASES if case.outcome == "short"} | {"locked.mp4"}
    rates = {sample.name.rpartition(" #")[0]: sample.source_fps for sample in samples}
    assert rates["rate_29_97.mp4"] == pytest.approx(30000 / 1001)
    assert rates["rate_12.mp4"] == 12.0 and rates["still.png"] == 0.0
    assert {sample.fps for sample in samples} == {8.0}
    plain = [sample for sample in samples if sample.name.startswith("plain.mp4 #")]
    assert "a colour that changes slowly" in plain[0].caption and plain[0].has_audio
    assert "http" not in output.replace("http:film.mp4", "")


def test_memory_is_bounded(run):
    _, _, peak = run
    assert peak < MOST_MEMORY


MEASURED = """
import sys
from pathlib import Path
from ltx_core.media.decode import frame_times, read_frames
from ltx_core.media.film import every_frame
from ltx_core.media.fit import fit
from ltx_core.media.probe import probe

folder = Path(sys.argv[1])
small = lambda frame: fit(frame[None], 64, 64)[0]
assert probe(folder / "long.mp4").duration > 10_790
assert len(frame_times(folder / "long.mp4")) == 100_000
assert read_frames(folder / "long.mp4", range(70_000, 70_009)).shape == (9, 64, 64, 3)
assert read_frames(folder / "8k.mp4", range(3), (512, 288)).shape == (3, 288, 512, 3)
assert read_frames(folder / "hd.mp4", range(300), change=small).shape == (300, 64, 64, 3)
assert sum(1 for shown in every_frame(folder / "hd.mp4") if shown.at().shape == (144, 256, 3)) == 300
# Of this program alone: what `getrusage` says begins with the memory of the process that started it.
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def test_long_and_large_films_take_no_more_memory_than_a_few_frames(tmp_path):
    """300 frames of 1080p are 1.9 GB, three of 8K 0.3 GB; the film of 100,000 frames lasts three hours."""
    by_reference(tmp_path / "long.mp4", 100_000, 0.108)
    by_reference(tmp_path / "8k.mp4", 3, 1.0, (7680, 4320))
    tags = {"color_range": 1, "colorspace": 1}
    Film(frames=300, size=(1920, 1080), rate=Fraction(30), tags=tags)(tmp_path / "hd.mp4")
    code = [sys.executable, "-c", MEASURED, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    found = subprocess.run(code, cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
    assert int(found.stdout.split()[-1]) < 400_000, found.stdout  # KiB, libraries and all
