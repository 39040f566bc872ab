"""Models by name: the versions of LTX-Video that configs name, and where the hub has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ltx_core.models.hub import local_copy

FIRST = "Lightricks/LTX-Video"
"""The repository of 0.9.0, which holds later versions as single files beside; T5 is the same for all."""
MODEL_VERSIONS: Mapping[str, str] = {
    "LTXV_2B_0.9.0": FIRST,
    "LTXV_2B_0.9.1": "Lightricks/LTX-Video-0.9.1",
    "LTXV_2B_0.9.5": "Lightricks/LTX-Video-0.9.5",
    "LTXV_2B_0.9.6_DEV": f"{FIRST}/ltxv-2b-0.9.6-dev-04-25.safetensors",
    "LTXV_2B_0.9.6_DISTILLED": f"{FIRST}/ltxv-2b-0.9.6-distilled-04-25.safetensors",
    "LTXV_13B_097_DEV": "Lightricks/LTX-Video-0.9.7-dev",
    "LTXV_13B_097_DISTILLED": "Lightricks/LTX-Video-0.9.7-distilled",
}
"""Version -> its repository, or the file of one; a file holds no text encoder."""
TEXT_ENCODERS: Mapping[str, str] = {
    name: FIRST for name, place in MODEL_VERSIONS.items() if place.endswith(".safetensors")
}
"""Version -> the repository of its text encoder, where its own has none."""


def repository(source: str) -> str:
    """What the hub calls a version; a repository is itself."""
    return MODEL_VERSIONS.get(source, source)


def is_place_of(path: Path, source: str) -> bool:
    """Whether a path is where a folder of a source would lie, so that no other model was asked for."""
    own = Path(repository(source)).parts
    return path.parts[-len(own) :] == own


def named(source: str) -> list[str]:
    """What the hub calls the model of a source, and its text encoder where that has another name."""
    return [repository(source), *(text for text in [TEXT_ENCODERS.get(source)] if text is not None)]


def downloaded(source: str) -> tuple[Path, Path | None]:
    """The copies of a named model on this machine: its folder or file, and its text encoder's folder.

    Raises:
        ModelError: when one is not here, with how to get it.
    """
    text = TEXT_ENCODERS.get(source)
    return local_copy(repository(source)), None if text is None else local_copy(text)
