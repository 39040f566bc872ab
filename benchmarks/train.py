"""What a training costs: `python -m benchmarks.train --help`.

Every case is a training of its own by the real loop, in a process of its own (`train_case.py`), so that no
case finds another's memory or compiled code. Ratios are of neighbouring steps of one process, by the time of
the processor, on which other work of the machine tells least; that of the clock stands beside it.

Design choices
- `--real` is LTX-2.3's transformer with random weights, the video stream alone, as the best published point
  that we know: 1.55 thousand video tokens per second, 47.9 GiB (one H100, LoRA of rank 16, 1280x704x49, which
  are 6160 tokens). It needs a GPU; `--shrink` takes an eighth of the width, two blocks and few tokens, for
  machines without one: its numbers say nothing but that the code runs.
- A case that fails is a line that says why; the others go on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.memory_estimate import HELD

ROOT = Path(__file__).parents[1]
RATIO, WAIT = 1.03, 0.02
"""The most that a step may take of the bare one's time, and that it may wait for data."""
LOOP_RUNS = 5
PUBLISHED = 1550.0
"""Video tokens per second of the best published point that we know; the aim is twice that."""
SHAPES = {"1280x704x49": (7, 22, 40), "960x544x121": (16, 17, 30)}
"""Latent frames, rows and columns by pixels and frames."""
SHRUNKEN = {"grid": (2, 3, 4), "narrower": 8, "blocks": 2, "text": 16, "steps": 2}
Line = dict[str, Any]
MEMORY: dict[str, dict[str, Any]] = {
    "all activations kept": {},
    "every second block recomputed": {"every": 2},
    "every block recomputed": {"every": 1},
    "every block recomputed, half of them swapped": {"every": 1, "swap": 3},
    "every block recomputed, int8": {"every": 1, "method": "int8"},
    "every block recomputed, fp8": {"every": 1, "method": "fp8"},
    "every block recomputed, nf4": {"every": 1, "method": "nf4"},
    "an average of the weights": {"ema": True},
    "8-bit AdamW": {"optimizer": "adamw8bit"},
    "rank 64": {"rank": 64},
    "rank 64, 8-bit AdamW": {"rank": 64, "optimizer": "adamw8bit"},
}
PARTS = ("loop", "memory", "checkpoint", "real")


def loop_cases(steps: int) -> dict[str, dict[str, Any]]:
    """A step of the loop against the bare one, and its waiting for data with two workers; runs differ by more
    than the loop's own work, so that their median counts."""
    case = {"bare": True, "steps": 3 * steps, "blocks": 4, "narrower": 8}
    return {f"the loop and the bare step, run {number}": case for number in range(1, LOOP_RUNS + 1)}


def memory_cases(steps: int) -> dict[str, dict[str, Any]]:
    """The memory options, each alone, on so many tokens that a step's activations weigh."""
    return {name: {"grid": (6, 16, 16), **case, "steps": min(steps, 4)} for name, case in MEMORY.items()}


def checkpoint_cases(steps: int) -> dict[str, dict[str, Any]]:
    """A save after every second step."""
    return {f"rank {rank}": {"rank": rank, "save": 2, "steps": 2 * steps} for rank in (16, 64)}


def real_cases(steps: int, shrink: bool) -> dict[str, dict[str, Any]]:
    """LTX-2.3's own sizes."""
    found = {}
    for shape, grid in SHAPES.items():
        whole = {"grid": grid, "narrower": 1, "blocks": 48, "text": 1024, "steps": steps, "precision": "bf16"}
        base = whole | (SHRUNKEN if shrink else {})
        for name, case in _real_ways():
            found[f"{shape}, {name}"] = {**base, **case}
    return found


def _real_ways() -> Iterator[tuple[str, dict[str, Any]]]:
    for rank in (16, 32):
        for method in (None, "int8", "fp8"):
            for compiled in (False, True):
                words = f"rank {rank}, {method or 'bf16'}{', compiled' if compiled else ''}"
                yield words, {"rank": rank, "method": method, "compile": compiled, "every": 1}
    for name, every in (("every 2nd block recomputed", 2), ("nothing recomputed", 0)):
        yield f"rank 16, bf16, compiled, {name}", {"compile": True, "every": every}
    for method in (None, "int8"):
        yield f"rank 16, {method or 'bf16'}, all swapped", {"method": method, "every": 1, "swap": -1}


