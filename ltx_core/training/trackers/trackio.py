"""trackio: the run in a local SQLite database, or in a Space of the hub.

Without a Space nothing leaves the machine: variables that would name one are not heard, and the hub is not
asked for the name of the account.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ltx_core.errors import LtxError
from ltx_core.store.redact import redactor
from ltx_core.training.tracker_options import EXTRA, TrackioOptions
from ltx_core.training.trackers.base import Memory, Opening

NAME = "trackio"
ELSEWHERE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "TRACKIO_WEBHOOK_URL", "TRACKIO_BUCKET_ID")
"""Variables by which trackio sends to another machine."""


def trackio(folder: Path, options: TrackioOptions, facts: Mapping[str, Any]) -> Opening:
    """The run of `folder` in trackio, with its config; it has the folder's name."""
    return Opening(NAME, lambda step: _Trackio(folder, options, facts))


class _Trackio:
    def __init__(self, folder: Path, options: TrackioOptions, facts: Mapping[str, Any]) -> None:
        home = options.dir or folder / NAME
        self._library = _library(home)
        self._videos = options.log_validation_videos
        Memory(folder, NAME).keep(
            project=options.project, run=folder.name, dir=str(home), space=options.space
        )
        with contextlib.redirect_stdout(sys.stderr), _alone(self._library, options.space):
            self._run: Any = self._library.init(
                project=options.project,
                name=folder.name,
                space_id=options.space,
                resume="allow",
                config=redactor().data(facts),
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        newest = importlib.import_module("trackio.sqlite_storage").SQLiteStorage.get_max_step_for_run(
            options.project, folder.name, run_id=self._run.id
        )
        # With a Space, the local database has only what waits to be sent; `init` has asked the Space for more
        there = self._run._initial_last_step if options.space else None
        self.held = max(int(newest or 0), int(there or 0))

    def log(self, step: int, values: Mapping[str, float], files: Mapping[str, Path]) -> None:
        """All of a step at once."""
        media: dict[str, Any] = {}
        for name, path in files.items():
            if path.suffix == ".png":
                media[f"samples/{name}"] = self._library.Image(str(path))
            elif self._videos and path.suffix == ".mp4":
                media[f"samples/{name}"] = self._library.Video(str(path), format="mp4")
            elif self._videos and path.suffix == ".wav":
                media[f"samples/{name}"] = self._library.Audio(str(path))
        self._run.log({**values, **media}, step=step)

    def close(self, finished: bool) -> None:
        """Write what is left."""
        with contextlib.redirect_stdout(sys.stderr):
            self._run.finish()


def _library(home: Path) -> Any:
    """The package; the place of its database is read when it is loaded, and can be set once in a process."""
    home.mkdir(parents=True, exist_ok=True)
    os.environ["TRACKIO_DIR"] = str(home)
    try:
        library = importlib.import_module("trackio")
    except ImportError:
        raise LtxError(f"trackio is not installed; {EXTRA}") from None
    if Path(library.TRACKIO_DIR) != home:
        raise LtxError(f"trackio writes to {library.TRACKIO_DIR} in this process already, not to {home}")
    return library


@contextlib.contextmanager
def _alone(library: Any, space: str | None) -> Iterator[None]:
    """Inside the block nothing but `space` makes trackio send anything."""
    kept = {name: os.environ.pop(name) for name in ELSEWHERE if name in os.environ and space is None}
    if space is None:
        library.run._get_default_namespace = lambda: None  # asks the hub whose key this is
    try:
        yield
    finally:
        os.environ.update(kept)
