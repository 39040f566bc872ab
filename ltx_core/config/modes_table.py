"""The tables of docs/modes.md, written from the lists in code and the shipped configs: `make docs`.

What stands between the two marks of the file is replaced; the rest is left as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ltx_core.conditions import CONDITIONS, Condition
from ltx_core.config.load import load
from ltx_core.config.root import TEXT_COLUMN, Config
from ltx_core.errors import LtxError
from ltx_core.modes import MODES, Mode, Role

BEGIN, END = "<!-- tables: begin, written by `make docs` -->", "<!-- tables: end -->"
GIVEN_AS = {
    "latents": "`video`",
    "audio_latents": "`audio`, else the sound of `video`",
    TEXT_COLUMN: "`caption`",
    "reference_latents": "`reference_video`",
    "reference_audio_latents": "`reference_audio`",
    "video_masks": "`video_mask`",
    "audio_masks": "`audio_mask`",
}
"""Column that training reads -> column of a dataset file from which it is made."""
ROLES = {Role.GENERATE: "generated", Role.GIVEN: "given", Role.ABSENT: "–"}


def modes_table(configs: Path) -> str:
    """A row for each mode: roles, conditions, columns, LoRA targets, config.

    Raises:
        LtxError: when a mode has no config, or a config is of another mode.
    """
    head = ("mode", "makes", "video", "audio", "conditions", "dataset columns", "LoRA targets", "config")
    return _table(head, (_mode_row(mode, configs) for mode in MODES))


def conditions_table() -> str:
    """A row for each condition: what it does, its own fields, and where it works."""
    head = ("condition", "does", "fields", "video", "audio")
    return _table(head, (_condition_row(condition) for condition in CONDITIONS))


def columns_table() -> str:
    """A row for each dataset column, and the column of a dataset file that it comes from."""
    return _table(
        ("dataset column", "of a dataset file"), ((f"`{own}`", file) for own, file in GIVEN_AS.items())
    )


def tables(configs: Path) -> str:
    """All of them, with what is between them."""
    return "\n\n".join((modes_table(configs), conditions_table(), columns_table()))


def renewed(text: str, configs: Path) -> str:
    """A text with what stands between its marks written anew.

    Raises:
        LtxError: when a mark is missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise LtxError(f"docs/modes.md has no marks {BEGIN} and {END}; put them where the tables shall stand")
    return f"{before}{BEGIN}\n\n{tables(configs)}\n\n{END}{after}"


def _mode_row(mode: Mode, configs: Path) -> Sequence[str]:
    config = load(configs / f"{mode.name}_lora.yaml", base_dir=configs.parent)
    strategy = config.training_strategy
    if strategy.mode != mode.name:
        raise LtxError(f"configs/{mode.name}_lora.yaml is of the mode {strategy.mode}; make it {mode.name}'s")
    files = [path.stem for path in sorted(configs.glob(f"{mode.name}_lora*.yaml"))]
    return (
        f"`{mode.name}`",
        mode.summary,
        ROLES[mode.video],
        ROLES[mode.audio] + (" (or –)" if mode.audio_optional else ""),
        _conditions(mode),
        ", ".join(f"`{name}`" for name in (*strategy.columns, TEXT_COLUMN)),
        _targets(config),
        ", ".join(f"[`{name}`](../configs/{name}.yaml)" for name in files),
    )


def _conditions(mode: Mode) -> str:
    needs, may = (", ".join(sorted(_plain(name) for name in names)) for names in (mode.needs, mode.may))
    return (needs or "–") + (f" (may: {may})" if may else "")


def _plain(name: str) -> str:
    modality, _, kind = name.partition(".")
    return f"{modality} {kind}"


def _targets(config: Config) -> str:
    targets = config.lora.target_modules
    if all("attn" not in target for target in targets):
        return "every attention"
    return "audio modules" if all("audio_" in target for target in targets) else "video modules"


def _condition_row(condition: type[Condition]) -> Sequence[str]:
    own = [name for name in condition.model_fields if name not in ("type", "probability")]
    where = ["yes" if modality in condition.modalities else "refused" for modality in ("video", "audio")]
    fields = ", ".join(f"`{name}`" for name in own) or "–"
    return f"`{condition.model_fields['type'].default}`", condition.summary, fields, *where


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main(root: Path) -> None:
    """Write docs/modes.md of the project in `root` anew."""
    path = root / "docs" / "modes.md"
    path.write_text(renewed(path.read_text(encoding="utf-8"), root / "configs"), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
