"""train: a LoRA or a whole transformer, in a run's folder; the row names it and the digest of the weights.

Entry to loss in four files: here, `training/loop.py`, `training/step.py`, `diffusion/loss.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

from ltx_core.config.root import Config
from ltx_core.curation.functions import mark
from ltx_core.errors import LtxError
from ltx_core.stages.base import Item, Stage, pending
from ltx_core.stages.changes import compare
from ltx_core.stages.context import Context
from ltx_core.stages.dataset import load_samples
from ltx_core.stages.folder import (
    begin,
    folder_of,
    is_full,
    place,
    product_of,
    run_folder,
    stated,
    weights_of,
)
from ltx_core.stages.judged import chosen_checkpoint, judge_options, judged_section
from ltx_core.stages.longer import take_over
from ltx_core.stages.mixture import shape_tokens, shares_of
from ltx_core.stages.report import base_fingerprint, base_quantization
from ltx_core.stages.warm import beginning_of, note_beginning
from ltx_core.store.dataset import Sample
from ltx_core.store.keys import Keys, digest, digest_file
from ltx_core.store.rows import PendingRow, Row
from ltx_core.training.options import OPTIMIZERS, OptimizationOptions
from ltx_core.training.processes import place as place_of_this
from ltx_core.training.processes import process_count
from ltx_core.training.tracker_options import Tracking

RECOMPUTING = ("enable_gradient_checkpointing", "checkpoint_every")
"""Fields of `optimization` that say what is computed again, and when; the result is the same."""
BESIDE = ("max_bad_steps", "ema_offload")
"""Fields that say when a run is given up, and where its average lies; the result is the same."""
LATER = (
    "batch_tokens",
    "fill",
    "prior_loss_weight",
    "optimizer_params",
    "video_learning_rate",
    "audio_learning_rate",
    "ema_decay",
    "ema_warmup",
    "ema_every",
    "frozen",
)
"""Fields that are no part of a run's key where they are at their defaults: runs of before them stay valid."""


class Train(Stage):
    """One row, keyed by the dataset's content, everything that the training depends on and the base model."""

    name: ClassVar[str] = "train"
    single: ClassVar[bool] = True

    def section(self, context: Context) -> dict[str, Any]:
        """What changes the weights; where it runs and how often it saves does not."""
        begun = beginning_of(context)
        return self.without_beginning(context.config) | ({} if begun is None else _begun(digest_file(begun)))

    def without_beginning(self, config: Config) -> dict[str, Any]:
        """`section` but for the weights that the training begins with."""
        return {
            "strategy": config.training_strategy.model_dump(mode="json"),
            **({"training_mode": "full"} if is_full(config) else {"lora": config.lora.as_key()}),
            "optimization": _learning(config),
            "flow_matching": config.flow_matching.model_dump(mode="json"),
            "precision": config.acceleration.precision,
            **base_quantization(config),
            "export": config.checkpoints.precision,
            "seed": config.seed,
            "trigger": config.dataset.trigger,
            **judged_section(config),
        }

    def key_with(self, context: Context) -> Callable[[str], str]:
        """The key of the config's run by the digest of the weights that it begins with.

        Raises:
            NotReadyError: while the dataset is missing.
        """
        context.results("dataset")
        return lambda begun: self.key_of(context, context.config, begun)

    def key_of(self, context: Context, config: Config, begun: str | None) -> str:
        """The key of another config's run on this dataset and base.

        Args:
            context: of the config whose dataset and base these are.
            config: the other one.
            begun: digest of the weights that it begins with, or None.

        Raises:
            NotReadyError: while the dataset is missing.
        """
        ((_, row),) = context.results("dataset")
        section = self.without_beginning(config) | ({} if begun is None else _begun(begun))
        return Keys(self.name, self.version, section, self.fingerprint(context)).of([row.content_digest])

    def fingerprint(self, context: Context) -> str:
        """The transformer and the connectors."""
        return base_fingerprint(context.info)

    def items(self, context: Context) -> list[Item]:
        """One."""
        ((_, row),) = context.results("dataset")
        return [Item(self.key(context, [row.content_digest]), "", "train", (row.row_key,), row)]

    def valid(self, context: Context, row: Row) -> bool:
        """Whether the run's weights are there at their length."""
        weights = weights_of(product_of(context.config, folder_of(context.config, row)))
        return weights.is_file() and weights.stat().st_size == row.columns.get("weights_bytes")

    def product(self, context: Context, row: Row) -> dict[str, Any]:
        """The run's folder and its weights."""
        return {**super().product(context, row), "run": str(folder_of(context.config, row))}

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Train, or go on from the newest checkpoint of this very run."""
        for item in items:
            folder = run_folder(context.config, item.key)
            compared = compare(context)
            begin(folder, context.config, _lineage(context, item))
            note_beginning(context, folder)
            if compared is not None and compared.longer:
                take_over(compared.run, folder, item.key)
            if place_of_this().world > 1:
                from ltx_core.stages.together import tell

                tell(context.config, item.key)
            outcome = train(context, folder, item.key, () if compared is None else compared.facts)
            product = product_of(context.config, folder)
            chosen = chosen_checkpoint(context.config, outcome.checkpoint, outcome.best)
            place(product_of(context.config, chosen), product)
            found = digest_file(weights_of(product))
            yield pending(
                item,
                columns={
                    "run": stated(context.config, folder),
                    "steps": outcome.step,
                    "resumed_from": outcome.resumed_from,
                    "weights": found,
                    "weights_bytes": weights_of(product).stat().st_size,
                },
                content={"weights": found},
            )


def train(context: Context, folder: Path, identity: str, changes: Sequence[Mapping[str, Any]] = ()) -> Any:
    """Wire the config's parts together and run the loop; returns its `Outcome`.

    Args:
        context: of the config.
        folder: of the run.
        identity: its key.
        changes: what the config has other than an earlier run, for the log.
    """
    from ltx_core.assemble import assemble
    from ltx_core.stages.batches import Rows, open_contexts, scales
    from ltx_core.stages.factors import reference_factors
    from ltx_core.stages.hooks import make_hooks
    from ltx_core.stages.network import exporter, open_training
    from ltx_core.stages.remedies import remedies
    from ltx_core.training.device import make_accelerator
    from ltx_core.training.loop import train as run_loop
    from ltx_core.training.plan import Parts
    from ltx_core.training.progress import Bounded, memory

    config = context.config
    row, samples = load_samples(context)
    reference_factors(context)  # refuses clips that disagree
    accelerator = make_accelerator(config.acceleration)
    rows = Rows(context, samples)
    velocity = open_training(context)
    contexts = open_contexts(context, rows)
    plan = replace(make_plan(context, folder, identity, samples), changes=tuple(changes))
    parts = Parts(
        model=velocity.model,
        read=rows.reader(),
        assemble=lambda batch, coins: assemble(config.training_strategy, batch, scales(context), coins),
        contexts=contexts,
        predict=velocity,
        export=exporter(context, velocity, row.content_digest),
        remedies=lambda shortage: remedies(context),
    )
    hooks = make_hooks(context, folder, rows, velocity, contexts, accelerator)
    tell = Bounded(lambda progress: _tell(context, progress, stated(config, folder)), memory)
    return run_loop(plan, parts, accelerator, hooks, tell)


def make_plan(context: Context, folder: Path, identity: str, samples: Sequence[Sample]) -> Any:
    """What the training shall do, from the config and the dataset's samples."""
    from ltx_core.stages.pace import pace_of
    from ltx_core.training.plan import Plan

    config, options = context.config, context.config.optimization
    trained = [sample for sample in samples if sample.split == "train"]
    if not trained:
        raise LtxError("no clip of the dataset is for training; lower `dataset.holdout.fraction`")
    return Plan(
        folder=folder,
        buckets={sample.clip_id: sample.shape for sample in trained},
        optimization=options,
        checkpoints=config.checkpoints,
        step=step_options(config),
        seed=config.seed,
        identity=identity,
        ahead=config.data.num_dataloader_workers,
        pace=pace_of(context, trained),
        offload=config.acceleration.offload_optimizer_during_validation,
        judge=judge_options(config, samples),
        tensorboard=config.tensorboard,
        tracking=tracking_of(config),
        tokens=shape_tokens(context, trained),
        shares=shares_of(trained),
        prior=frozenset(sample.clip_id for sample in trained if sample.regularisation),
    )


