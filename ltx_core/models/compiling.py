"""`torch.compile` of the function that runs one block: a graph serves all blocks of its kind.

Design choices
- The function is compiled, not the model: a model of 48 equal blocks costs one block's compiling. The first
  block of a training pass has a graph of its own where its input has no gradient, a second shape makes both
  general, and passes without gradients (samples) and perturbed blocks add theirs. So one shape has code of
  its own, and any number of buckets costs one compiling more, not one each.
- `reduce-overhead` records CUDA graphs: the launches of a block become one. Each pass is marked as a new one,
  so that it may use the memory of the one before. Weights must stay where they are: no swapped blocks.
- The whole function is one graph or an error: a silent break would cost the speed that was asked for.
- Results differ from uncompiled ones by rounding alone. So where no compiler is installed the blocks run
  uncompiled, and a warning says so.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import torch

from ltx_core.models.compile_modes import CompileMode
from ltx_core.models.errors import ModelError

logger = logging.getLogger(__name__)

ATTRIBUTE, MODE = "compile_backend", "compile_mode"
"""The model's attributes that say what compiles its blocks, and how."""
GRAPHED: CompileMode = "reduce-overhead"
"""The mode that records CUDA graphs."""
GRAPHS = 64
"""Graphs of one function before torch refuses more; its own 8 are gone with samples of a second shape."""
REASON = 200
"""Characters of torch's reason that are told; it has pages."""
F = TypeVar("F", bound=Callable[..., Any])


def compile_blocks(model: Any, backend: str = "inductor", mode: CompileMode = "default") -> bool:
    """Have the model's blocks compiled from now on; False, with a warning, where there is no compiler.

    Args:
        model: a transformer, on its device.
        backend: of `torch.compile`.
        mode: of `torch.compile`: how long it searches, and whether launches are recorded.
    """
    device = next(model.parameters()).device
    missing = missing_compiler(device) if backend == "inductor" else None
    if missing is not None:
        logger.warning(
            "`acceleration.compile` needs %s, which is not installed; the blocks run uncompiled, with the "
            "same result. Install it (Debian: `apt install g++`), or set `acceleration.compile: false`",
            missing,
        )
        return False
    # torch documents this limit there; `torch.compile` has no argument for it.
    config = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, GRAPHS)
    setattr(model, ATTRIBUTE, backend)
    setattr(model, MODE, mode)
    return True


def missing_compiler(device: torch.device) -> str | None:
    """The compiler that inductor would call for this device and that is not there."""
    if device.type == "cuda":  # Triton builds a launcher in C
        known = [os.environ["CC"]] if os.environ.get("CC") else ["clang", "gcc"]
        text = "a C compiler"
    else:
        known = [os.environ.get("CXX") or "g++"]
        text = "a C++ compiler"
    return None if any(shutil.which(name) for name in known) else f"{text} ({' or '.join(known)})"


def step_of(model: Any, step: F) -> F:
    """`step`, compiled where the model's blocks are to be compiled."""
    backend: str | None = getattr(model, ATTRIBUTE, None)
    return step if backend is None else _compiled(step, backend, getattr(model, MODE))


def begin_pass(model: Any) -> None:
    """Mark a new pass through the blocks, where their launches are recorded on a GPU."""
    if getattr(model, MODE, None) == GRAPHED and next(model.parameters()).device.type == "cuda":
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]


@cache
def _compiled(step: F, backend: str, mode: CompileMode) -> F:
    how = None if mode == "default" else mode
    compiled = torch.compile(step, fullgraph=True, backend=backend, mode=how)

    def run(*arguments: Any) -> Any:
        try:
            return compiled(*arguments)
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:REASON]
            raise ModelError(
                f"the transformer's blocks cannot be compiled ({reason}); set `acceleration.compile: false`, "
                "which gives the same result"
            ) from error

    return run  # type: ignore[return-value]
