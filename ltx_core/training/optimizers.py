"""The optimizer: one of the named ones, or any class by import path, over groups of one learning rate each.

Design choices
- `adafactor` is transformers' with its own scaling of the rate off: the rate is that of the schedule. torch's
  always multiplies it with the weights' own size, which is zero for half of a fresh LoRA.
- On a GPU AdamW's update is one kernel, `fused`; on a CPU never, so that its bits stay those of old runs.
- An optimizer is given `betas` and `weight_decay` where it takes them; stating them otherwise is refused.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ltx_core.curation.functions import load
from ltx_core.errors import LtxError
from ltx_core.models.names import modality_of
from ltx_core.training.options import OptimizationOptions
from ltx_core.training.schedule import learning_rate

CAME_BETAS = 3
"""Decays that CAME takes: of updates, of squares, of their instability; the last is its own default here."""
EXTRA = "it is in this project's extra: pip install 'ltx-flows[optimizers]'"
OWN = ("params", "lr")
"""Arguments that are never stated in `optimizer_params`."""

Group = dict[str, Any]


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that learn, by name, in the model's order.

    Raises:
        ValueError: when there is none, or one is not float32 (its updates would be lost in rounding).
    """
    found = {name: value for name, value in model.named_parameters() if value.requires_grad}
    if not found:
        raise ValueError("the model has no trainable parameter; add a LoRA or let its weights learn")
    for name, value in found.items():
        if value.dtype != torch.float32:
            raise ValueError(
                f"trainable parameter {name} is {value.dtype}; it must be float32: cast it before training"
            )
    return found


def parameter_groups(
    parameters: Mapping[str, nn.Parameter], options: OptimizationOptions
) -> dict[str, list[nn.Parameter]]:
    """Parameters by whose rate they have: "video", "audio" and "cross", or "all" where there is one rate."""
    if options.one_rate:
        return {"all": list(parameters.values())}
    found: dict[str, list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        found.setdefault(modality_of(name), []).append(parameter)
    return {name: found[name] for name in ("video", "audio", "cross") if name in found}


def make_optimizer(
    groups: Mapping[str, Sequence[nn.Parameter]], options: OptimizationOptions, fused: bool | None = None
) -> torch.optim.Optimizer:
    """The optimizer of `optimizer_type` over groups of parameters, in their order.

    Args:
        groups: of parameters, by whose rate they have.
        options: kind and arguments.
        fused: whether AdamW's update is one kernel; None: on a GPU.

    Raises:
        LtxError: when its package is missing, its arguments are wrong, or it cannot be used here.
    """
    cls = optimizer_class(options.optimizer_type)
    arguments = optimizer_arguments(cls, options)
    if options.optimizer_type == "adamw" and "fused" not in options.optimizer_params:
        arguments["fused"] = _fused(fused, next(iter(group[0] for group in groups.values())).device)
    given = [
        {"params": list(group), "lr": options.rate_of(name)} for name, group in groups.items()
    ]  # a single group too: torch makes the same of a plain list
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # Prodigy prints what the config states
            made = cls(given, **arguments)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise LtxError(
            f"optimization.optimizer_type {options.optimizer_type!r} does not take {arguments}: "
            f"{type(error).__name__}: {error}"
        ) from error
    return made


def adamw(parameters: Iterable[nn.Parameter], options: OptimizationOptions) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) over one group; not fused."""
    found = make_optimizer({"all": list(parameters)}, options)
    assert isinstance(found, torch.optim.AdamW)
    return found


def _fused(stated: bool | None, device: torch.device) -> bool:
    if stated and device.type != "cuda":
        raise LtxError(
            "`acceleration.fused_optimizer: true` needs a GPU; leave it out, which fuses where there is one"
        )
    return device.type == "cuda" if stated is None else stated


def optimizer_class(kind: str) -> Callable[..., torch.optim.Optimizer]:
    """The class of a name or import path.

    Raises:
        LtxError: when there is none, or it is no optimizer of torch's kind.
    """
    if kind not in _NAMED:
        found = load(kind)
        if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
            raise LtxError(
                f"optimization.optimizer_type {kind!r} is no subclass of torch.optim.Optimizer; name one"
            )
        if callable(getattr(found, "eval", None)) and callable(getattr(found, "train", None)):
            raise LtxError(
                f"optimization.optimizer_type {kind!r} keeps weights to evaluate with apart from those it "
                "trains, which is not supported; use a plain optimizer with `optimization.ema_decay`"
            )
        return found
    module, name = _NAMED[kind]
    try:
        made: Callable[..., torch.optim.Optimizer] = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise LtxError(f"optimization.optimizer_type {kind!r} needs {error.name}; {EXTRA}") from error
    return made


def optimizer_arguments(cls: Callable[..., Any], options: OptimizationOptions) -> dict[str, Any]:
    """What an optimizer is called with beside its groups.

    Raises:
        LtxError: for an argument that it does not take, naming those that it does.
    """
    taken, anything = _taken(cls)
    kind, stated = options.optimizer_type, options.optimizer_params
    known = sorted(set(taken) - set(OWN))
    if wrong := sorted(name for name in stated if name in OWN or not (anything or name in taken)):
        hint = "; the rate is `optimization.learning_rate`" if "lr" in wrong else ""
        raise LtxError(
            f"optimization.optimizer_params {', '.join(wrong)}: {kind!r} takes {', '.join(known)}{hint}"
        )
    if "lr" not in taken and not anything:
        raise LtxError(f"optimization.optimizer_type {kind!r} takes no lr, so no schedule could set its rate")
    plain, found = OptimizationOptions(), dict(_PRESET.get(kind, {}))
    for name in ("betas", "weight_decay"):
        value = getattr(options, name)
        if name in taken:
            found[name] = value
        elif value != getattr(plain, name):
            raise LtxError(
                f"optimization.{name} is {value}, but {kind!r} has none; leave it out (it takes "
                f"{', '.join(known)})"
            )
    if kind == "came":
        found["betas"] = (*options.betas, *taken["betas"][len(options.betas) : CAME_BETAS])
    if "lr" in taken:
        found["lr"] = options.learning_rate
    return found | {name: _tuple(value) for name, value in stated.items()}


def check_optimizer(options: OptimizationOptions) -> None:
    """Refuse what `make_optimizer` would; imports the optimizer's package.

    Raises:
        LtxError: as `make_optimizer` does.
    """
    make_optimizer({"all": [nn.Parameter(torch.zeros(1))]}, options)


def rates_of(options: OptimizationOptions, step: int, groups: Iterable[str]) -> dict[str, float]:
    """The learning rate of every group in optimizer step `step`, from 0."""
    return {name: learning_rate(options, step, name) for name in groups}


def set_learning_rate(optimizer: Any, rates: float | Sequence[float]) -> None:
    """Use a rate in every parameter group, or one for each in their order."""
    groups = optimizer.param_groups
    each = [rates] * len(groups) if isinstance(rates, float | int) else rates
    for group, rate in zip(groups, each, strict=True):
        group["lr"] = rate


@contextmanager
def offloaded(optimizer: torch.optim.Optimizer, wanted: bool) -> Iterator[None]:
    """Inside the block the moments lie in the machine's memory, after it where they were, bit for bit."""
    places = [
        (state, name, value.device)
        for found in (optimizer.state.values() if wanted else ())
        for state, name, value in _tensors(found)
        if value.device.type != "cpu"
    ]
    for state, name, _ in places:
        state[name] = state[name].cpu()
    try:
        yield
    finally:
        for state, name, device in places:
            state[name] = state[name].to(device)


