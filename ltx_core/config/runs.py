"""The runs of a config's name that lie below its runs' folder: what each was, and what it has left.

A run's folder is named by all that its result depends on (`stages/folder.py`), so a changed config has
another folder; what the older ones are is read from what every run writes before it begins.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from ltx_core.config.load import build
from ltx_core.config.root import Config
from ltx_core.errors import LtxError
from ltx_core.training.checkpoint_folder import CHECKPOINTS, MANIFEST, checkpoints

logger = logging.getLogger(__name__)

CONFIG, LINEAGE = "config.yaml", "lineage.json"
BEGUN = "begun_with.json"
"""In the folder of a run that began with other weights: their path and digest."""


@dataclass(frozen=True)
class EarlierRun:
    """A run of the same name.

    Attributes:
        folder: its own.
        lineage: what it depends on: `run` is its key, `dataset` the digest of its samples.
        begun: path and digest of the weights that it began with; empty where it began with none.
    """

    folder: Path
    lineage: dict[str, Any]
    begun: dict[str, str]

    @cached_property
    def checkpoint(self) -> Path | None:
        """Its newest whole checkpoint."""
        found = checkpoints(self.folder / CHECKPOINTS)
        return found[-1] if found else None

    @property
    def step(self) -> int:
        """Finished steps of that checkpoint; 0 without one."""
        return 0 if self.checkpoint is None else int(self.checkpoint.name.removeprefix("step_"))

    @property
    def time(self) -> float:
        """When it last saved or began, in seconds of the file system's clock."""
        own = None if self.checkpoint is None else self.checkpoint / MANIFEST
        places = (self.folder / LINEAGE, own)
        return max(place.stat().st_mtime for place in places if place is not None and place.exists())

    def config(self) -> Config | None:
        """What it was configured with when it last began; None where this version cannot read it."""
        try:
            raw = yaml.safe_load((self.folder / CONFIG).read_text(encoding="utf-8"))
            return build(raw, self.folder, str(self.folder / CONFIG))
        except (OSError, ValueError, yaml.YAMLError, LtxError) as error:
            logger.debug("%s is not compared: %s", self.folder, error)
            return None


def earlier_runs(config: Config) -> list[EarlierRun]:
    """Runs of the config's name, the one that saved or began last first; its own may be among them."""
    found = []
    for folder in config.runs_root.glob(f"{config.name}-*") if config.runs_root.is_dir() else ():
        lineage = _json(folder / LINEAGE)
        key = str(lineage.get("run", ""))
        if key and folder.name == f"{config.name}-{key[:8]}":
            found.append(EarlierRun(folder, lineage, _json(folder / BEGUN)))
    return sorted(found, key=lambda run: run.time, reverse=True)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