def measure(case: Mapping[str, Any]) -> Line:
    """Run a case in a process of its own; `error` where it failed."""
    stated = dict(case)
    if stated.get("swap") == -1:
        stated["swap"] = stated["blocks"]
    environment = {**os.environ, **HELD}
    command = [sys.executable, "-m", "benchmarks.train_case", json.dumps(stated)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return {**stated, "error": (done.stderr.strip().splitlines() or ["it was killed"])[-1]}
    found: Line = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def show(part: str, lines: Mapping[str, Line]) -> None:
    """A part's table on the terminal."""
    head, *rest = rows(part, lines)
    table = Table(*head)
    for row in rest:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(table)


def rows(part: str, lines: Mapping[str, Line]) -> list[tuple[str, ...]]:
    """A part's table, the names of its columns first."""
    head, make = TABLES[part]
    first = next(iter(lines.values()))
    blank = ("",) * (len(head) - 2)
    bodies = (
        (name, f"failed: {line['error']}", *blank) if "error" in line else (name, *make(line, first))
        for name, line in lines.items()
    )
    return [head, *bodies]


def _loop(line: Line, first: Line) -> tuple[str, ...]:
    ratio, waited = line["ratio"], line["data_wait"]
    judged = "aims" in line
    return (
        f"{ratio:.3f}" + (_met(ratio <= RATIO, f"≤ {RATIO}") if judged else ""),
        f"{line['clock_ratio']:.3f}",
        f"{waited:.2%}" + (_met(waited < WAIT, f"< {WAIT:.0%}") if judged else ""),
        f"{line['seconds']:.3f}",
        f"{line['bare_seconds']:.3f}",
    )


def _memory(line: Line, first: Line) -> tuple[str, ...]:
    if "error" in first:
        return (_mib(line["peak_bytes"]), "", "")
    smaller, slower = (line[name] / first[name] for name in ("peak_bytes", "seconds"))
    return _mib(line["peak_bytes"]), f"{smaller:.2f}", f"{slower:.2f}"


def _checkpoint(line: Line, first: Line) -> tuple[str, ...]:
    saves = line["save_seconds"]
    return f"{saves:.3f}", f"{saves / line['seconds']:.2f}", f"{line['resume_seconds']:.3f}"


def _real(line: Line, first: Line) -> tuple[str, ...]:
    speed, mfu = line["tokens_per_second"], line["mfu"]
    return (
        f"{line['seconds']:.3f}",
        f"{speed:,.0f}",
        f"{speed / PUBLISHED:.2f}",
        "" if mfu is None else f"{mfu:.1%}",
        f"{line['peak_bytes'] / 2**30:.2f}",
        f"{line['data_wait']:.2%}",
    )


def _mib(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"


def _met(kept: bool, aim: str) -> str:
    return f" ({aim} {'met' if kept else 'MISSED'})"


TABLES = {
    "loop": (
        ("step of the loop", "over the bare step", "by the clock", "data wait", "s/step", "bare s/step"),
        _loop,
    ),
    "memory": (("memory option", "peak", "of all kept", "time of all kept"), _memory),
    "checkpoint": (("LoRA", "s/checkpoint", "in steps", "s/resume"), _checkpoint),
    "real": (
        ("LTX-2.3", "s/step", "video tokens/s", "of the published", "MFU", "peak GiB", "data wait"),
        _real,
    ),
}


def cases_of(part: str, steps: int, shrink: bool) -> dict[str, dict[str, Any]]:
    """A part's cases by name."""
    if part == "real":
        return real_cases(steps, shrink)
    return {"loop": loop_cases, "memory": memory_cases, "checkpoint": checkpoint_cases}[part](steps)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when an aim is missed or a case failed."""
    parser = argparse.ArgumentParser(
        description="what a training costs: time against the bare step, waiting, memory, checkpoints",
        epilog="example: python -m benchmarks.train --only loop --steps 30 --json costs.json; on a GPU: "
        "python -m benchmarks.train --real --match 'rank 16, bf16'",
    )
    parser.add_argument("--only", choices=PARTS[:-1], action="append", help="parts; default: all three")
    parser.add_argument("--real", action="store_true", help="LTX-2.3's own sizes instead; needs a GPU")
    parser.add_argument("--shrink", action="store_true", help="with --real: tiny sizes, to see that it runs")
    parser.add_argument("--match", default="", help="cases whose name has this text")
    parser.add_argument(
        "--steps", type=int, default=10, help="steps that count, of the loop thrice as many (10)"
    )
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    options = parser.parse_args(arguments)
    found: dict[str, dict[str, Line]] = {}
    for part in ("real",) if options.real else options.only or PARTS[:-1]:
        lines = {}
        for name, case in cases_of(part, options.steps, options.shrink).items():
            if options.match in name:
                sys.stderr.write(f"{part}: {name}\n")
                lines[name] = measure(case)
        if lines:
            if part == "loop":
                lines["the median"] = middle(list(lines.values()))
            show(part, lines)
            found[part] = lines
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return int(any(missed(line) for lines in found.values() for line in lines.values()))


def middle(lines: Sequence[Line]) -> Line:
    """The median of every number of several runs of one case."""
    if failed := [line for line in lines if "error" in line]:
        return failed[0]
    numbers = {name for name, value in lines[0].items() if isinstance(value, float)}
    return {"aims": True, **{name: median(line[name] for line in lines) for name in numbers}}


def missed(line: Line) -> bool:
    """Whether a case failed, or the median of its runs missed an aim."""
    aims = "aims" in line and (line["ratio"] > RATIO or line["data_wait"] >= WAIT)
    return "error" in line or aims


if __name__ == "__main__":
    sys.exit(main())
