"""Load one component of a model folder: complete or not at all, from the disk alone, without noise."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError

from ltx_core.models.info import GET_ONE, ModelError, ModelInfo


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


def load_module(info: ModelInfo, component: str, cls: Any, dtype: torch.dtype) -> Any:
    """The component as a frozen module in `dtype` on the CPU, in evaluation mode.

    Args:
        info: the model.
        component: name of its folder.
        cls: a class of diffusers or transformers with `from_pretrained`.
        dtype: of the weights.

    Raises:
        ModelError: when the folder, its config or its weights are missing or damaged, or tensors are
            missing or left over (a library would leave them at random values with only a warning).
    """
    info.require(component)
    folder = info.folder(component)
    keyword = {"torch_dtype": dtype} if cls.__module__.startswith("diffusers") else {"dtype": dtype}
    try:
        with quiet():
            module, report = cls.from_pretrained(
                folder, local_files_only=True, output_loading_info=True, **keyword
            )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"{folder} cannot be loaded as {cls.__name__}: {first_line(error)}. {GET_ONE}"
        ) from error
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        names = sorted(str(name) for name in report.get(problem) or ())
        if names:
            raise ModelError(
                f"the weights in {folder} do not fit their config: {len(names)} {problem.replace('_', ' ')}, "
                f"such as {', '.join(names[:3])}. {GET_ONE}"
            )
    return module.eval().requires_grad_(False)


def load_tokenizer(info: ModelInfo) -> Any:
    """The tokenizer.

    Raises:
        ModelError: when it is missing or damaged.
    """
    info.require("tokenizer")
    from transformers import AutoTokenizer

    folder = info.folder("tokenizer")
    try:
        with quiet():
            return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder} cannot be loaded: {first_line(error)}. {GET_ONE}") from error


def first_line(error: Exception) -> str:
    """Kind and first line of an error, to stand within a sentence."""
    return f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")
