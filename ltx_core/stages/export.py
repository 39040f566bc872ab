"""A trained product, or a model, in the form that other programs read: `ltx export` and publishing.

| form | of a LoRA | what is written |
|---|---|---|
| `comfyui` | yes | one file, original names, alpha / rank within B |
| `diffusers` | yes | one file with adapter metadata, as pipelines save it |
| `merged`, `merged-file` | yes | the base model with the LoRA in it, as a folder or one file |
| `folder`, `file` | no | a whole transformer or model, as a folder or one file |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ltx_core.errors import ConfigError
from ltx_core.models.component import Component
from ltx_core.models.export.file import parts_in_file, write_file
from ltx_core.models.export.lora import (
    DIFFUSERS_FILE,
    unread_by_ltxv,
    with_alpha,
    write_comfyui,
    write_diffusers,
)
from ltx_core.models.export.merge import merge, stored_bytes
from ltx_core.models.export.model import write_model
from ltx_core.models.export.place import check_new, check_room, placed
from ltx_core.models.folder import folder_component
from ltx_core.models.info import ModelInfo
from ltx_core.models.layouts import read_layout
from ltx_core.models.lora.file import LoraFile, read_lora
from ltx_core.models.lora.fit import check_lora, check_transformer
from ltx_core.models.lora.targets import linear_names
from ltx_core.models.names import is_adapter
from ltx_core.models.safetensors_file import file_metadata, stored_in
from ltx_core.stages.folder import PRODUCTS

LORA_FORMS, MERGED_FORMS, WHOLE_FORMS = (
    ("comfyui", "diffusers"),
    ("merged", "merged-file"),
    ("folder", "file"),
)
FORMS = (*LORA_FORMS, *MERGED_FORMS, *WHOLE_FORMS)
PUBLISHED = {
    "diffusers": DIFFUSERS_FILE,
    "merged": "merged",
    "merged-file": "merged.safetensors",
    "file": "model.safetensors",
}
"""Names of further forms in a published folder; the first form is the product itself."""
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


@dataclass(frozen=True)
class Whole:
    """A model to be written.

    Attributes:
        parts: its components.
        metadata: strings for the transformer's header.
        notes: what is to be told.
        new: names of the components that are not as their files are.
    """

    parts: Mapping[str, Component]
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    new: frozenset[str] = frozenset()

    def written(self, form: str) -> dict[str, Component]:
        """The components whose bytes are written, and not taken over as files."""
        if form.endswith("file"):
            return {name: self.parts[name] for name in parts_in_file(self.parts)}
        return {name: p for name, p in self.parts.items() if name in self.new or not p.place.is_dir()}


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
            _write_lora(job.form, path, file)
        return out, [*notes, *_unread(job, file)]
    whole = _whole_model(job)
    total = sum(stored_bytes(part) for part in whole.written(job.form).values())
    check_room(out, total)
    with placed(out) as path:
        _write_whole(job.form, path, whole, _counter(tell, total))
    return out, whole.notes


def writers(forms: Sequence[str], product: Path, base: ModelInfo) -> dict[str, Callable[[Path], None]]:
    """What writes a product in further forms, by the name of each in a published folder.

    Of whole models it is the transformer that is written: the rest is the base's.
    """
    return {
        PUBLISHED[form]: partial(
            _write, Export(product, form, Path(PUBLISHED[form]), base, only_transformer=True)
        )
        for form in forms
    }


def _write(job: Export, path: Path) -> None:
    _check_form(job)
    if job.form in LORA_FORMS:
        _write_lora(job.form, path, _lora(job)[0])
    else:
        _write_whole(job.form, path, _whole_model(job), lambda _: None)


def _write_lora(form: str, path: Path, file: LoraFile) -> None:
    (write_comfyui if form == "comfyui" else write_diffusers)(path, file)


def is_lora(product: Path) -> bool:
    """Whether a file holds adapters and not whole weights."""
    return product.is_file() and any(map(is_adapter, stored_in(product)))


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


def _whole_model(job: Export) -> Whole:
    """The components to be written, strings for the header, and what is to be told."""
    if job.form in MERGED_FORMS and job.base is not None:
        file, notes = _lora(job)
        parts = dict(job.base.parts)
        parts["transformer"] = merge(parts["transformer"], file, job.strength)
        found = Whole(parts, _merged_metadata(job, file), notes, frozenset(("transformer",)))
    else:
        found = _product_of_full(job)
    if job.base is not None and job.base.family == "ltxv":
        found = replace(found, metadata={**found.metadata, "model_version": job.base.version})
    if not job.only_transformer:
        return found
    near = ("transformer", "connectors") if job.form.endswith("file") else ("transformer",)
    return replace(found, parts={name: part for name, part in found.parts.items() if name in near})


def _product_of_full(job: Export) -> Whole:
    if job.product.name != PRODUCTS["full"] or not job.product.is_dir():
        return Whole(read_layout(job.product))
    own = folder_component("transformer", job.product)
    file = min(stored.file for stored in own.weights.values())
    metadata = {key: text for key, text in file_metadata(file).items() if key != "format"}
    if job.base is None:
        return Whole(read_layout(job.product.parent), metadata)
    notes = check_transformer(job.product, job.base)
    return Whole({**job.base.parts, "transformer": own}, metadata, notes)


def _write_whole(form: str, path: Path, whole: Whole, count: Callable[[int], None]) -> None:
    if form.endswith("file"):
        write_file(path, whole.parts, whole.metadata, count)
    else:
        write_model(path, whole.parts, whole.new, whole.metadata, count)


def _merged_metadata(job: Export, file: LoraFile) -> dict[str, str]:
    """What a merged model says of itself."""
    kept = ("base_model", "base_model_family", "base_model_fingerprint", "trigger", "mode", "software")
    found = {key: file.metadata[key] for key in kept if key in file.metadata}
    return {**found, "merged_lora": job.product.name, "merged_strength": f"{job.strength:g}"}


def _counter(tell: Tell, total: int) -> Callable[[int], None]:
    done = 0

    def count(nbytes: int) -> None:
        nonlocal done
        done += nbytes
        tell(min(done, total) // MIB, total // MIB)

    return count