def _tensors(state: Any) -> Iterator[tuple[Any, Any, torch.Tensor]]:
    """(what holds it, its name or place, tensor) of every tensor in nested dictionaries and lists."""
    named = state.items() if isinstance(state, dict) else enumerate(state)
    for name, value in list(named):
        if isinstance(value, torch.Tensor):
            yield state, name, value
        elif isinstance(value, dict | list):
            yield from _tensors(value)


def _taken(cls: Callable[..., Any]) -> tuple[dict[str, Any], bool]:
    """Defaults of the arguments that a class takes, and whether it takes any other."""
    found = inspect.signature(cls).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    named = {one.name: one.default for one in found if one.kind in kinds}
    return named, any(one.kind == inspect.Parameter.VAR_KEYWORD for one in found)


def _tuple(value: Any) -> Any:
    """YAML has no tuples; optimizers take them."""
    return tuple(value) if isinstance(value, list) else value


_NAMED: Mapping[str, tuple[str, str]] = {
    "adamw": ("torch.optim", "AdamW"),
    "adamw8bit": ("bitsandbytes.optim", "AdamW8bit"),
    "adafactor": ("transformers.optimization", "Adafactor"),
    "prodigy": ("prodigyopt", "Prodigy"),
    "came": ("came_pytorch", "CAME"),
}
"""Where the optimizers with names of their own are found."""
_PRESET: Mapping[str, Mapping[str, Any]] = {
    "adamw": {"fused": False},
    "adafactor": {"scale_parameter": False, "relative_step": False, "warmup_init": False},
}
"""Arguments that differ from the class's own defaults; `optimizer_params` may state others."""
