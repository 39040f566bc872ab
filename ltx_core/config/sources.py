"""Models by name: the versions of LTX-Video that older configs name, and the repositories that hold them."""

from __future__ import annotations

from collections.abc import Mapping

MODEL_VERSIONS: Mapping[str, str] = {
    "LTXV_2B_0.9.0": "Lightricks/LTX-Video",
    "LTXV_2B_0.9.1": "Lightricks/LTX-Video-0.9.1",
    "LTXV_2B_0.9.5": "Lightricks/LTX-Video-0.9.5",
    "LTXV_2B_0.9.6_DEV": "Lightricks/LTX-Video",
    "LTXV_2B_0.9.6_DISTILLED": "Lightricks/LTX-Video",
    "LTXV_13B_097_DEV": "Lightricks/LTX-Video-0.9.7-dev",
    "LTXV_13B_097_DISTILLED": "Lightricks/LTX-Video-0.9.7-distilled",
}
"""Version -> repository. The 0.9.6 ones are single files there, in no folder of their own."""


def repository(source: str) -> str:
    """The hub's repository of a version; a repository is itself."""
    return MODEL_VERSIONS.get(source, source)


def not_here(source: str, folder: object) -> str:
    """What to do about a model that a config names and that is not on this machine."""
    named = repository(source)
    what = "is a version of LTX-Video" if named != source else "is neither a folder here nor downloaded"
    return (
        f"model.model_source {source!r} {what}: there is no {folder}, and a run downloads nothing. Download "
        f"it (`hf download {named} --local-dir FOLDER`) and set model.model_path to the folder; models of "
        "the LTX-2 family in the diffusers layout can be trained here"
    )
