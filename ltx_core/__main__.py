"""`python -m ltx_core worker|train`: the heavy work, in a process of its own.

Protocol: one JSON request per line on standard input, JSON lines on standard output:
`{"progress": ...}` any number of times, then `{"manifest": {...}}` or `{"error": ..., "user": bool}`, with
`"interrupted": true` of a training that was asked to end and can go on.
Logs go to standard error. The process ends when its input ends.

`python -m ltx_core train CONFIG [FIELD=VALUE ...]` trains by hand, from prepared data: it takes no request
and prints the same lines. It is what `torchrun` and `accelerate launch` start. Started alone, either form
starts `acceleration.processes` processes of its own where that is more than one.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

# Waiting threads give their core away: several processes of several threads would starve one another.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from ltx_core.config.load import load
from ltx_core.errors import LtxError
from ltx_core.run import Pipeline
from ltx_core.training.interrupts import EXIT_INTERRUPTED as INTERRUPTED
from ltx_core.training.interrupts import SIGNALS
from ltx_core.training.launcher import launch
from ltx_core.training.processes import end_with_launcher, launched, place, process_count

USE = "use: python -m ltx_core worker|train  (requests as JSON lines on standard input)\n"
USE += "     python -m ltx_core train CONFIG [FIELD=VALUE ...]\n"


def main(arguments: list[str]) -> int:
    """Serve requests until the input ends; `train` serves one."""
    if arguments[:1] not in (["worker"], ["train"]) or (arguments[0] == "worker" and len(arguments) > 1):
        sys.stderr.write(USE)
        return 2
    end_with_launcher()
    # Libraries print to standard output; the protocol keeps the real one for itself.
    channel = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    _log()
    pipelines: dict[str, Pipeline] = {}
    if arguments[0] == "train":  # while it loads; the training itself saves first
        for number in SIGNALS:
            signal.signal(number, _stop)
    for request in _requests(arguments[1:]):
        code = _serve(request, pipelines, channel)
        if arguments[0] == "train":
            return code
    return 0


def _requests(by_hand: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Those of the input, or the one that a config's path and its overrides are."""
    if by_hand:
        yield {"config": by_hand[0], "overrides": list(by_hand[1:]), "stage": "train"}
        return
    for line in sys.stdin:
        if line.strip():
            yield json.loads(line)


def _log() -> None:
    """Logs to standard error; of several processes the first tells all, the others what goes wrong."""
    here = place()
    name = f"[process {here.rank}] %(name)s" if here.world > 1 else "%(name)s"
    level = logging.INFO if here.main else logging.WARNING
    logging.basicConfig(stream=sys.stderr, level=level, format=f"%(levelname)s {name}: %(message)s")


def _serve(request: dict[str, Any], pipelines: dict[str, Pipeline], channel: TextIO) -> int:
    def send(message: dict[str, Any]) -> None:
        channel.write(json.dumps(message, default=str) + "\n")
        channel.flush()

    try:
        pipeline = _pipeline(request, pipelines)
        pipeline.context.progress = lambda progress: send({"progress": progress})
        if request["stage"] == "train":
            count = process_count(pipeline.config.acceleration)
            if count > 1 and not launched():
                return launch(request, count, send, os.environ)
            send({"manifest": _train(pipeline, request.get("chunk"))})
            return 0
        stage, chunk = request["stage"], request["chunk"]
        if "set_aside" in request:
            send({"manifest": pipeline.set_aside(stage, chunk, request["set_aside"])})
        else:
            send({"manifest": pipeline.compute(stage, chunk, request.get("along", ()))})
    except SystemExit as stop:
        saved = stop.code == INTERRUPTED
        text = "interrupted; the same command goes on from the checkpoint" if saved else str(stop)
        send({"error": text, "user": True, "interrupted": saved})
        return stop.code if isinstance(stop.code, int) else INTERRUPTED
    except LtxError as error:
        send({"error": str(error), "user": True})
        return 1
    except Exception:  # noqa: BLE001  # the process boundary: the parent raises it again with its trace
        send({"error": traceback.format_exc(), "user": False})
        return 1
    return 0


def _stop(number: int, frame: FrameType | None) -> None:
    """Nothing is learnt yet, or all is saved: the same command goes on from there."""
    raise SystemExit(INTERRUPTED)


def _train(pipeline: Pipeline, chunk: Sequence[str] | None) -> dict[str, Any]:
    """Compute a training's row with the processes that were started along with this one: the manifest.

    Args:
        pipeline: of the config.
        chunk: the row's key, as in `StagePlan.chunks`; None: whatever the config's is.

    Raises:
        LtxError: as `Pipeline.compute`, and where the data is not prepared.
    """
    from ltx_core.stages.together import together
    from ltx_core.stages.train import train

    def compute() -> dict[str, Any]:
        if chunk is not None:
            return pipeline.compute("train", chunk)
        plan = pipeline.plan("train")
        if not plan.ready:
            raise LtxError(
                "the data is not prepared for this training; prepare it with `ltx stage dataset CONFIG` and "
                "the same overrides"
            )
        return pipeline.compute("train", plan.chunks[0]) if plan.chunks else pipeline.manifest("train")

    return together(pipeline.context, compute, train)


def _pipeline(request: dict[str, Any], pipelines: dict[str, Pipeline]) -> Pipeline:
    base_dir = request.get("base_dir")
    key = json.dumps([request["config"], request.get("overrides", []), base_dir])
    if key not in pipelines:
        config = load(
            Path(request["config"]), request.get("overrides", []), Path(base_dir) if base_dir else None
        )
        pipelines[key] = Pipeline(config)
    return pipelines[key]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
