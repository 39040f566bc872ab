"""A new condition is one small file and its line in the list: training, config and samples then know it.

The project's code is copied, a condition is added as a person would add it, and what it does is looked at.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
FILE = '''"""middle: the frame in the middle is given, and what leads to it and follows it is generated."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ltx_core.conditions.base import Condition
from ltx_core.conditions.files import FileCondition, Part


class MiddleFile(FileCondition):
    """The middle of a sample, from a video of its length."""

    type: Literal["middle"] = "middle"
    video: Path

    def part(self, target, column):
        return Part(Middle(), target.encode(target.pictures(self.video, target.dims, target.fps)))


class Middle(Condition):
    """Hold the latent frame in the middle."""

    modalities = ("video",)
    summary = "holds the latent frame in the middle"
    file = MiddleFile

    type: Literal["middle"] = "middle"

    def hold(self, grid, content):
        import torch

        hold = torch.zeros(grid.frames, grid.height * grid.width)
        hold[grid.frames // 2] = 1
        return hold.flatten()
'''
IMPORT = "from ltx_core.conditions.middle import Middle\n"
LINE = "    Middle,\n"
USE = """
import json, sys
from pathlib import Path
import torch
import ltx_core
from ltx_core.assemble import Batch, assemble
from ltx_core.config.load import load
from ltx_core.config.modes_table import conditions_table
from ltx_core.run import Pipeline
from ltx_core.stages.batches import Rows, open_contexts, scales
from ltx_core.stages.generate import generate, prompt_request
from ltx_core.stages.network import open_velocity
from ltx_core.stages.prompts import encode_prompts
from ltx_core.training.draws import Draws
from ltx_core.training.step import StepOptions, prepare, training_step

root, workspace = map(Path, sys.argv[1:])
assert Path(ltx_core.__file__).is_relative_to(workspace)
film = "data/footage/morning.mp4"
settings = [
    f"workspace={workspace / 'ws'}", "dataset.source=/nowhere", "engine.threads=1", "acceleration.threads=1",
    "validation.inference_steps=2", "validation.video_dims=[64, 64, 9]",
    "training_strategy={name: flexible, video: {conditions: [{type: middle, probability: 1.0}]}}",
    "validation.samples=[{prompt: waves, conditions: [{type: middle, video: %s}]}]" % film,
]
config = load(root / "configs" / "base.yaml", settings, root)
context = Pipeline(config).context
strategy, (section,) = config.training_strategy, config.validation.samples

batch = Batch(("a",), torch.randn(1, 32, 3, 4, 4), fps=torch.tensor([8.0]))
ready = prepare(
    batch, batch.clip_ids, Draws(seed=1, step=1),
    lambda found, coins: assemble(strategy, found, scales(context), coins), StepOptions(),
)
guess = {"video": torch.randn_like(ready.inputs["video"]).requires_grad_()}
training_step(ready, lambda *_: guess, lambda _: {}, StepOptions()).total.backward()
request = prompt_request(context, "01", section)
encode_prompts(context, ["", "waves"])
rows = Rows(context, [])
(made,) = generate(context, open_velocity(context), open_contexts(context, rows), [request])
track = assemble(request.strategy, request.batch, scales(context))["video"]
where = track.hold[0] == 1
print(json.dumps({
    "trained": (guess["video"].grad[0] == 0).all(1).float().tolist(),
    "sampled": track.hold[0].tolist(),
    "kept": bool(torch.equal(made.tokens["video"][0][where], track.clean[0][where])),
    "content": float(track.clean[0][where].abs().mean()),
    "shape": made.frames.shape,
    "file": str(section.conditions[0].paths["video"]),
    "documented": "| `middle` | holds the latent frame in the middle |" in conditions_table(),
}))
"""


def test_a_condition_is_added_with_one_file_and_its_line(tmp_path):
    code = tmp_path / "code"
    shutil.copytree(ROOT / "ltx_core", code / "ltx_core")
    (code / "ltx_core" / "conditions" / "middle.py").write_text(FILE)
    listed = code / "ltx_core" / "conditions" / "__init__.py"
    text = listed.read_text()
    for after, added in (
        ("from ltx_core.conditions.mask import Mask\n", IMPORT),
        ("    Mask,\n    Reference,\n", LINE),
    ):
        assert text.count(after) == 1
        text = text.replace(after, after + added)
    listed.write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", USE, str(ROOT), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(code)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    middle = [0.0] * 16 + [1.0] * 16 + [0.0] * 16
    assert found["trained"] == found["sampled"] == middle
    assert found["kept"] and found["content"] > 0 and found["shape"] == [9, 64, 64, 3]
    assert found["file"] == str(ROOT / "data" / "footage" / "morning.mp4") and found["documented"]
