"""train: the LoRA, in a run's folder; the committed row names the folder and the digest of the weights.

Entry to loss in four files: here, `training/loop.py`, `training/step.py`, `diffusion/loss.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from ltx_core.config.root import Config
from ltx_core.errors import ConfigError, LtxError
from ltx_core.stages.base import Item, Stage, pending
from ltx_core.stages.context import Context
from ltx_core.stages.dataset import load_samples
from ltx_core.stages.folder import LORA, begin, folder_of, run_folder, stated
from ltx_core.stages.report import base_fingerprint, lora_metadata
from ltx_core.store.disk import write_atomic
from ltx_core.store.keys import digest, digest_file
from ltx_core.store.rows import PendingRow, Row


class Train(Stage):
    """One row, keyed by the dataset's content, everything that the training depends on and the base model."""

    name: ClassVar[str] = "train"
    single: ClassVar[bool] = True

    def section(self, context: Context) -> dict[str, Any]:
        """What changes the weights; where it runs and how often it saves does not."""
        config = context.config
        return {
            "strategy": config.training_strategy.model_dump(mode="json"),
            "lora": asdict(config.lora),
            "optimization": _without(asdict(config.optimization), "enable_gradient_checkpointing"),
            "flow_matching": config.flow_matching.model_dump(mode="json"),
            "precision": config.acceleration.precision,
            "export": config.checkpoints.precision,
            "seed": config.seed,
            "trigger": config.dataset.trigger,
            **_beginning(config),
        }

    def fingerprint(self, context: Context) -> str:
        """The transformer and the connectors."""
        return base_fingerprint(context.info)

    def items(self, context: Context) -> list[Item]:
        """One."""
        ((_, row),) = context.results("dataset")
        return [Item(self.key(context, [row.content_digest]), "", "train", (row.row_key,), row)]

    def valid(self, context: Context, row: Row) -> bool:
        """Whether the run's weights are there at their length."""
        weights = folder_of(context.config, row) / LORA
        return weights.is_file() and weights.stat().st_size == row.columns["lora_bytes"]

    def product(self, context: Context, row: Row) -> dict[str, Any]:
        """The run's folder and its weights."""
        return {**super().product(context, row), "run": str(folder_of(context.config, row))}

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Train, or go on from the newest checkpoint of this very run."""
        for item in items:
            folder = run_folder(context.config, item.key)
            begin(folder, context.config, _lineage(context, item))
            outcome = train(context, folder, item.key)
            weights = outcome.checkpoint / LORA
            write_atomic(folder / LORA, weights.read_bytes())
            found = digest_file(folder / LORA)
            yield pending(
                item,
                columns={
                    "run": stated(context.config, folder),
                    "steps": outcome.step,
                    "resumed_from": outcome.resumed_from,
                    "lora": found,
                    "lora_bytes": (folder / LORA).stat().st_size,
                },
                content={"lora": found},
            )


def train(context: Context, folder: Path, identity: str) -> Any:
    """Wire the config's parts together and run the loop; returns its `Outcome`."""
    import torch

    from ltx_core.assemble import assemble
    from ltx_core.models.lora import add_lora, continue_lora, save_lora
    from ltx_core.stages.batches import Rows, open_contexts, scales
    from ltx_core.stages.hooks import make_hooks
    from ltx_core.stages.network import open_velocity
    from ltx_core.training.device import make_accelerator
    from ltx_core.training.loop import train as run_loop
    from ltx_core.training.plan import Parts

    config = context.config
    row, samples = load_samples(context)
    accelerator = make_accelerator(config.acceleration)
    rows = Rows(context, samples)
    velocity = open_velocity(context)
    add_lora(velocity.model, config.lora, config.seed, list(config.training_strategy.streams))
    if config.model.load_checkpoint is not None:
        continue_lora(velocity.model, _loaded_weights(config.model.load_checkpoint))
    contexts = open_contexts(context, rows)

    def export(path: Path, step: int) -> None:
        dtype = getattr(torch, config.checkpoints.precision)
        save_lora(path, velocity.model, lora_metadata(context, step, row.content_digest), dtype)

    plan = make_plan(context, folder, identity, {s.clip_id: s.shape for s in samples if s.split == "train"})
    parts = Parts(
        model=velocity.model,
        read=rows.reader(),
        assemble=lambda batch, coins: assemble(config.training_strategy, batch, scales(context), coins),
        contexts=contexts,
        predict=velocity,
        export=export,
    )
    hooks = make_hooks(context, folder, rows, velocity, contexts)
    return run_loop(plan, parts, accelerator, hooks, lambda progress: _tell(context, progress))


def make_plan(context: Context, folder: Path, identity: str, buckets: dict[str, str]) -> Any:
    """What the training shall do, from the config."""
    from ltx_core.training.plan import Plan
    from ltx_core.training.step import StepOptions

    config = context.config
    options, flow = config.optimization, config.flow_matching
    if not buckets:
        raise LtxError("no clip of the dataset is for training; lower `dataset.holdout.fraction`")
    return Plan(
        folder=folder,
        buckets=buckets,
        optimization=options,
        checkpoints=config.checkpoints,
        step=StepOptions(
            level_mode=flow.timestep_sampling_mode,
            level_params=flow.timestep_sampling_params,
            shared_level=flow.shared_sigma,
            caption_dropout=options.caption_dropout,
            weights={"video": options.video_loss_weight, "audio": options.audio_loss_weight},
        ),
        seed=config.seed,
        identity=identity,
        ahead=config.data.num_dataloader_workers,
    )


def _beginning(config: Config) -> dict[str, str]:
    """The LoRA that the training goes on from, by its bytes; nothing for one that begins anew."""
    if config.model.load_checkpoint is None:
        return {}
    return {"load_checkpoint": digest_file(_loaded_weights(config.model.load_checkpoint))}


def _loaded_weights(path: Path) -> Path:
    """The file of `model.load_checkpoint`.

    Raises:
        ConfigError: when there is none.
    """
    file = path / LORA if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(
            f"model.load_checkpoint {path} does not exist; give a LoRA's .safetensors file, or a folder that "
            f"holds {LORA}"
        )
    return file


def _lineage(context: Context, item: Item) -> dict[str, Any]:
    row: Row = item.payload
    return {
        "run": item.key,
        "dataset": row.content_digest,
        "config": digest(context.config.model_dump(mode="json")),
        "base_model_fingerprint": base_fingerprint(context.info),
    }


def _tell(context: Context, progress: Any) -> None:
    context.progress({"stage": "train", **progress.as_dict()})


def _without(values: dict[str, Any], name: str) -> dict[str, Any]:
    """Options but one, which changes memory and time, not the result."""
    return {key: value for key, value in values.items() if key != name}
