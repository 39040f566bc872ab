"""Load the part of a component that a run needs: the rest is neither made nor read.

The module is built without memory, what is left out is removed from it, and the weights that remain are read
one by one onto the device. So its peak is the part's size and one tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ltx_core.models.headers import weight_files
from ltx_core.models.info import GET_ONE, ModelError, read_config
from ltx_core.models.loading import first_line, quiet

Keep = Callable[[str], bool]
"""Whether a parameter or module of this name is loaded."""


def load_part(
    folder: Path, cls: Any, device: torch.device | str, dtype: torch.dtype, keep: Keep, advice: str = GET_ONE
) -> Any:
    """A frozen module in evaluation mode without what `keep` leaves out.

    Args:
        folder: with `config.json` and safetensors of the whole module, in diffusers' layout.
        cls: a class of diffusers without buffers.
        device: where the weights shall lie.
        dtype: of the weights.
        keep: what is loaded.
        advice: what to do about a damaged one.

    Raises:
        ModelError: when config or weights are missing or damaged, or tensors are missing, left over or of
            another shape.
    """
    from accelerate import init_empty_weights

    config = read_config(folder / "config.json", advice)
    try:
        with quiet(), init_empty_weights():
            module = cls.from_config(config)
        whole = {name: tuple(value.shape) for name, value in module.state_dict().items()}
        leave_out(module, keep)
        weights = read_weights(folder, device, dtype, lambda name: name not in whole or keep(name))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"{folder} cannot be loaded as {cls.__name__}: {first_line(error)}. {advice}"
        ) from error
    _check(folder, {name: shape for name, shape in whole.items() if keep(name)}, weights, advice)
    module.load_state_dict(weights, strict=True, assign=True)
    return module.eval().requires_grad_(False)


def leave_out(module: nn.Module, keep: Keep, prefix: str = "") -> None:
    """Remove every parameter that is not kept, and every submodule of which nothing is left."""
    for name, child in list(module.named_children()):
        full = f"{prefix}{name}"
        if keep(full) or any(keep(f"{full}.{inner}") for inner, _ in child.named_parameters()):
            leave_out(child, keep, f"{full}.")
        else:
            delattr(module, name)
    for name, _ in list(module.named_parameters(recurse=False)):
        if not keep(f"{prefix}{name}"):
            delattr(module, name)


def read_weights(
    folder: Path, device: torch.device | str, dtype: torch.dtype, keep: Keep
) -> dict[str, Tensor]:
    """Copies of a component's weights that are kept, by name.

    Raises:
        OSError, SafetensorError: when a file cannot be read or is damaged.
    """
    found = {}
    for path in weight_files(folder):
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118  # no mapping: it has no other way to list names
                if keep(name):
                    # A copy: what it gives is the file's own memory, which another program may change.
                    found[name] = file.get_tensor(name).to(device, dtype, copy=True)
    return found


def _check(
    folder: Path, wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, Tensor], advice: str
) -> None:
    problems = {
        "missing keys": wanted.keys() - found.keys(),
        "unexpected keys": found.keys() - wanted.keys(),
        "mismatched keys": {n for n, shape in wanted.items() if n in found and found[n].shape != shape},
    }
    for problem, names in problems.items():
        if names:
            raise ModelError(
                f"the weights in {folder} do not fit their config: {len(names)} {problem}, such as "
                f"{', '.join(sorted(names)[:3])}. {advice}"
            )
