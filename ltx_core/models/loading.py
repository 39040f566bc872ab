"""Load one component of a model folder: complete or not at all, from the disk alone, without noise."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from ltx_core.models.component import Component, Stored
from ltx_core.models.errors import GET_ONE, ModelError
from ltx_core.models.ltxv.sentencepiece_file import is_t5_pieces, t5_tokenizer
from ltx_core.models.partial import Keep, leave_out, read_weights
from ltx_core.models.quantise.layers import Quantiser


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the progress bars and warnings of diffusers and transformers inside the block."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = (diffusers_logging, transformers_logging)
    before = [(library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for library in libraries:
            library.set_verbosity(logging.ERROR)
            library.disable_progress_bar()
        try:
            yield
        finally:
            for library, (verbosity, bars) in zip(libraries, before, strict=True):
                library.set_verbosity(verbosity)
                if bars:
                    library.enable_progress_bar()


def load_component(
    component: Component,
    build: Callable[[], nn.Module],
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    keep: Keep | None = None,
    advice: str = GET_ONE,
    quantiser: Quantiser | None = None,
) -> Any:
    """The component as a frozen module in evaluation mode, its weights on `device`.

    The module is built without memory, what is left out is removed from it, and the weights that remain are
    read one by one onto the device. So the peak is the module's size and one tensor, also of a module that is
    quantised.

    Args:
        component: whose weights are read.
        build: makes the module by its config, with a weight for every one of the component's.
        device: where the weights shall lie.
        dtype: of the weights.
        keep: which parameters are loaded, by name; None: all.
        advice: what to do about a damaged one.
        quantiser: of its linear layers; None: they stay exact.

    Raises:
        ModelError: when config or weights are missing or damaged, or tensors are missing, left over or of
            another shape (a library would leave them at random values with only a warning).
    """
    from accelerate import init_empty_weights

    wanted = keep or _everything
    try:
        with quiet(), init_empty_weights():
            module = build()
        whole = {name: tuple(value.shape) for name, value in module.state_dict().items()}
        leave_out(module, wanted)
        chosen = {
            name: stored for name, stored in component.weights.items() if name not in whole or wanted(name)
        }
        _check(component, {name: shape for name, shape in whole.items() if wanted(name)}, chosen, advice)
        convert = None if quantiser is None else quantiser.prepare(module)
        weights = read_weights(chosen, device, dtype, convert)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"{component.place} cannot be loaded as {component.name}: {first_line(error)}. {advice}"
        ) from error
    module.load_state_dict(weights, strict=True, assign=True)
    # Buffers that no file holds (frequencies of a rotary embedding) were made on the CPU.
    return module.to(device).eval().requires_grad_(False)


def builder(component: Component, cls: Any) -> Callable[[], nn.Module]:
    """What makes a library's module by the component's config, for `load_component`."""

    def build() -> nn.Module:
        found: nn.Module = cls.from_config(component.config)
        return found

    return build


def load_tokenizer(component: Component) -> Any:
    """The tokenizer.

    Raises:
        ModelError: when it is damaged.
    """
    from transformers import AutoTokenizer

    try:
        with quiet(), component.folder() as folder:
            if is_t5_pieces(folder):
                return t5_tokenizer(folder)
            return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{component.place} cannot be loaded: {first_line(error)}. {GET_ONE}") from error


def first_line(error: Exception) -> str:
    """Kind and first line of an error, to stand within a sentence."""
    return f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")


def _everything(name: str) -> bool:
    return True


def _check(
    component: Component, wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, Stored], advice: str
) -> None:
    problems = {
        "missing keys": wanted.keys() - found.keys(),
        "unexpected keys": found.keys() - wanted.keys(),
        "mismatched keys": {n for n, shape in wanted.items() if n in found and found[n].shape != shape},
    }
    for problem, names in problems.items():
        if names:
            raise ModelError(
                f"the weights in {component.place} do not fit their config: {len(names)} {problem}, such as "
                f"{', '.join(sorted(names)[:3])}. {advice}"
            )
