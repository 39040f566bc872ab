"""The table of docs/models.md has a line for each model and layout; two of them are tried here.

All are tried in `tests/prove/test_models_table.py`.
"""

from pathlib import Path

import pytest
from zoo.layouts import HUB, SPLIT_PACK
from zoo.page import ROWS, Row, line, lines_of, renewed, result

PAGE = Path(__file__).parents[3] / "docs" / "models.md"


def stated() -> dict[Row, str]:
    return dict(zip(ROWS, lines_of(PAGE.read_text(encoding="utf-8")), strict=True))


def test_every_model_and_layout_has_its_line():
    for row, found in stated().items():
        cells = dict.fromkeys(("load", "encode", "train step", "sample", "export", "reload"), "")
        assert found.startswith(line(row, cells).rstrip("| "))


def test_only_the_table_is_written_anew():
    page = PAGE.read_text(encoding="utf-8")
    assert renewed(page, lines_of(page)) == page
    assert renewed(page, []) != page


@pytest.mark.parametrize("row", [Row("ltx2", "2.5", SPLIT_PACK), Row("ltxv", "0.9.1", HUB)])
def test_a_line_is_what_comes_of_trying(row: Row, tmp_path: Path):
    assert line(row, result(row, tmp_path)) == stated()[row], "run `make docs-models`"
