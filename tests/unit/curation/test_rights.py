"""Licences as stated: a dataset file's columns over its source's fields, and what their names forbid."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltx_core.curation.options.rights import Rights, limits
from ltx_core.curation.options.sources import SourceOptions
from ltx_core.curation.table import read_table
from ltx_core.models.license import base_license
from ltx_core.stages.scan import Scan, scan

TABLE = """video,caption,license,licence_url,author,consent,licenced_by
a.mp4,one,CC-BY-4.0,https://cc/by,Ada,,x
b.mp4,two,,,,yes,
"""


def test_a_row_wins_over_its_source_and_unknown_columns_stay_free(tmp_path: Path):
    (tmp_path / "films.csv").write_text(TABLE)
    for name in "ab":
        (tmp_path / f"{name}.mp4").write_bytes(name.encode())
    one = SourceOptions(
        str(tmp_path / "films.csv"), license="CC0-1.0", license_url="https://cc/0", attribution="The studio"
    )
    first, second = scan([one], Scan(tmp_path / "scan.sqlite"))
    assert first.rights == Rights("CC-BY-4.0", "https://cc/by", "Ada", "The studio")
    assert second.rights == Rights("CC0-1.0", "https://cc/0", "", "The studio", "yes")
    assert not Rights() and Rights().stated() == {} and second.rights.stated()["consent"] == "yes"


def test_cells_of_other_types_are_taken_as_they_would_be_written(tmp_path: Path):
    path = tmp_path / "films.json"
    path.write_text('[{"video": "a.mp4", "license": 3, "author": ["Ada", "Ben"], "consent": true}]')
    (row,) = read_table(path, ("video",))
    assert row.rights == Rights("3", "", "Ada, Ben", "", "yes")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("CC-BY-NC-ND-4.0", ("non-commercial", "no derivatives")),
        ("cc by nc", ("non-commercial",)),
        ("Free for non-commercial use", ("non-commercial",)),
        ("All rights reserved", ("all rights reserved",)),
        ("CC-BY-4.0", ()),
        ("NCSA and a land of its own", ()),
        ("", ()),
    ],
)
def test_a_licences_name_says_what_it_forbids(name: str, found: tuple[str, ...]):
    assert limits(name) == found


def test_a_base_models_licence_is_read_from_its_own_files(tmp_path: Path):
    assert base_license(tmp_path) == ""
    (tmp_path / "LICENSE.txt").write_text("long text")
    assert base_license(tmp_path) == "see its file LICENSE.txt"
    card = (
        "---\nlicense: other\nlicense_name: ltx-2-community\nlicense_link: https://x/LICENSE\n---\n# Model\n"
    )
    (tmp_path / "README.md").write_text(card)
    assert base_license(tmp_path) == "ltx-2-community (https://x/LICENSE)"
    assert base_license(tmp_path / "part.safetensors") == "ltx-2-community (https://x/LICENSE)"
    (tmp_path / "README.md").write_text("---\nlicense: [broken\n---\n")
    assert base_license(tmp_path) == "see its file LICENSE.txt"
