"""Whether trained weights belong to a model, from the files' headers alone: before anything is loaded.

Refused are: another family, another version where the file names one, layers that the model lacks or has in
another size. The same version with other weights (a finetune, a distilled model) is told, not refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from ltx_core.models.errors import ModelError
from ltx_core.models.folder import folder_weights
from ltx_core.models.info import ModelInfo
from ltx_core.models.lora.layout import KNOWN_PREFIXES, LoraLayout, read_layout
from ltx_core.models.lora.shapes import adapter_shapes
from ltx_core.models.lora.targets import linear_names, plan_adapters
from ltx_core.models.names import BOTH, is_adapter, modality_of, to_diffusers
from ltx_core.models.options import LoraOptions
from ltx_core.models.safetensors_file import file_metadata, stored_in

WEIGHT = ".weight"
FAMILY, FINGERPRINT = "base_model_family", "base_model_fingerprint"
"""Metadata keys of our own files: family and version, and the digest of the base's weights."""
NAMED_BY_OTHERS = ("modelspec.architecture", "ss_base_model_version", "base_model", "base_model_name")
"""Metadata keys under which other trainers name the base model."""
TITLES = {"ltx2": "LTX-2", "ltxv": "LTX-Video"}


def check_lora(path: Path, info: ModelInfo) -> list[str]:
    """Refuse a LoRA of another model.

    Returns:
        What is to be told: that it was trained on other weights of the same version.

    Raises:
        ModelError: naming both sides; or when the file is missing, damaged or no LoRA.
    """
    if not path.is_file():
        raise ModelError(f"{path} does not exist; give a .safetensors file of a LoRA")
    metadata = file_metadata(path)
    _check_named(path, metadata, info)
    shapes = {name: stored.shape for name, stored in info.part("transformer").weights.items()}
    for module, wanted in _lora_shapes(path, metadata, info, shapes).items():
        found = shapes.get(module + WEIGHT)
        if found != wanted:
            has = "has no such layer" if found is None else f"has {_size(found)} there"
            raise _other(
                path, metadata, info, f"it changes {module} of {_size(wanted)}, the model {has}", module
            )
    return _other_weights(path, metadata, info)


def check_continued(
    path: Path,
    info: ModelInfo,
    options: LoraOptions,
    modalities: Collection[str] = BOTH,
    frozen: Collection[str] = (),
) -> None:
    """Refuse to train on from a LoRA whose kind, layers or sizes are not those of the options.

    Raises:
        ModelError: naming both sides.
    """
    stored, shapes = stored_in(path), _shapes(info)
    linear = linear_names(shapes)
    layout = read_layout(path, stored.keys(), file_metadata(path), linear)
    _check_kind(path, layout, options)
    sizes = plan_adapters(linear, options, modalities, frozen)
    if different := sorted(sizes.keys() ^ layout.pairs.keys()):
        has = "has" if different[0] in layout.pairs else "lacks"
        raise ModelError(
            f"{path} has {len(layout.pairs)} layers, lora.target_modules means {len(sizes)}: the file {has} "
            f"{different[0]}; use the lora.target_modules that it was made with"
        )
    for module, size in sizes.items():
        rank = layout.rank(module, lambda key: stored[key].shape)
        if options.kind == "lora" and rank != size.rank:
            plain = not options.rank_pattern
            where, fix = (
                ("", f"lora.rank={rank}") if plain else (f" at {module}", "lora.rank_pattern as it was")
            )
            raise ModelError(f"{path} has rank {rank}{where}, lora.rank is {size.rank}; set {fix}")
        wanted = adapter_shapes(options, size, shapes[module + WEIGHT])
        found = {name: stored[key].shape for name, key in layout.pairs[module].items() if name != "alpha"}
        if options.kind == "lokr" and found != wanted:
            raise ModelError(
                f"{path} has {_factors(found)} at {module}, the options mean {_factors(wanted)}; use the "
                "lora.rank, decompose_factor and decompose_both that it was made with"
            )


def _check_kind(path: Path, layout: LoraLayout, options: LoraOptions) -> None:
    names = {("lora", False): "LoRA", ("lora", True): "DoRA", ("lokr", False): "LoKr"}
    found, wanted = (layout.kind, layout.dora), (options.kind, options.use_dora)
    if found != wanted:
        fix = f"lora.kind={found[0]} and lora.use_dora={str(found[1]).lower()}"
        raise ModelError(
            f"{path} is a {names[found]}, the options make a {names[wanted]}; set {fix}, or begin anew"
        )


