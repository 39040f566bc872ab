"""The zoo's folders in every layout that users have."""

from __future__ import annotations

import shutil
from pathlib import Path

from zoo import ltx2_original, ltxv_original
from zoo.folders import build_model
from zoo.trial import Place
from zoo.words import as_pieces

FOLDER, SHARDS, HUB = "diffusers folder", "folder, weights in shards", "hub id"
SINGLE_FILE, SPLIT_PACK = "single file, text encoder's folder", "split pack"
PACKED, ALONE = "single file, text encoder's file", "single file alone"
LAYOUTS = (FOLDER, SHARDS, HUB, SINGLE_FILE, PACKED, ALONE, SPLIT_PACK)
OWNER, REVISION = "zoo", "0" * 40


def as_layout(family: str, version: str, layout: str, target: Path) -> Place:
    """Build a model in a layout.

    Args:
        family: `ltx2` or `ltxv`.
        version: one of the family's.
        layout: one of `LAYOUTS`; a hub id needs `target` as the hub's cache (`HF_HUB_CACHE`).
        target: folder that is made.
    """
    if layout == HUB:
        return Place(Path(in_hub(family, version, target)))
    folder = build_model(target / "model", family, version, shard="60KB" if layout == SHARDS else None)
    if layout in (FOLDER, SHARDS):
        return Place(folder)
    own = ltx2_original if family == "ltx2" else ltxv_original
    encoder = {} if layout == ALONE else {"text_encoder_path": text_alone(folder, target / "text")}
    if layout == PACKED:
        encoder = {"text_encoder_path": target / "text_encoder.safetensors"}
        own.write_text_encoder(folder, encoder["text_encoder_path"])
    if layout != SPLIT_PACK:
        file = target / f"{family}-{version}.safetensors"
        own.write_single_file(folder, version, file)
        return Place(file, encoder)
    own.write_split_pack(folder, version, target / "pack")
    return Place(target / "pack", encoder if family == "ltxv" else {})


def text_alone(folder: Path, target: Path) -> Path:
    """A folder with the text encoder and its tokenizer only."""
    for name in ("text_encoder", "tokenizer"):
        shutil.copytree(folder / name, target / name)
    return target


def in_hub(family: str, version: str, cache: Path, repository: str = "") -> str:
    """Put a model into a hub's cache as a download leaves it; returns its id.

    The tokenizer of LTX-Video has the form that the published repositories have it in.
    """
    name = repository or f"{OWNER}/{family}-{version}"
    place = cache / f"models--{name.replace('/', '--')}"
    folder = build_model(snapshot(cache, name), family, version)
    if family == "ltxv":
        as_pieces(folder / "tokenizer")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(REVISION)
    return name


def snapshot(cache: Path, repository: str) -> Path:
    """The folder of a repository in a hub's cache."""
    return cache / f"models--{repository.replace('/', '--')}" / "snapshots" / REVISION
