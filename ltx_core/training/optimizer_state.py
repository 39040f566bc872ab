"""The state of any optimizer as named tensors and JSON, and back, exact to the bit.

Design choices
- A tensor of a parameter's state is named "parameter/moment"; one that lies deeper, in a dictionary or list
  of the state, "parameter/moment/…". All else stands in JSON, which keeps every digit of a float.
- Of parameter groups, and of the optimizer's own plain attributes, what differs from a freshly made optimizer
  is kept: what it has found out (Prodigy's step size), not what the config states.
- Tensors are put back as they were, by no rule on types: torch's `load_state_dict` would cast them to their
  parameter's type. A tensor that lay on the host beside a parameter on a GPU lies there again.
- What an optimizer keeps elsewhere (a tensor in an attribute, a file) is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ltx_core.errors import LtxError

TENSOR, TUPLE, PAIRS = "$tensor", "$tuple", "$pairs"
"""Keys of JSON that stand for what JSON has no form of: a tensor, a tuple, a dictionary of other keys."""
STEP = "step"
"""torch's counter of steps: on the host, unless the optimizer is fused or capturable."""
NOT_KEPT = ("params", "lr")
"""Values of a parameter group that are the training's own."""
PLAIN = (bool, int, float, str, type(None))

Fresh = Mapping[str, Any]
"""JSON of an optimizer that has not stepped: groups and attributes (`unused`)."""


def unused(optimizer: torch.optim.Optimizer) -> Fresh:
    """What `capture` compares with, of an optimizer that has just been made."""
    return {
        "groups": [_group(group, number, {}) for number, group in enumerate(optimizer.param_groups)],
        "attributes": _attributes(optimizer),
    }


