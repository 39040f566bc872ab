"""Videos and images that the dataset file gives beside a film: the stretch of them that belongs to a clip.

Their times are those of the film. Only a file that is shorter than its film, where the film is one clip,
begins with the clip. Where a film's borders are cut off, so are those of a file that has its whole shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ltx_core.media.errors import MediaError
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.stages.scan import SideFile


def is_given(context: Context, column: str) -> bool:
    """Whether the dataset file gives a column: then nothing is made up where a cell is empty."""
    return context.memo(("given", column), lambda: any(column in file.side for file in context.sources))


def given_key(clip: Clip, column: str) -> list[str]:
    """What decides the stretch of a given file beside the clip's frames: its bytes, and how it is cut."""
    given = clip.file.side.get(column)
    cropped = ["cropped"] if given is not None and _shows_more(clip, given) else []
    return ["" if given is None else given.digest, "whole" if clip.count == 1 else "part", *cropped]


def _shows_more(clip: Clip, given: SideFile) -> bool:
    """Whether the part that is used of the clip's frames is cut out of the given file's too."""
    if clip.crop is None or given.problem:
        return False
    from ltx_core.media.beside import shows_whole

    try:
        return shows_whole(given.path, clip.crop)
    except MediaError:  # said when it is read
        return False


@contextmanager
def given_file(clip: Clip, column: str) -> Iterator[Path]:
    """The file to read; what goes wrong inside names the column.

    Raises:
        MediaError: when the dataset file gives none for this film, or it cannot be read.
        LtxError: when it was changed since the scan.
    """
    given = _given(clip, column)
    try:
        yield given.path
    except MediaError as error:
        raise type(error)(f"{column}: {error.reason}", given.path) from error
    given.check()


def start_in(clip: Clip, path: Path) -> float:
    """Seconds after the first frame of a given file at which the clip begins.

    Raises:
        MediaError: when it cannot be read.
    """
    from ltx_core.media.beside import AS_LONG, length_of

    if clip.count == 1 and length_of(path) < length_of(clip.path) - AS_LONG:
        return 0.0
    return max(0.0, clip.time)


def _given(clip: Clip, column: str) -> SideFile:
    given = clip.file.side.get(column)
    if given is None:
        raise MediaError(f"no {column}: the dataset file gives none for this source", clip.path)
    if given.problem:
        raise MediaError(f"{column}: {given.problem}", given.path)
    return given