def _factors(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} of {_size(shape)}" for name, shape in shapes.items())


def check_transformer(path: Path, info: ModelInfo) -> list[str]:
    """Refuse the weights of a whole transformer that is another model's.

    Args:
        path: a transformer's folder or a safetensors file.
        info: the model whose transformer they shall replace.

    Returns:
        What is to be told: that it was trained on other weights of the same version.

    Raises:
        ModelError: naming both sides; or when it is missing or damaged.
    """
    stored = folder_weights(path) if path.is_dir() else stored_in(path)
    if any(map(is_adapter, stored)):
        raise ModelError(
            f"{path} is a LoRA; full training begins from a whole transformer. Use `training_mode: lora`, or "
            "leave `load_checkpoint` out"
        )
    files = sorted({weight.file for weight in stored.values()})
    metadata = file_metadata(files[0]) if files else {}
    _check_named(path, metadata, info)
    found = {to_diffusers(_bare(key)): weight.shape for key, weight in stored.items()}
    for name, wanted in _shapes(info).items():
        if found.get(name) != wanted:
            has = f"{name} of {_size(found[name])}" if name in found else f"no {name}"
            raise _other(path, metadata, info, f"it has {has}, the model's is of {_size(wanted)}")
    return _other_weights(path, metadata, info)


def model_title(info: ModelInfo) -> str:
    """Family and version for people: `LTX-2 2.3`."""
    return _title(info.family, info.version)


def _shapes(info: ModelInfo) -> dict[str, tuple[int, ...]]:
    return {name: stored.shape for name, stored in info.part("transformer").weights.items()}


def _lora_shapes(
    path: Path, metadata: Mapping[str, str], info: ModelInfo, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """Shape of the weight that each layer of a LoRA is added to."""
    stored = stored_in(path)
    try:
        layout = read_layout(path, stored.keys(), metadata, linear_names(shapes))
    except ModelError as error:
        raise ModelError(f"{error} (the model in {info.path} is {model_title(info)})") from None
    return {module: layout.size(module, lambda key: stored[key].shape) for module in layout.pairs}


def _check_named(path: Path, metadata: Mapping[str, str], info: ModelInfo) -> None:
    named = _named(metadata)
    if named is None:
        return
    family, version = named
    if family != info.family or (version and version != info.version):
        raise _other(path, metadata, info, "")


def _named(metadata: Mapping[str, str]) -> tuple[str, str] | None:
    """Family and version of the base that a file names; the version of our own files only."""
    if FAMILY in metadata:
        family, _, version = metadata[FAMILY].partition(" ")
        return family, version
    text = " ".join(metadata.get(key, "") for key in NAMED_BY_OTHERS).lower()
    if re.search(r"ltxv|ltx[-_ ]?video", text):
        return "ltxv", ""
    return ("ltx2", "") if re.search(r"ltx[-_ ]?2|ltxav", text) else None


def _other(
    path: Path, metadata: Mapping[str, str], info: ModelInfo, why: str, module: str = ""
) -> ModelError:
    named, base = _named(metadata), metadata.get("base_model", "")
    if named is not None:
        made = f"was made for {_title(*named)}" + (f" ({base})" if base else "")
    elif module and modality_of(module) != "video":
        made = f"was made for {TITLES['ltx2']}: it changes sound"
    else:
        made = "was made for another model"
    return ModelError(
        f"{path} {made}, the model in {info.path} is {model_title(info)}{': ' if why else ''}{why}; set "
        "model.model_path to the model that it was made for, or give weights of this one"
    )


def _other_weights(path: Path, metadata: Mapping[str, str], info: ModelInfo) -> list[str]:
    known = metadata.get(FINGERPRINT)
    if known is None or known == info.fingerprint("transformer", "connectors"):
        return []
    base = metadata.get("base_model", "unknown")
    return [
        f"{path} was trained on other weights of {model_title(info)} ({base}) "
        f"than those in {info.path}: results may be worse than what it can do"
    ]


def _bare(key: str) -> str:
    return key.removeprefix(next(prefix for prefix in KNOWN_PREFIXES if key.startswith(prefix)))


def _title(family: str, version: str) -> str:
    return f"{TITLES.get(family, family)} {version}".strip()


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
