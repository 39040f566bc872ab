"""A trained product, or a model, in the form that other programs read: `ltx export` and publishing.

| form | of a LoRA | what is written |
|---|---|---|
| `comfyui` | yes | one file, original names, alpha / rank within B |
| `diffusers` | yes | one file with adapter metadata, as pipelines save it |
| `merged`, `merged-file` | yes | the base model with the LoRA in it, as a folder or one file |
| `folder`, `file` | no | a whole transformer or model, as a folder or one file |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ltx_core.errors import ConfigError
from ltx_core.models.component import Component
from ltx_core.models.export_file import parts_in_file, write_file
from ltx_core.models.export_lora import (
    DIFFUSERS_FILE,
    unread_by_ltxv,
    with_alpha,
    write_comfyui,
    write_diffusers,
)
from ltx_core.models.export_model import write_model
from ltx_core.models.export_place import check_new, check_room, placed
from ltx_core.models.folder import folder_component
from ltx_core.models.info import ModelInfo
from ltx_core.models.lora_file import LoraFile, read_lora
from ltx_core.models.lora_fit import check_lora, check_transformer
from ltx_core.models.merge import merge, stored_bytes
from ltx_core.models.safetensors_file import file_metadata, stored_in
from ltx_core.models.targets import linear_names
from ltx_core.stages.folder import PRODUCTS

LORA_FORMS, MERGED_FORMS, WHOLE_FORMS = (
    ("comfyui", "diffusers"),
    ("merged", "merged-file"),
    ("folder", "file"),
)
FORMS = (*LORA_FORMS, *MERGED_FORMS, *WHOLE_FORMS)
Tell = Callable[[int, int], None]
MIB = 1 << 20


@dataclass(frozen=True)
class Export:
    """What is to be written.

    Attributes:
        product: a LoRA's file, a transformer's folder, or a model in any layout.
        form: one of `FORMS`.
        out: the new file or folder.
        base: the model that the product was trained on; None where nothing says it.
        strength: of a LoRA that is merged.
        alpha: of a LoRA whose file states none.
        only_transformer: leave out the model's other components.
    """

    product: Path
    form: str
    out: Path
    base: ModelInfo | None = None
    strength: float = 1.0
    alpha: float | None = None
    only_transformer: bool = False


def export(job: Export, tell: Tell = lambda done, total: None) -> tuple[Path, list[str]]:
    """Write an export; nothing that is there is overwritten.

    Args:
        job: what, and where to.
        tell: is told of the MiB that are done and of all.

    Returns:
        The new file or folder, and what its user should know.

    Raises:
        LtxError: when the product has no such form, does not fit its base, or the place is taken or full.
    """
    _check_form(job)
    out = _target(job)
    check_new(out)
    if job.form in LORA_FORMS:
        file, notes = _lora(job)
        with placed(out) as path:
            write_form(job.form, path, file)
        return out, [*notes, *_unread(job, file)]
    parts, metadata, notes = _model(job)
    base = job.base
    version = base.version if base is not None else ""
    new = {"transformer"} if job.form in MERGED_FORMS else set[str]()
    written = _written(job.form, parts, new)
    total = sum(stored_bytes(part) for part in written.values())
    check_room(out, total)
    count = _counter(tell, total)
    with placed(out) as path:
        if job.form.endswith("file"):
            write_file(path, parts, version, metadata, count)
        else:
            write_model(path, parts, new, metadata, count)
    return out, notes


def write_form(form: str, path: Path, file: LoraFile) -> None:
    """Write a LoRA in one of `LORA_FORMS`."""
    (write_comfyui if form == "comfyui" else write_diffusers)(path, file)


def is_lora(product: Path) -> bool:
    """Whether a file holds adapters and not whole weights."""
    return product.is_file() and any(".lora_" in key for key in stored_in(product))


def _check_form(job: Export) -> None:
    lora = is_lora(job.product)
    fitting = (*LORA_FORMS, *MERGED_FORMS) if lora else WHOLE_FORMS
    if job.form not in fitting:
        what = "a LoRA" if lora else "no LoRA but whole weights"
        raise ConfigError(f"--to {job.form}: {job.product} is {what}; use --to {' or --to '.join(fitting)}")
    if job.form in MERGED_FORMS and job.base is None:
        raise ConfigError(
            f"--to {job.form}: nothing says what {job.product} was trained on; give it with --model"
        )
    if job.strength != 1 and job.form not in MERGED_FORMS:
        raise ConfigError(
            f"--strength {job.strength:g} is for --to merged; a LoRA's own strength is set where it is used"
        )


def _target(job: Export) -> Path:
    if job.form == "diffusers" and job.out.suffix != ".safetensors":
        return job.out / DIFFUSERS_FILE
    single = job.form == "comfyui" or job.form.endswith("file")
    if single and job.out.suffix != ".safetensors":
        raise ConfigError(
            f"--to {job.form} writes one file; give a path that ends in .safetensors, not {job.out}"
        )
    return job.out


def _lora(job: Export) -> tuple[LoraFile, list[str]]:
    linear, notes = [], []
    if job.base is not None:
        notes = check_lora(job.product, job.base)
        shapes = {name: stored.shape for name, stored in job.base.part("transformer").weights.items()}
        linear = linear_names(shapes)
    file = read_lora(job.product, linear)
    return (file if job.alpha is None else with_alpha(file, job.alpha)), notes


def _unread(job: Export, file: LoraFile) -> list[str]:
    """What `LTXPipeline` does not read of a file for ComfyUI."""
    family = job.base.family if job.base is not None else file.metadata.get("base_model_family", "")
    left = unread_by_ltxv(file) if job.form == "comfyui" and family.startswith("ltxv") else []
    if not left:
        return []
    return [
        f"LTXPipeline leaves out {', '.join(left)} of this file, whose original names it does not know; "
        "for it use --to diffusers"
    ]


def _model(job: Export) -> tuple[dict[str, Component], dict[str, str], list[str]]:
    """The components to be written, strings for the header, and what is to be told."""
    if job.form in MERGED_FORMS:
        assert job.base is not None
        file, notes = _lora(job)
        parts = dict(job.base.parts)
        parts["transformer"] = merge(parts["transformer"], file, job.strength)
        metadata = _merged_metadata(job, file)
    else:
        parts, metadata, notes = _whole(job)
    if job.only_transformer:
        parts = {"transformer": parts["transformer"]}
    return parts, metadata, notes


def _whole(job: Export) -> tuple[dict[str, Component], dict[str, str], list[str]]:
    if job.product.name == PRODUCTS["full"] and job.product.is_dir():
        own = folder_component("transformer", job.product)
        files = sorted({stored.file for stored in own.weights.values()})
        metadata = {key: text for key, text in file_metadata(files[0]).items() if key != "format"}
        if job.base is None:
            return dict(ModelInfo.read(job.product.parent).parts), metadata, []
        notes = check_transformer(job.product, job.base)
        return {**job.base.parts, "transformer": own}, metadata, notes
    return dict(ModelInfo.read(job.product).parts), {}, []


def _merged_metadata(job: Export, file: LoraFile) -> dict[str, str]:
    """What a merged model says of itself."""
    kept = ("base_model", "base_model_family", "base_model_fingerprint", "trigger", "mode", "software")
    found = {key: file.metadata[key] for key in kept if key in file.metadata}
    return {**found, "merged_lora": job.product.name, "merged_strength": f"{job.strength:g}"}


def _written(form: str, parts: Mapping[str, Component], new: set[str]) -> dict[str, Component]:
    """The components whose bytes are written, and not taken over as files."""
    if form.endswith("file"):
        return {name: parts[name] for name in parts_in_file(parts)}
    return {name: part for name, part in parts.items() if name in new or not part.place.is_dir()}


def _counter(tell: Tell, total: int) -> Callable[[int], None]:
    done = 0

    def count(nbytes: int) -> None:
        nonlocal done
        done += nbytes
        tell(min(done, total) // MIB, total // MIB)

    return count
