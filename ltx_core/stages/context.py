"""What all stages share: config, store, the scan of the sources, model information and loaded models."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from ltx_core.config.root import Config
from ltx_core.models.info import ModelInfo
from ltx_core.stages.base import Item, NotReadyError, Stage
from ltx_core.stages.memo import Memo
from ltx_core.stages.scan import Scan, SourceFile, scan
from ltx_core.store.rows import Row
from ltx_core.store.store import Store

if TYPE_CHECKING:
    from ltx_core.stages.models import Models

T = TypeVar("T")
WITHOUT_MEDIA = frozenset(("imported", "text", "dataset", "train", "evaluate", "publish", "push"))
"""Stages of a run on imported data."""


class Context:
    """One resolved config and what was found out about it; rows are looked up once until they change."""

    def __init__(self, config: Config, registry: dict[str, Stage]) -> None:
        self.config = config
        self.store = Store(config.store_root)
        self.registry = registry
        self.progress: Callable[[dict[str, Any]], None] = lambda progress: None
        self._memo = Memo()
        self._stamps: dict[str, Hashable] = {}

    @cached_property
    def info(self) -> ModelInfo:
        """Facts about the base model, from its configs alone."""
        return self.config.model.read()

    @cached_property
    def models(self) -> Models:
        """Loaded models, each on first use."""
        from ltx_core.stages.models import Models

        return Models(self.config, self.info)

    @cached_property
    def sources(self) -> list[SourceFile]:
        """The media files of all sources; none where prepared data is imported."""
        if self.config.imported:
            return []
        dataset = self.config.dataset
        main = ("video",) if self.config.training_strategy.video is not None else ()
        needed = (*main, "caption") if dataset.captions.captioner == "none" else main
        own = (self.config.workspace, self.config.runs_root)
        cache = self.config.workspace / "scan.sqlite"
        return scan(dataset.source, Scan(cache, needed, own, dataset.object_store, self._scanning))

    def _scanning(self, done: int, total: int) -> None:
        self.progress({"stage": "sources", "done": done, "total": total})

    def needs(self, stage: str) -> bool:
        """Whether the run has a stage: its mode reads what it makes, and media are there to make it of."""
        from_rows = not self.config.imported or stage in WITHOUT_MEDIA
        return from_rows and self.registry[stage].needed(self)

    def memo(self, key: Hashable, make: Callable[[], T]) -> T:
        """`make()`, computed once until `refresh` finds other rows of a stage that it took rows of."""
        return self._memo.get(key, make)

    def refresh(self) -> None:
        """Forget what depends on rows that were committed or removed since, by whatever process."""
        stamps = {name: self.store.stamp(name) for name in self.registry}
        changed = {name for name, stamp in stamps.items() if stamp != self._stamps.get(name)}
        # What these name lies outside the store: it is looked at each time.
        changed |= {name for name, stage in self.registry.items() if stage.single and stage.outside}
        self._stamps = stamps
        self._memo.forget(changed)

    def items(self, stage: str) -> list[Item]:
        """A stage's items; raises NotReadyError as the stage does."""
        return self.memo(("items", stage), lambda: self.registry[stage].items(self))

    def committed(self, stage: str) -> dict[str, Row]:
        """Valid committed rows of a stage among its items, by row key."""

        def look() -> dict[str, Row]:
            self._memo.depend(stage)
            keys = [item.key for item in self.items(stage)]
            rows = self.store.lookup(stage, keys)
            return {key: row for key, row in rows.items() if self.registry[stage].valid(self, row)}

        return self.memo(("rows", stage), look)

    def results(self, stage: str) -> list[tuple[Item, Row]]:
        """Every item of a stage with its row.

        Raises:
            NotReadyError: when any is missing.
        """
        rows = self.committed(stage)
        items = self.items(stage)
        missing = sum(item.key not in rows for item in items)
        if missing:
            raise NotReadyError(f"{missing} of {len(items)} rows of stage {stage} are missing")
        return [(item, rows[item.key]) for item in items]

    def by_clip(self, stage: str, column: str = "") -> dict[str, Row]:
        """Rows of a stage by clip id; raises NotReadyError when any is missing.

        Args:
            stage: its name.
            column: of the dataset, for a stage that fills several.
        """

        def look() -> dict[str, Row]:
            found = self.results(stage)
            return {item.clip_id: row for item, row in found if not column or item.column in ("", column)}

        return self.memo(("by clip", stage, column), look)