def moments_of(parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Every tensor of the optimizer's state, as it is, by name.

    Raises:
        LtxError: when the state holds what cannot be saved.
    """
    tensors: dict[str, Tensor] = {}
    for name, parameter in parameters.items():
        for moment, value in optimizer.state.get(parameter, {}).items():
            _packed(value, f"{name}/{moment}", tensors)
    for number, group in enumerate(optimizer.param_groups):
        _group(group, number, tensors)
    return tensors


def values_of(
    parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer, fresh: Fresh
) -> dict[str, Any]:
    """The rest of its state, as JSON.

    Args:
        parameters: by name.
        optimizer: over these parameters.
        fresh: of the same optimizer before its first step.

    Raises:
        LtxError: when the state holds what cannot be saved.
    """
    values: dict[str, dict[str, Any]] = {}
    for name, parameter in parameters.items():
        state = optimizer.state.get(parameter, {})
        found = {
            moment: _packed(value, f"{name}/{moment}", {})
            for moment, value in state.items()
            if not isinstance(value, Tensor)
        }
        if found:
            values[name] = found
    now = unused(optimizer)
    groups = [_changed(new, old) for new, old in zip(now["groups"], fresh["groups"], strict=True)]
    attributes = _changed(now["attributes"], fresh["attributes"])
    return {
        "values": values,
        "groups": groups,
        "attributes": attributes,
        "host": sorted(_on_host(parameters, optimizer)),
    }


def put_back(
    tensors: Mapping[str, Tensor],
    values: Mapping[str, Any],
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Put `moments_of` and `values_of` into a freshly made optimizer over the same parameters.

    Raises:
        LtxError: when they are of another optimizer.
    """
    trees, used = values.get("values", {}), set[str]()
    states: dict[str, dict[str, Any]] = {name: {} for name in parameters}
    try:
        for group, changed in zip(
            optimizer.param_groups, values.get("groups", ()), strict="groups" in values
        ):
            found = {key: _unpacked(tree, tensors, used) for key, tree in changed.items()}
            group.update(_moved(found, group["params"][0].device))
        for name, moments in trees.items():
            states[name] |= {moment: _unpacked(tree, tensors, used) for moment, tree in moments.items()}
        for full_name in tensors.keys() - used:
            name, _, moment = full_name.partition("/")
            states[name][moment] = tensors[full_name].clone()
    except (KeyError, ValueError, AttributeError) as error:
        raise LtxError(
            f"the checkpoint's optimizer state is not one of {type(optimizer).__name__} over this model's "
            f"parameters ({error}); use the configuration that it was made with"
        ) from error
    for key, value in values.get("attributes", {}).items():
        setattr(optimizer, key, value)
    _place(states, parameters, optimizer, frozenset(values.get("host", (STEP,))))


def _place(
    states: Mapping[str, dict[str, Any]],
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    host: frozenset[str],
) -> None:
    """Give the optimizer its parameters' states on their devices; moments named in `host` stay there."""
    counted = {
        id(parameter)
        for group in optimizer.param_groups
        if group.get("fused") or group.get("capturable")
        for parameter in group["params"]
    }
    for name, state in states.items():
        parameter = parameters[name]
        on_host = host - {STEP} if id(parameter) in counted else host
        if state:
            optimizer.state[parameter] = {
                moment: value if moment in on_host else _moved(value, parameter.device)
                for moment, value in state.items()
            }


def _on_host(parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> set[str]:
    """Names of moments that lie on the host while their parameters do not; torch's, where all do."""
    away = [parameter for parameter in parameters.values() if parameter.device.type != "cpu"]
    return {
        moment
        for parameter in away
        for moment, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor) and value.device.type == "cpu"
    } or {STEP}


def _group(group: Mapping[str, Any], number: int, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """A parameter group as JSON, its tensors put into `tensors`."""
    found = {}
    for key, value in group.items():
        if key not in NOT_KEPT:
            found[key] = _packed(value, f"$groups/{number}/{key}", tensors)
    return found


def _attributes(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Plain values that the optimizer keeps beside its state."""
    return {key: value for key, value in vars(optimizer).items() if isinstance(value, PLAIN)}


def _changed(new: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """Entries that differ, or hold tensors, which cannot be compared by their names."""
    missing = object()
    return {
        key: tree for key, tree in new.items() if old.get(key, missing) != tree or any(_tensor_names(tree))
    }


def _tensor_names(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        if TENSOR in tree:
            yield tree[TENSOR]
        tree = list(tree.values())
    if isinstance(tree, list):
        for value in tree:
            yield from _tensor_names(value)


def _packed(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """JSON of a value called `name`, its tensors put into `tensors`."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach()
        return {TENSOR: name}
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, tuple | list):
        found = [_packed(each, f"{name}/{place}", tensors) for place, each in enumerate(value)]
        return {TUPLE: found} if isinstance(value, tuple) else found
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: _packed(each, f"{name}/{key}", tensors) for key, each in value.items()}
        pairs = enumerate(value.items())
        return {PAIRS: [_packed(list(pair), f"{name}/{place}", tensors) for place, pair in pairs]}
    raise LtxError(
        f"the optimizer keeps a {type(value).__name__} as {name!r}; a checkpoint holds tensors, numbers, "
        "texts, and lists and dictionaries of them. Set `checkpoints.save_training_state: minimal`, which "
        "resumes without the optimizer's state, or use another `optimization.optimizer_type`"
    )


def _unpacked(tree: Any, tensors: Mapping[str, Tensor], used: set[str]) -> Any:
    """The value of a JSON; names of its tensors are put into `used`."""
    if isinstance(tree, list):
        return [_unpacked(each, tensors, used) for each in tree]
    if not isinstance(tree, dict):
        return tree
    if TENSOR in tree:
        used.add(tree[TENSOR])
        return tensors[tree[TENSOR]].clone()
    if TUPLE in tree:
        return tuple(_unpacked(tree[TUPLE], tensors, used))
    if PAIRS in tree:
        return dict(_unpacked(tree[PAIRS], tensors, used))
    return {key: _unpacked(each, tensors, used) for key, each in tree.items()}


def _moved(value: Any, device: torch.device) -> Any:
    """The value with every tensor on a device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, list | tuple):
        return type(value)(_moved(each, device) for each in value)
    if isinstance(value, dict):
        return {key: _moved(each, device) for key, each in value.items()}
    return value
