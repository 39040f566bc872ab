"""What would make a step fit that ran out of memory: the advice of `ltx plan`, for less than it says.

Design choices
- The plan had expected the step to fit, or nobody asked it. So the advice is for less memory than the plan
  says the step needs: first for a tenth less, then for ever less, until there are three changes.
- Each change says whether the run goes on with it, which its key decides.
"""

from __future__ import annotations

from collections.abc import Iterator

from ltx_core.config.changes import with_field
from ltx_core.config.root import Config
from ltx_core.errors import LtxError
from ltx_core.stages.advice import Step, advise
from ltx_core.stages.changes import training_section
from ltx_core.stages.context import Context
from ltx_core.stages.device import Device, find_device
from ltx_core.stages.estimate_memory import Memory
from ltx_core.stages.estimate_time import calibration_of
from ltx_core.stages.settings import Settings
from ltx_core.stages.slowdown import Slowdown

WANTED = 3
SHARES = (0.9, 0.75, 0.6, 0.45, 0.3, 0.15)
"""Of what the step needs by the plan; each asks for more changes than the one before."""
GIB = 1 << 30


def remedies(context: Context, device: Device | None = None) -> list[str]:
    """Lines: what a step needs by the plan, and what would make it fit, in order of the speed it costs.

    None where the model's facts do not suffice for a plan: the error of the step matters more.

    Args:
        context: of the config.
        device: that it ran out on; None: the one that the config runs on.
    """
    try:
        device = device or find_device(context.config)
        memory = Memory(context, device.gpu)
        need = memory.training(Settings.of(context.config))
        steps = _steps(memory, Slowdown(memory, calibration_of(context, device)), need.peak)
    except (LtxError, OSError, ValueError):
        return []
    lines = [
        f"By the plan, a step of the largest bucket needs {need.peak / GIB:.1f} GiB (weights "
        f"{need.weights / GIB:.1f}, moments and gradients {need.state / GIB:.1f}, activations "
        f"{need.activations / GIB:.1f}); the {'device' if device.gpu else 'machine'} gives "
        f"{device.usable / GIB:.1f}.",
        "What would make it fit, in this order:",
    ]
    lines += [f"  {number}. {_line(context, step)}" for number, step in enumerate(steps, 1)]
    smaller = "smaller or shorter buckets (`dataset.buckets`): a new run"
    lines += [f"  {number}. {smaller}" for number in range(len(steps) + 1, WANTED + 1)][:1]
    return lines


def _steps(memory: Memory, slowdown: Slowdown, peak: int) -> list[Step]:
    found: dict[str, Step] = {}
    for share in SHARES:
        for step in advise(memory, slowdown, int(peak * share)).steps:
            if step.stage == "train":
                found.setdefault(step.change.split("=")[0], step)
        if len(found) >= WANTED:
            break
    return list(found.values())[:WANTED]


def _line(context: Context, step: Step) -> str:
    slower = (
        ""
        if step.slower is None or step.slower < 1.005
        else f", a step takes {step.slower:.2f} times as long"
    )
    note = f", {step.note}" if step.note else ""
    after = "the run goes on" if _goes_on(context, step.change) else "a new run"
    return f"{step.change}: saves {step.saves / GIB:.1f} GiB{slower}{note}; {after}"


def _goes_on(context: Context, change: str) -> bool:
    """Whether a run with these overrides is the same run."""
    changed: Config | None = context.config
    for field, value in _overrides(change):
        changed = None if changed is None else with_field(changed, field, value)
    return changed is not None and training_section(context, changed) == training_section(
        context, context.config
    )


def _overrides(change: str) -> Iterator[tuple[str, object]]:
    for override in change.split():
        field, _, text = override.partition("=")
        yield field, int(text) if text.isdigit() else {"true": True, "false": False}.get(text, text)
