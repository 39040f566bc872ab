"""`python -m ltx_core worker|train`: the heavy work, in a process of its own.

Protocol: one JSON request per line on standard input, JSON lines on standard output:
`{"progress": ...}` any number of times, then `{"manifest": {...}}` or `{"error": ..., "user": bool}`.
Logs go to standard error. The process ends when its input ends.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any, TextIO

# Waiting threads give their core away: several processes of several threads would starve one another.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from ltx_core.config.load import load
from ltx_core.errors import LtxError
from ltx_core.run import Pipeline

INTERRUPTED = 75
"""Exit code of a training that was asked to stop and has saved: run the same command again to go on."""


def main(arguments: list[str]) -> int:
    """Serve requests until the input ends; `train` serves one."""
    if arguments not in (["worker"], ["train"]):
        sys.stderr.write("use: python -m ltx_core worker|train  (requests as JSON lines on standard input)\n")
        return 2
    # Libraries print to standard output; the protocol keeps the real one for itself.
    channel = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    single = arguments == ["train"]
    pipelines: dict[str, Pipeline] = {}
    for line in sys.stdin:
        if line.strip():
            code = _serve(json.loads(line), pipelines, channel)
            if single:
                return code
    return 0


def _serve(request: dict[str, Any], pipelines: dict[str, Pipeline], channel: TextIO) -> int:
    def send(message: dict[str, Any]) -> None:
        channel.write(json.dumps(message, default=str) + "\n")
        channel.flush()

    try:
        pipeline = _pipeline(request, pipelines)
        pipeline.context.progress = lambda progress: send({"progress": progress})
        stage, chunk = request["stage"], request["chunk"]
        if "set_aside" in request:
            send({"manifest": pipeline.set_aside(stage, chunk, request["set_aside"])})
        else:
            send({"manifest": pipeline.compute(stage, chunk, request.get("along", ()))})
    except SystemExit as stop:
        send({"error": "interrupted; the same command goes on from the checkpoint", "user": True})
        return stop.code if isinstance(stop.code, int) else INTERRUPTED
    except LtxError as error:
        send({"error": str(error), "user": True})
        return 1
    except Exception:  # noqa: BLE001  # the process boundary: the parent raises it again with its trace
        send({"error": traceback.format_exc(), "user": False})
        return 1
    return 0


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
