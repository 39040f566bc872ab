"""Artifacts: data that looks like markdown stays data, pictures stay small."""

from __future__ import annotations

from pathlib import Path

from tasks._artifact import PICTURE_BYTES, markdown, pictures


def test_names_and_reasons_cannot_break_the_table():
    rejected = [("a|b\nc.mp4", "<img src=x onerror=alert(1)>")]
    text = markdown("clips", {"stage": "clips", "rows": 1, "ok": 0, "rejected": rejected, "seconds": 1.23456})
    assert "| a\\|b c.mp4 | &lt;img src=x onerror=alert(1)> |" in text
    assert "| seconds | 1.235 |" in text


def test_many_rejections_are_counted_and_some_are_named():
    rejected = [(f"film {n}", "silent") for n in range(500)]
    text = markdown("clips", {"stage": "clips", "rows": 500, "ok": 0, "rejected": rejected, "seconds": 1})
    assert "| silent | 500 |" in text
    assert text.count("film ") == 50


def test_tables_and_pictures_of_a_manifest_are_shown(tmp_path: Path):
    picture = tmp_path / "sheet.png"
    picture.write_bytes(b"\x89PNG")
    tables = [
        {"title": "Held-out loss", "columns": ["model", "video"], "rows": [["base", 0.5], ["LoRA", 0.25]]}
    ]
    text = markdown("evaluate", {"rows": 1, "tables": tables, "pictures": [str(picture)]})
    assert "### Held-out loss" in text
    assert "| LoRA | 0.25 |" in text
    assert "![sheet](data:image/png;base64,iVBORw==)" in text


def test_pictures_beyond_the_limit_are_named(tmp_path: Path):
    big, small, other = (tmp_path / name for name in ("big.png", "small.jpg", "video.mp4"))
    big.write_bytes(b"0" * (PICTURE_BYTES + 1))
    small.write_bytes(b"0" * 10)
    other.write_bytes(b"0")
    parts = pictures([str(big), str(small), str(other), str(tmp_path / "gone.png")])
    assert [part.startswith("![") for part in parts] == [False, True, False, False]
