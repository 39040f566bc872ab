"""The trainer for LTX-Video: its marks, how it names a model, its compiling."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from ltx_core.config.legacy import Rewrite
from ltx_core.config.sources import MODEL_VERSIONS

DEFAULT_VERSION = "LTXV_13B_097_DEV"
"""The older trainer's default model."""
COMPILE_KEYS = ("compile_with_inductor", "compilation_mode")
COMPILE_MODES = {"max-autotune": "max-autotune-no-cudagraphs"}
"""The older trainer's names of what has another one here."""
HUB = "https://huggingface.co/"
HUB_ID = re.compile(r"[A-Za-z0-9][\w-]*/[A-Za-z0-9][\w.-]*")
"""`owner/name`, without a look at the disk; where a folder of that name is there, it is used."""
WEIGHTS = (".safetensors", ".ckpt", ".pt")


def is_older(raw: Mapping[str, Any]) -> bool:
    """Whether a config bears a mark of the older trainer."""

    def has(section: str, *keys: str) -> bool:
        found = raw.get(section)
        return isinstance(found, dict) and any(key in found for key in keys)

    marks = has("model", "model_source") or has("acceleration", *COMPILE_KEYS)
    return "conditioning" in raw or marks or has("validation", "videos_per_prompt")


def model_source(rewrite: Rewrite) -> None:
    """A path becomes `model.model_path`; a named version or a hub's repository stays."""
    section = rewrite.section("model")
    _default_version(rewrite, section)
    source = section.get("model_source")
    if not isinstance(source, str):
        return
    if source in MODEL_VERSIONS:
        return
    if source.startswith(HUB) and HUB_ID.fullmatch(bare := source.removeprefix(HUB).rstrip("/")):
        section["model_source"] = bare
        rewrite.note(f"model.model_source: {source}", f"model.model_source: {bare}")
    elif source.upper().startswith("LTXV_"):
        close = difflib.get_close_matches(source.upper(), MODEL_VERSIONS, 1)
        rewrite.refuse(
            "model.model_source",
            f"no version is named so (found {source!r}); "
            + (f"did you mean {close[0]!r}?" if close else f"the versions are {', '.join(MODEL_VERSIONS)}"),
        )
    elif HUB_ID.fullmatch(source) is None or source.endswith(WEIGHTS):
        _as_path(rewrite, section, source)


def compiling(rewrite: Rewrite) -> None:
    """Whether blocks are compiled, and how."""
    switch, mode = COMPILE_KEYS
    if rewrite.mixed("acceleration", [switch], ["compile"]):
        return
    if rewrite.mixed("acceleration", [mode], ["compile_mode"]):
        return
    taken = rewrite.take("acceleration", COMPILE_KEYS)
    if switch in taken:
        rewrite.put("acceleration", {"compile": taken[switch]})
        rewrite.note(f"acceleration.{switch}", "acceleration.compile")
    if mode in taken:
        found = COMPILE_MODES.get(taken[mode], taken[mode])
        rewrite.put("acceleration", {"compile_mode": found})
        rewrite.note(f"acceleration.{mode}: {taken[mode]}", f"acceleration.compile_mode: {found}")


def _default_version(rewrite: Rewrite, section: dict[str, Any]) -> None:
    """The older trainer's default, where a config of its form names no model at all."""
    changed = any(change.old.startswith("conditioning") for change in rewrite.changes)
    if changed and not {"model_path", "model_source"} & section.keys():
        rewrite.put("model", {"model_source": DEFAULT_VERSION})
        rewrite.note("model (none stated: its default)", f"model.model_source: {DEFAULT_VERSION}")


def _as_path(rewrite: Rewrite, section: dict[str, Any], source: str) -> None:
    if rewrite.mixed("model", ["model_source"], ["model_path"]):
        return
    del section["model_source"]
    section["model_path"] = source
    rewrite.note("model.model_source", "model.model_path")
