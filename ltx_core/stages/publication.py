"""What is published of a run: its weights in every form, the best step's too, and the facts of its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from ltx_core.config.root import Config
from ltx_core.config.sources import repository
from ltx_core.evaluation.card import Content
from ltx_core.evaluation.card_facts import BEST_FOLDER, LINEAGE_FOLDER, Best, CardFacts, Shown
from ltx_core.evaluation.report import ReportData
from ltx_core.models.hub import HubName
from ltx_core.models.license import base_license
from ltx_core.stages import lineage
from ltx_core.stages.context import Context
from ltx_core.stages.dataset import load_samples
from ltx_core.stages.export import PUBLISHED, writers
from ltx_core.stages.folder import product_files, product_of, weights_of
from ltx_core.stages.report import PRECISIONS
from ltx_core.store.keys import digest_file
from ltx_core.store.redact import Redactor, redactor

FORMS = {
    "diffusers": "the LoRA with adapter metadata, as diffusers' pipelines save it",
    "merged": "the base model's transformer with the LoRA in it, in diffusers' layout",
    "merged-file": "the same as one file of the original layout",
    "file": "the transformer as one file of the original layout",
}
"""What a further form of the weights is."""
MAIN = (
    "steps",
    "learning_rate",
    "optimizer_type",
    "scheduler_type",
    "batch_size",
    "gradient_accumulation_steps",
)
"""Options of training that the card names whatever their value; others where they differ from the default."""


@dataclass(frozen=True)
class BestWeights:
    """The best step of a run.

    Attributes:
        facts: what the run wrote of it: step, value, metric.
        product: its weights.
        differs: whether they are others than those of the run's product.
    """

    facts: Mapping[str, Any]
    product: Path
    differs: bool


def best_of(config: Config, run: Path) -> BestWeights | None:
    """The best step of the run in a folder, where it was judged and its checkpoint is there."""
    from ltx_core.training.judging import best_checkpoint, read_best

    facts, checkpoint = read_best(run), best_checkpoint(run)
    if facts is None or checkpoint is None:
        return None
    product = product_of(config, checkpoint)
    if not weights_of(product).is_file():
        return None
    differs = digest_file(weights_of(product)) != digest_file(weights_of(product_of(config, run)))
    return BestWeights(facts, product, differs)


def secrets_of(config: Config) -> Redactor:
    """What must not be seen in what is handed on: secrets of the environment, folders of the machine.

    Of a path the folder that it lies in is hidden; of one that lies in none, such as `/films`, its name.
    """
    captions = config.dataset.captions
    named = [one for one in (captions.api_key_env, captions.key_variable) if one]
    stated = config.model_dump()
    folders = [Path(text.partition("*")[0]) for text in _texts(stated) if text.startswith("/")]
    places: dict[Path | str, str] = {folder.parent: "…" for folder in folders}
    # A prompt may begin with `/` too, and is no folder: only what is a path by its field is hidden whole.
    paths = [str(one) for one in _values(stated, Path)] + [one.path for one in config.dataset.source]
    near = (Path(text.partition("*")[0]) for text in paths if text.startswith("/"))
    places |= {path: "…" for path in near if path.parent == Path("/")}
    places |= {config.workspace: "workspace", Path.cwd(): "."}
    return redactor(named, places)


def weights_in_forms(context: Context, product: Path, best: BestWeights | None) -> dict[str, Content]:
    """Further weights by their path in the published folder."""
    forms = context.config.checkpoints.formats
    found: dict[str, Content] = dict(writers(forms, product, context.info))
    if best is not None and best.differs:
        found |= {f"{BEST_FOLDER}/{name}": path for name, path in product_files(best.product).items()}
        ways = writers(forms, best.product, context.info)
        found |= {f"{BEST_FOLDER}/{name}": write for name, write in ways.items()}
    return found


def tables(context: Context, data: ReportData, secrets: Redactor) -> dict[str, bytes]:
    """Every clip, and everything that was set aside, as Parquet by path."""
    found = {
        "clips": lineage.clip_records(context),
        "set_aside": lineage.aside_records(data.dataset.rejected),
    }
    return {
        f"{LINEAGE_FOLDER}/{name}.parquet": lineage.table_bytes(secrets.data(records))
        for name, records in found.items()
        if records
    }


def details(context: Context, run: Path) -> dict[str, Any]:
    """What `lineage.json` says beyond the report."""
    config = context.config
    _, samples = load_samples(context)
    rights = lineage.rights_of_samples(context)
    return {
        "base_model": {
            "name": context.info.path.name,
            "hub": hub_base(config),
            "family": f"{context.info.family} {context.info.version}",
            "license": base_license(context.info.path),
        },
        "licenses": [asdict(one) for one in lineage.licensed(samples, rights)],
        "set_aside_by_filter": lineage.aside_by_filter(context),
        "code": lineage.code(),
        "seeds": {"training": config.seed, "samples": config.validation.seed},
        "events": lineage.events(run),
        "folder": run.name,
    }


def card_facts(
    context: Context, details: Mapping[str, Any], dataset: str, best: BestWeights | None, shown: list[str]
) -> CardFacts:
    """The facts of the card.

    Args:
        context: of the config.
        details: see `details`.
        dataset: digest of the dataset's content.
        best: the best step.
        shown: paths of the samples in the published folder.
    """
    config = context.config
    _, samples = load_samples(context)
    code: Mapping[str, str] = details["code"]
    return CardFacts(
        base_model=hub_base(config),
        license=config.hub.license or "",
        base_license=details["base_model"]["license"],
        samples=tuple(_shown(context, shown)),
        training=training_facts(config),
        rights=lineage.licensed(samples, lineage.rights_of_samples(context)),
        aside=details["set_aside_by_filter"],
        lineage={
            "dataset": dataset,
            "run": details["folder"],
            "code": f"ltx-flows {code['ltx-flows']} {code.get('commit', '')}".strip(),
            "libraries": ", ".join(f"{name} {code[name]}" for name in lineage.LIBRARIES if name in code),
        },
        events=tuple(lineage.event_line(event) for event in details["events"]),
        layouts=_layouts(config, best),
        best=_best(best),
    )


def training_facts(config: Config) -> dict[str, object]:
    """How a config trains: what everyone asks for, and what differs from the defaults."""
    options, plain = config.optimization, type(config.optimization)()
    precision = PRECISIONS[config.acceleration.precision]
    conditions = [
        f"{modality}: {condition.type} (share of steps {condition.probability:g})"
        for modality, stream in config.training_strategy.streams.items()
        for condition in stream.conditions
    ]
    further = [
        f"{field.name}={getattr(options, field.name)}"
        for field in fields(options)
        if field.name not in MAIN and getattr(options, field.name) != getattr(plain, field.name)
    ]
    return {
        "generated": " and ".join(config.training_strategy.streams),
        "conditions": "; ".join(conditions) or "text alone",
        **{name.replace("_", " "): getattr(options, name) for name in MAIN},
        "further options": ", ".join(further) or "as by default",
        "noise levels": config.flow_matching.timestep_sampling_mode,
        "precision": f"{precision}, weights exported in {config.checkpoints.precision}",
        "seed": str(config.seed),
    }


def hub_base(config: Config) -> str:
    """Id of the base model in a hub, where the config names it by one; "" for files on this machine."""
    source = config.model.model_source
    for text in (repository(source) if source else "", str(config.model.model_path)):
        name = None if Path(text).exists() else HubName.of(text)
        if name is not None:
            return name.repository
    return ""


def _shown(context: Context, paths: list[str]) -> list[Shown]:
    """Samples with their prompts: those of the config, else captions of held-out clips, in their order."""
    validation = context.config.validation
    wished = [(one.prompt, validation.seed if one.seed is None else one.seed) for one in validation.samples]
    if not wished:
        _, samples = load_samples(context)
        clips = [one for one in samples if one.split == "heldout"] or samples
        wished = [(one.caption, validation.seed) for one in clips]
    by_number = {f"{number:02d}": told for number, told in enumerate(wished, 1)}
    films = [
        path for path in sorted(paths) if path.endswith((".mp4", ".wav")) and Path(path).stem in by_number
    ]
    return [Shown(path, *by_number[Path(path).stem]) for path in films]


def _layouts(config: Config, best: BestWeights | None) -> dict[str, str]:
    own = product_of(config, Path()).as_posix()
    main = "every weight of the transformer, in diffusers' layout"
    if config.model.training_mode == "lora":
        main = "the LoRA; its key names are those of the original checkpoint: for ComfyUI and diffusers"
    found = {own: main, **{PUBLISHED[form]: FORMS[form] for form in config.checkpoints.formats}}
    if best is not None and best.differs:
        found[f"{BEST_FOLDER}/"] = f"the same of step {best.facts['step']}, the best by held-out loss"
    return found


def _best(best: BestWeights | None) -> Best | None:
    if best is None:
        return None
    facts = best.facts
    return Best(int(facts["step"]), float(facts["value"]), str(facts["metric"]), best.differs)


def _texts(value: Any) -> list[str]:
    return [str(one) for one in _values(value, (str, Path))]


def _values(value: Any, kinds: type | tuple[type, ...]) -> list[Any]:
    """Every value of some kinds in data."""
    if isinstance(value, kinds):
        return [value]
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        value = list(value.values())
    many = isinstance(value, list | tuple | set | frozenset)
    return [found for one in value for found in _values(one, kinds)] if many else []
