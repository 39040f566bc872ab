"""Composition: a resolved config -> the stages that it needs, what of them is there, and their computation.

Imported by `tasks`, by the command line and by `python -m ltx_core`.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ltx_core.config.preflight import refuse
from ltx_core.config.roles import strategy_of
from ltx_core.config.root import Config
from ltx_core.config.wishes import Wish
from ltx_core.errors import ConfigError, LtxError
from ltx_core.stages.base import Item, NotReadyError, Stage, StagePlan
from ltx_core.stages.changes import compare
from ltx_core.stages.compute import compute_chunk, cut, set_aside
from ltx_core.stages.context import Context
from ltx_core.stages.device import Device, find_device
from ltx_core.stages.estimate import Estimate, Fit, estimate, fit, with_seconds
from ltx_core.stages.estimate_time import speed_key
from ltx_core.stages.registry import REQUIRES, STAGES
from ltx_core.stages.timing import begin_timings
from ltx_core.store.rows import Row

logger = logging.getLogger(__name__)


class Pipeline:
    """The DAG of one config."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.registry: dict[str, Stage] = {stage.name: stage for stage in STAGES}
        self.context = Context(config, self.registry)

    def stages(self, until: str | None = None) -> list[str]:
        """Names of the stages that the config needs, in order.

        Args:
            until: only this stage and what it needs.

        Raises:
            ConfigError: for a name that is no stage.
        """
        if until is not None and until not in self.registry:
            raise ConfigError(f"no stage is named {until!r}; the stages are {', '.join(self.registry)}")
        wanted = [name for name in self.registry if self.context.needs(name)]
        if until is None:
            return wanted
        needed = {until}
        for name in reversed(list(self.registry)):
            if name in needed:
                whole = name != "dataset" and not self.config.imported
                required = {found for found in REQUIRES[name] if whole and not self.registry[found].single}
                needed |= required | (set(REQUIRES[name]) & set(wanted))
        return [name for name in self.registry if name in needed]

    def named(self) -> tuple[set[str], str]:
        """Row keys that the config's stages may need, and why those of further ones are not known, or "".

        Of a stage that waits for others it cannot be told which rows it will need: all that it has are named.
        """
        found: set[str] = set()
        for stage in self.stages():
            try:
                found.update(item.key for item in self.context.items(stage))
            except NotReadyError:
                found.update(row.row_key for row in self.context.store.rows(stage))
            except LtxError as error:
                return found, str(error)
        return found, ""

    def refuse(self) -> list[str]:
        """Warnings of the preflight.

        Raises:
            ConfigError: for what cannot end well.
        """
        return refuse(self.config)

    def changes(self) -> list[str]:
        """What is configured other than in an earlier run of this name, and what follows; () for nothing."""
        found = compare(self.context)
        return [] if found is None else found.lines

    def begin(self) -> None:
        """Mark the beginning of a run: times are counted from here."""
        begin_timings(self.config.workspace)

    def plan(self, stage: str) -> StagePlan:
        """What of a stage is committed and what is missing."""
        with _uncollected():
            return self._plan(stage)

    def _plan(self, stage: str) -> StagePlan:
        self.context.refresh()
        try:
            items = self.context.items(stage)
            rows = self.context.committed(stage)
        except NotReadyError:
            return StagePlan(stage, ready=False)
        missing = [item for item in items if item.key not in rows]
        return StagePlan(
            stage,
            ready=True,
            total=len(items),
            cached=len(items) - len(missing),
            missing=len(missing),
            rejected=[
                (item.name, rows[item.key].reason)
                for item in items
                if item.key in rows and not rows[item.key].ok
            ],
            chunks=cut(self.context, items, rows),
        )

    def plans(self, device: Device | None = None) -> list[StagePlan]:
        """The plans of all needed stages, with the expected seconds of what is missing.

        Args:
            device: whose calibration counts where no training was measured; None: only what was measured.
        """
        return with_seconds(self.context, [self.plan(stage) for stage in self.stages()], device)

    def device(self, gpu_memory: int | None = None) -> Device:
        """Where the config runs, or a GPU with so many bytes that it is planned for."""
        return find_device(self.config, gpu_memory)

    def estimate(self, plans: Sequence[StagePlan], device: Device | None = None) -> Estimate:
        """Time, memory and disk of what `plans` miss, on `device` or where the config runs.

        Raises:
            ModelError: when the model is missing or damaged.
            ConfigError: when a bucket does not fit the model.
        """
        return estimate(self.context, plans, device or self.device())

    def fit(self, device: Device | None = None) -> Fit:
        """Whether every stage fits into the memory of `device`, and what to change.

        Raises:
            ModelError, ConfigError: as `estimate`.
        """
        return fit(self.context, device or self.device())

    def calibrate(self) -> None:
        """Measure the model's speed where the config runs, and remember it in the workspace.

        Raises:
            LtxError: when the configured device is not there.
            StoreError: when the workspace cannot be written.
        """
        from ltx_core.stages.calibrate import calibrate
        from ltx_core.stages.calibration import remember

        device = self.device()
        found = calibrate(self.context, device.name)
        remember(self.config.workspace, speed_key(self.context, device), found)

    def compute(self, stage: str, chunk: Sequence[str], along: Collection[str] = ()) -> dict[str, Any]:
        """Compute and commit the missing rows of a chunk; another run on the same store is waited for.

        Args:
            stage: name of the stage.
            chunk: row keys, as in `StagePlan.chunks`.
            along: stages of the run that may compute their rows of the same clips on this occasion.

        Returns:
            manifest: stage, rows, ok, rejected (name, reason), seconds, along.

        Raises:
            LtxError: when a row cannot be computed (those before it are committed), or inputs have changed
                since the plan was made.
        """
        started = time.perf_counter()
        found = compute_chunk(self.context, self.registry[stage], chunk, along)
        manifest = self._manifest(stage, found.items, found.rows, time.perf_counter() - started)
        return {**manifest, "along": found.along} if found.along else manifest

    def set_aside(self, stage: str, chunk: Sequence[str], reason: str) -> dict[str, Any]:
        """Commit the missing rows of a chunk as rejected for `reason`: the manifest."""
        found = set_aside(self.context, self.registry[stage], chunk, reason)
        return self._manifest(stage, found.items, found.rows, 0.0)

    def manifest(self, stage: str) -> dict[str, Any]:
        """Manifest of a stage that is wholly there."""
        self.context.refresh()
        results = self.context.results(stage)
        return self._manifest(stage, [item for item, _ in results], [row for _, row in results], 0.0)

    def _manifest(
        self, stage: str, items: Sequence[Item], rows: Sequence[Row], seconds: float
    ) -> dict[str, Any]:
        names = {item.key: item.name for item in items}
        refused = [(names.get(row.row_key, row.clip_id), row.reason) for row in rows if not row.ok]
        manifest: dict[str, Any] = {
            "stage": stage,
            "rows": len(rows),
            "ok": sum(row.ok for row in rows),
            "rejected": refused,
            "seconds": round(seconds, 3),
            **self.registry[stage].summary(rows),
        }
        if self.registry[stage].single:
            for row in rows:
                manifest.update(self.registry[stage].product(self.context, row))
        return manifest


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's collector, which would walk the rows of fifty thousand clips again and again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def import_prepared(config: Config, tell: Callable[[int, int], None]) -> dict[str, Any]:
    """Import every column of `data.preprocessed_data_root`, whatever the mode reads; again costs nothing.

    Args:
        config: with the folder.
        tell: is told of rows done and of all.

    Returns:
        `columns`: (name, files, imported, set aside); `rejected`: (file, reason); `unknown`: further folders.

    Raises:
        ConfigError: when the folder holds no prepared data.
    """
    from ltx_core.stages.imported import Imported, import_table

    pipeline = Pipeline(config)
    pipeline.registry[Imported.name] = Imported(every_column=True)
    plan = pipeline.plan(Imported.name)
    for number, chunk in enumerate(plan.chunks, 1):
        pipeline.compute(Imported.name, chunk)
        tell(number, len(plan.chunks))
    return import_table(pipeline.context)


