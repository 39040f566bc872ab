"""push: the published folder to a hub, once and again when it has changed, where the config asks for it.

A row says that this publication was pushed to this repository. What was pushed there last is written beside
(`pushed/`): when another run of the workspace has pushed to the same place since, this one is pushed again.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ltx_core.config.root import Config
from ltx_core.errors import ConfigError
from ltx_core.stages.base import Item, Stage, pending
from ltx_core.stages.context import Context
from ltx_core.store.disk import write_atomic
from ltx_core.store.rows import PendingRow, Row

logger = logging.getLogger(__name__)
PUSHED = "pushed"
"""Folder of the workspace that says what was pushed last, by repository."""


class Push(Stage):
    """One row, keyed by the publication and where it goes."""

    name: ClassVar[str] = "push"
    single: ClassVar[bool] = True

    def needed(self, context: Context) -> bool:
        """Where the config asks for it."""
        return context.config.hub.push_to_hub

    def section(self, context: Context) -> dict[str, Any]:
        """Where it goes; whether it is made private changes nothing in it."""
        hub = context.config.hub
        return {"repository": hub.hub_model_id, "endpoint": hub.endpoint, "revision": hub.revision}

    def items(self, context: Context) -> list[Item]:
        """One."""
        if context.config.hub.hub_model_id is None:
            raise ConfigError("hub.hub_model_id says no repository to push to; write `owner/name`")
        ((_, row),) = context.results("publish")
        return [Item(self.key(context, [row.row_key]), "", "push", (row.row_key,), row)]

    def valid(self, context: Context, row: Row) -> bool:
        """Whether nothing else of this workspace was pushed there since."""
        return _last(_record(context.config)) in ("", row.row_key)

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Push every file of the published folder."""
        from ltx_core.models.hub_push import facts, push

        config = context.config
        for item in items:
            row: Row = item.payload
            folder, target = config.workspace / str(row.columns["folder"]), target_of(config)
            for warning in warnings_of(folder):
                logger.warning("%s", warning)
            pushed = push(folder, target, commit_message(config.name, item.key), logger.info)
            found = facts(pushed, target)
            logger.info("pushed to %s, commit %s", pushed.url, pushed.commit)
            write_atomic(_record(config), json.dumps({"row": item.key, **found}, indent=1).encode())
            yield pending(item, columns=found, content={"pushed": item.key})


def target_of(config: Config) -> Any:
    """Where the config's publication goes."""
    from ltx_core.models.hub_push import Target

    hub = config.hub
    return Target(str(hub.hub_model_id), hub.private, hub.endpoint, hub.revision)


def commit_message(name: str, key: str) -> str:
    """Of a push: the run's name and the row that it is."""
    return f"{name} ({key[:8]})" if key else name


def warnings_of(folder: Path) -> list[str]:
    """What the lineage of a published folder says of licences that its owner should look at before a push."""
    from ltx_core.evaluation.card_facts import Licensed
    from ltx_core.evaluation.card_parts import license_warnings

    try:
        lineage = json.loads((folder / "lineage.json").read_text(encoding="utf-8"))["lineage"]
    except (OSError, ValueError, KeyError):
        return []
    return license_warnings(tuple(Licensed(**one) for one in lineage.get("licenses", ())))


def _record(config: Config) -> Path:
    hub = config.hub
    place = "--".join(text for text in (hub.endpoint or "", str(hub.hub_model_id), hub.revision or "main"))
    return config.workspace / PUSHED / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', place).strip('-')}.json"


def _last(record: Path) -> str:
    try:
        return str(json.loads(record.read_text(encoding="utf-8"))["row"])
    except (OSError, ValueError, KeyError):
        return ""
