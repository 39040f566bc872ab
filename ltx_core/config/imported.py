"""`data.preprocessed_data_root`: the folders of prepared data that there are, and those that a mode reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ltx_core.config.root import TEXT_COLUMN, Config
from ltx_core.encoding.precomputed_shapes import Kind
from ltx_core.errors import ConfigError
from ltx_core.modes import Strategy
from ltx_core.store.keys import digest

INNER = ".precomputed"
"""The folder that the public trainer writes into a dataset's."""
SUFFIX = ".pt"
KINDS: Mapping[str, Kind] = {
    "latents": "video",
    "audio_latents": "audio",
    TEXT_COLUMN: "text",
    "reference_latents": "video",
    "ref_latents": "video",
    "reference_audio_latents": "audio",
    "video_masks": "video_mask",
    "audio_masks": "audio_mask",
}
"""The public trainer's own names of columns; a mode may name others."""

Memory = dict[str, dict[str, str]]
"""What was found last: digests of files by column and sample."""


def mode_columns(strategy: Strategy) -> dict[str, Kind]:
    """The columns that a mode reads and what each holds, the targets' first."""
    columns: dict[str, Kind] = {}
    for modality, stream in strategy.streams.items():
        columns[stream.latents_dir] = modality
    columns[TEXT_COLUMN] = "text"
    for modality, stream in strategy.streams.items():
        mask: Kind = "video_mask" if modality == "video" else "audio_mask"
        for condition in stream.conditions:
            columns.update({name: modality if condition.attaches else mask for name in condition.columns})
    return columns


def data_folder(root: Path) -> Path:
    """The folder that holds the columns: `root`, or `.precomputed` in it."""
    return root / INNER if (root / INNER).is_dir() else root


def columns_in(root: Path, known: Mapping[str, Kind]) -> tuple[dict[str, Kind], list[str]]:
    """The columns that lie in a folder, and names of further folders in it, which nobody has named.

    Raises:
        ConfigError: when there is no column; the message lists what is there.
    """
    folder = data_folder(root)
    found = {name: kind for name, kind in {**KINDS, **known}.items() if (folder / name).is_dir()}
    if not found:
        raise ConfigError(
            f"{root} holds no data prepared by the public trainer: {_listing(folder)}. Give its "
            f"{INNER} folder, or the folder that holds it; inside lie {', '.join(KINDS)} with a {SUFFIX} "
            "file per sample (further names by the mode's `latents_dir` and `mask_dir`)"
        )
    taken = {Path(name).parts[0] for name in found}
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name not in taken)
    return found, names


def check_imported(config: Config) -> str:
    """What there is to import for the mode, in words.

    Raises:
        ConfigError: when the folder, or a column that the mode reads, is not there and was not imported.
    """
    root = config.data.preprocessed_data_root
    assert root is not None
    columns, folder = mode_columns(config.training_strategy), data_folder(root)
    missing = [name for name in columns if not (folder / name).is_dir()]
    remembered = read_memory(memory_of(root, config.workspace))
    if len(missing) == len(columns) and columns.keys() <= remembered.keys():
        return f"{root}: gone, imported before"
    if missing:
        columns_in(root, columns)
        raise missing_column(root, missing[0])
    return f"{root}: {', '.join(columns)}"


def keeps_silence(config: Config) -> bool:
    """Whether a clip without sound is a sample: in a joint mode, unless the config drops it."""
    strategy = config.training_strategy
    joint = all(s is not None and s.is_generated for s in (strategy.video, strategy.audio))
    return joint and config.dataset.audio.missing != "drop"


def missing_column(root: Path, name: str) -> ConfigError:
    """The error of a column that the mode reads and the folder does not have."""
    return ConfigError(
        f"data.preprocessed_data_root {root} has no folder {name!r}, which the mode reads; "
        f"{_listing(data_folder(root))}. Prepare that column with the public trainer, or change the mode"
    )


def memory_of(root: Path, workspace: Path) -> Path:
    """The file of a workspace that remembers what a folder held."""
    return workspace / "imported" / f"{digest(str(root))}.json"


def read_memory(memory: Path) -> Memory:
    """What a folder held when it was last looked at; nothing where that is not known."""
    try:
        found: Memory = json.loads(memory.read_bytes())
        return found
    except (OSError, ValueError):
        return {}


def _listing(folder: Path) -> str:
    if not folder.is_dir():
        return f"there is no folder {folder}"
    names = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
    return f"it holds {', '.join(names[:12]) or 'nothing'}{' …' if len(names) > 12 else ''}"
