"""The tables of docs/modes.md say what the lists in code and the shipped configs say."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltx_core.conditions import CONDITIONS
from ltx_core.config.modes_table import BEGIN, GIVEN_AS, columns_table, renewed, tables
from ltx_core.curation.table import FILE_COLUMNS
from ltx_core.errors import LtxError
from ltx_core.modes import MODES
from ltx_core.stages.dataset import FILLED_BY

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "configs"


def test_the_page_is_not_stale():
    page = (ROOT / "docs" / "modes.md").read_text(encoding="utf-8")
    assert renewed(page, CONFIGS) == page, "run `make docs`"


def test_only_what_stands_between_the_marks_is_written_anew():
    page = (ROOT / "docs" / "modes.md").read_text(encoding="utf-8")
    stale = page.replace(tables(CONFIGS), "| mode |").replace("# Modes", "# My modes")
    assert stale != page
    assert renewed(stale, CONFIGS) == page.replace("# Modes", "# My modes")
    with pytest.raises(LtxError, match="has no marks"):
        renewed(page.replace(BEGIN, ""), CONFIGS)


def test_every_mode_condition_and_column_has_a_row():
    text = tables(CONFIGS)
    names = [mode.name for mode in MODES] + [c.model_fields["type"].default for c in CONDITIONS]
    assert [name for name in [*names, *FILLED_BY] if f"\n| `{name}` |" not in text] == []
    assert set(GIVEN_AS) == set(FILLED_BY)
    assert [name for name in FILE_COLUMNS if f"`{name}`" not in columns_table()] == []
