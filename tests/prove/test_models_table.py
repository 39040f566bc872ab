"""Every line of the table in docs/models.md is what comes of trying that model in that layout."""

from __future__ import annotations

from pathlib import Path

import pytest
from zoo.page import ROWS, Row, line, lines_of, result

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


@pytest.mark.prove
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.folder)
def test_a_line_is_what_comes_of_the_model(row: Row, tmp_path: Path):
    stated = lines_of(PAGE.read_text(encoding="utf-8"))[ROWS.index(row)]
    assert line(row, result(row, tmp_path)) == stated, "run `make docs-models`"
