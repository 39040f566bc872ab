"""Which layout a model has, and the components that lie in it.

A diffusers folder holds `transformer/` and its neighbours.
"""

from __future__ import annotations

from pathlib import Path

from ltx_core.models.component import Component
from ltx_core.models.errors import GET_ONE, ModelError
from ltx_core.models.folder import listing, read_folder


def read_layout(path: Path) -> dict[str, Component]:
    """The components of the model in `path`, by name.

    Raises:
        ModelError: when there is no model, or none of a known layout.
    """
    if path.is_file():
        raise ModelError(
            f"{path} is a single file; a model is a folder in the diffusers layout "
            f"(transformer/, vae/, text_encoder/, ...). {GET_ONE}"
        )
    if not path.is_dir():
        raise ModelError(f"there is no model in {path}: the folder does not exist. {GET_ONE}")
    if not (path / "transformer").is_dir():
        raise ModelError(f"the model in {path} has no transformer/; found {listing(path)}. {GET_ONE}")
    return read_folder(path)