def step_options(config: Config) -> Any:
    """What a step draws and weighs."""
    from ltx_core.training.step import StepOptions

    options, flow = config.optimization, config.flow_matching
    return StepOptions(
        level_mode=flow.timestep_sampling_mode,
        level_params=flow.timestep_sampling_params,
        shared_level=flow.shared_sigma,
        caption_dropout=options.caption_dropout,
        weights={"video": options.video_loss_weight, "audio": options.audio_loss_weight},
    )


def tracking_of(config: Config) -> Tracking:
    """Where records go beside the run's folder; the config goes along without secrets and places."""
    from ltx_core.stages.publication import secrets_of

    hide = secrets_of(config)
    home = config.trackio.dir or config.workspace / "trackio"
    return Tracking(
        config.wandb, replace(config.trackio, dir=home), hide.data(config.model_dump(mode="json"))
    )


def _begun(weights: str) -> dict[str, str]:
    """The weights that the training goes on from, by the digest of their bytes."""
    return {"load_checkpoint": weights}


def _lineage(context: Context, item: Item) -> dict[str, Any]:
    row: Row = item.payload
    return {
        "run": item.key,
        "dataset": row.content_digest,
        "config": digest(context.config.model_dump(mode="json")),
        "base_model_fingerprint": base_fingerprint(context.info),
        **base_quantization(context.config),
    }


def _tell(context: Context, progress: Any, run: str) -> None:
    context.progress({"stage": "train", "run": run, **progress.as_dict()})


def _learning(config: Config) -> dict[str, Any]:
    """Options but those that change memory and time, not the result.

    A step's passes count over all processes: how they are shared out changes the result by rounding alone.
    """
    options, plain = config.optimization, OptimizationOptions()
    default = (name for name in LATER if getattr(options, name) == getattr(plain, name))
    left_out = {*RECOMPUTING, *BESIDE, *default}
    found = {key: value for key, value in asdict(options).items() if key not in left_out}
    passes = options.gradient_accumulation_steps * process_count(config.acceleration)
    # A class by import path is a user's own: its module's version or content counts, as of all their code.
    own = {} if options.optimizer_type in OPTIMIZERS else {"optimizer": mark(options.optimizer_type)}
    return {**found, "gradient_accumulation_steps": passes, **own}
