"""What `ltx push` is given (a config, a run, a publication), and where it goes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ltx_core.config.hub_section import HubSection, hub_refusals
from ltx_core.config.load import load
from ltx_core.config.root import Config
from ltx_core.errors import ConfigError, LtxError
from ltx_core.evaluation.scrub import held
from ltx_core.models.hub_push import Target
from ltx_core.stages.base import NotReadyError
from ltx_core.stages.context import Context
from ltx_core.stages.folder import LINEAGE
from ltx_core.stages.publication import secrets_of
from ltx_core.stages.publish import published_key
from ltx_core.stages.registry import STAGES

CONFIG = "config.yaml"


def resolve(source: Path, overrides: Sequence[str] = ()) -> tuple[Path, Config]:
    """The published folder that a source means, and the config that it was made with.

    Earlier versions published without taking secrets out, and folders can be edited: every file is read.

    Args:
        source: a config's file, a run's folder, or a published folder.
        overrides: `key=value` for a config.

    Raises:
        LtxError: when nothing is published, what is published is another run's, or a file holds a secret or
            a folder of this machine.
    """
    folder, config, command = _resolved(source, overrides)
    if names := held(folder, secrets_of(config)):
        raise LtxError(
            f"{folder} holds a secret or a folder of this machine in {', '.join(names)}: it was published by "
            f"an earlier version, or edited since. Take it out, or publish it anew with `{command}`"
        )
    return folder, config


def _resolved(source: Path, overrides: Sequence[str]) -> tuple[Path, Config, str]:
    """The published folder, its config, and the command that publishes it."""
    if source.suffix in (".yaml", ".yml"):
        config = load(source, overrides)
        command = f"ltx run {source}"
        return _published(config, command), config, command
    if not (source / CONFIG).is_file():
        raise ConfigError(f"{source} is no config, no run's folder and no published one; give one of them")
    config = load(source / CONFIG, overrides)
    if published_key(source):
        return source, config, "ltx run CONFIG"
    folder = config.workspace / "published" / config.name
    if _run_of(folder) != source.resolve().name:
        raise LtxError(
            f"{folder} does not hold what {source} has trained; publish it with `ltx run {source / CONFIG}`"
        )
    return folder, config, f"ltx run {source / CONFIG}"


def wanted(hub: HubSection, to: str | None, private: bool, revision: str | None) -> Target:
    """Where it goes: what is asked for, else what the config says.

    Raises:
        ConfigError: when neither names a repository, or it can have no such name.
    """
    found = hub.model_copy(
        update={
            "push_to_hub": True,
            "hub_model_id": to or hub.hub_model_id,
            "private": private or hub.private,
            "revision": revision or hub.revision,
        }
    )
    if found.hub_model_id is None:
        raise ConfigError("nothing says where to: give --to OWNER/NAME, or set hub.hub_model_id")
    if problems := hub_refusals(found):
        raise ConfigError("\n".join(problems).replace("hub.hub_model_id", "--to") if to else problems[0])
    return Target(found.hub_model_id, found.private, found.endpoint, found.revision)


def _published(config: Config, command: str) -> Path:
    context = Context(config, {stage.name: stage for stage in STAGES})
    try:
        ((_, row),) = context.results("publish")
    except NotReadyError:
        raise LtxError(f"nothing of this config is published yet; run `{command}` first") from None
    return config.workspace / str(row.columns["folder"])


def _run_of(folder: Path) -> str:
    """Name of the run whose product lies in a published folder, or ""."""
    try:
        found: Any = json.loads((folder / LINEAGE).read_text(encoding="utf-8"))
        return str(found["lineage"]["folder"])
    except (OSError, ValueError, KeyError):
        return ""