def show(config: Config, what: str) -> list[dict[str, Any]]:
    """Tables of the dataset, the run or a clip of a config; see `stages.show`."""
    from ltx_core.stages.show import show as tables

    return tables(Pipeline(config).context, what)


def sample(
    config: Config, wish: Wish | None = None, progress: Callable[[int, int], None] | None = None
) -> Iterator[Path]:
    """Generate samples with the config's trained LoRA, or any other; yields each file when it is written.

    Args:
        config: the run's; with a LoRA of its own the wish needs no dataset and no training.
        wish: prompts, files and axes of a grid; None: the config's own samples.
        progress: called after every step with those done and all of them.

    Raises:
        LtxError: when the config's training has not been run, or a wish cannot be met.
    """
    from ltx_core.stages.folder import folder_of, product_of
    from ltx_core.stages.grid import make_grid, metadata_of, product_at

    wish = wish or Wish()
    if wish.lora is not None:
        product = product_at(wish.lora)
        strategy = strategy_of(metadata_of(product)) or config.training_strategy
        context = Pipeline(config.model_copy(update={"training_strategy": strategy})).context
        folder = config.workspace / "samples"
        yield from make_grid(context, product, folder, wish, trained_here=False, progress=progress)
        return
    pipeline = Pipeline(config)
    for chunk in pipeline.plan("text").chunks:  # prompts of the config that are new since the training
        pipeline.compute("text", chunk)
    context = pipeline.context
    try:
        ((_, row),) = context.results("train")
    except NotReadyError:
        raise LtxError(
            "this config has no trained LoRA yet; run `ltx run CONFIG` first, with the same overrides, or "
            "give one with --lora FILE"
        ) from None
    folder = folder_of(config, row)
    product, target = product_of(config, folder), folder / "samples"
    yield from make_grid(context, product, target, wish, trained_here=True, progress=progress)
