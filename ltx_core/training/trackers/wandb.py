"""Weights & Biases: one run under one id, resumed as often as it is interrupted.

Design choices
- The id is drawn once and kept in the run's folder. Online the server says up to which step it has the run;
  offline each part of an interrupted run is a folder of its own, whose records say it. `wandb sync` puts the
  parts together by the id.
- No console, code, git state or facts on the machine are sent, and no system monitor is started, a process of
  its own that outlives a killed training: what goes there is what this project says.
"""

from __future__ import annotations

import logging
import struct
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ltx_core.errors import LtxError
from ltx_core.store.redact import redactor
from ltx_core.training.tracker_options import EXTRA, WandbOptions
from ltx_core.training.trackers.base import Memory, Opening

logger = logging.getLogger(__name__)

NAME = "wandb"
MEDIA = (".mp4", ".wav")
INIT_S, FINISH_S = 60.0, 45.0
"""Seconds for the server to answer at the beginning, and for what is left at the end."""
HEADER, BLOCK = 7, 32 * 1024
"""Bytes of a file's header, and of a block of its records."""


def wandb(folder: Path, options: WandbOptions, facts: Mapping[str, Any]) -> Opening:
    """The run of `folder` in W&B, with its config."""
    return Opening(NAME, lambda step: _Wandb(folder, options, facts))


class _Wandb:
    def __init__(self, folder: Path, options: WandbOptions, facts: Mapping[str, Any]) -> None:
        try:
            import wandb
        except ImportError:
            raise LtxError(f"wandb is not installed; {EXTRA}") from None
        self._wandb: Any = wandb
        self._videos = options.log_validation_videos
        memory = Memory(folder, NAME)
        known = memory.read().get("id")
        name = str(known or uuid.uuid4().hex[:12])
        memory.keep(id=name, project=options.project, entity=options.entity, mode=options.mode)
        offline = offline_step(folder, name)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._run: Any = wandb.init(
                project=options.project,
                entity=options.entity,
                name=folder.name,
                id=name,
                resume="allow",
                mode=options.mode,
                dir=str(folder),
                tags=list(options.tags) or None,
                config=redactor().data(facts),
                reinit="create_new",
                settings=_settings(wandb),
            )
        except BaseException:
            wandb.teardown()  # its service would stay, and be the one that our child processes find
            raise
        self.held = max(offline, int(self._run.starting_step or 0) - 1)
        if options.mode == "online":
            memory.keep(url=self._run.url)
            logger.info("W&B: %s", self._run.url)

    def log(self, step: int, values: Mapping[str, float], files: Mapping[str, Path]) -> None:
        """All of a step at once."""
        media: dict[str, Any] = {}
        for name, path in files.items():
            if path.suffix == ".png":
                media[f"samples/{name}"] = self._wandb.Image(str(path))
            elif self._videos and path.suffix == ".mp4":
                media[f"samples/{name}"] = self._wandb.Video(str(path), format="mp4")
            elif self._videos and path.suffix == ".wav":
                media[f"samples/{name}"] = self._wandb.Audio(str(path))
        # A run that is resumed online takes nothing for a step that its server has closed: what comes late
        # stands at the next one.
        self._run.log({**values, **media}, step=max(step, int(self._run.step or 0)))

    def close(self, finished: bool) -> None:
        """Send what is left; the service's process ends with it."""
        self._run.finish(exit_code=0 if finished else 1)
        self._wandb.teardown()


def _settings(wandb: Any) -> Any:
    return wandb.Settings(
        console="off",
        silent=True,
        disable_git=True,
        disable_code=True,
        save_code=False,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_disable_stats=True,
        x_save_requirements=False,
        init_timeout=INIT_S,
        finish_timeout=FINISH_S,
    )


def offline_step(folder: Path, name: str) -> int:
    """The newest step in the offline records of run `name`; 0 without any."""
    newest = 0
    for path in (folder / NAME).glob(f"offline-run-*-{name}/run-{name}.wandb"):
        newest = max(newest, max(history_steps(path), default=0))
    return newest


def history_steps(path: Path) -> Iterator[int]:
    """The steps of a W&B file's history in order; a torn end is left out.

    The file is a log in LevelDB's format (https://github.com/google/leveldb/blob/main/doc/log_format.md)
    of messages of wandb's own kind.
    """
    from wandb.proto import wandb_internal_pb2

    kinds: Any = wandb_internal_pb2
    for content in _records(path.read_bytes()):
        record = kinds.Record()
        try:
            record.ParseFromString(content)
        except kinds.google.protobuf.message.DecodeError:
            return
        if record.WhichOneof("record_type") == "history":
            yield int(record.history.step.num)


def _records(data: bytes) -> Iterator[bytes]:
    """Whole records: pieces of kind 1 are whole, 2 begins, 3 goes on and 4 ends one."""
    at, part = HEADER, b""
    while at + HEADER <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        if not kind or at + HEADER + length > len(data):
            return
        part += data[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (1, 4):
            yield part
            part = b""
