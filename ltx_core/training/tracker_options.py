"""`wandb` and `trackio`: where the records of a training go beside the run's folder. No torch here."""

from __future__ import annotations

import netrc
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

EXTRA = "install it by `pip install 'ltx-flows[tracking]'`"


@dataclass(frozen=True)
class WandbOptions:
    """`wandb`: Weights & Biases, by the extra `tracking`.

    Attributes:
        enabled: whether losses, rates, speeds and samples go there.
        project: the project's name.
        entity: the team or user; None: the account's default.
        tags: of the run.
        log_validation_videos: whether the samples made while training go along as videos and sounds; the
            sheet of their frames goes along in any case.
        mode: "online" sends while the training goes on, with the key of `WANDB_API_KEY` or `wandb login`;
            "offline" writes `wandb/` in the run's folder, for `wandb sync`; "disabled" is `enabled: false`.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    enabled: bool = False
    project: str = "ltxv-trainer"
    entity: str | None = None
    tags: tuple[str, ...] = ()
    log_validation_videos: bool = True
    mode: Literal["online", "offline", "disabled"] = "online"

    @property
    def on(self) -> bool:
        """Whether anything is recorded."""
        return self.enabled and self.mode != "disabled"


@dataclass(frozen=True)
class TrackioOptions:
    """`trackio`: the same in a local database, or a Space of the hub, by the extra `tracking`.

    Attributes:
        enabled: whether records go there.
        project: the project's name: letters, digits, dash, underscore.
        space: `OWNER/NAME` of a Space that shows them; None: nothing leaves this machine.
        dir: folder of the local database; None: `trackio` in the workspace, one for all runs.
        log_validation_videos: as in `wandb`.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    enabled: bool = False
    project: str = "ltx-flows"
    space: str | None = None
    dir: Path | None = None
    log_validation_videos: bool = True


@dataclass(frozen=True)
class Tracking:
    """Where a training's records go beside its folder.

    Attributes:
        wandb: see `WandbOptions`.
        trackio: see `TrackioOptions`.
        facts: the run's config; what may be a secret is left out before it goes anywhere.
    """

    wandb: WandbOptions = field(default_factory=WandbOptions)
    trackio: TrackioOptions = field(default_factory=TrackioOptions)
    facts: Mapping[str, Any] = field(default_factory=dict)


def has_key() -> bool:
    """Whether W&B's key is known on this machine: by the environment, or by `wandb login`."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        hosts = netrc.netrc(os.environ.get("NETRC") or None).hosts
    except (OSError, netrc.NetrcParseError):
        return False
    base = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").partition("://")[2]
    return base.split("/")[0].split(":")[0] in hosts
