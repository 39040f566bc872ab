"""Dataset files and sidecars: text is kept as it stands, mistakes are named with the fix."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ltx_core.curation.captioning.sidecar import sidecar_caption
from ltx_core.curation.table import TableError, read_table
from ltx_core.errors import LegacyConfigWarning

HARD = [
    "He says \"hello, 'world'\", twice",
    "first line\r\nsecond line\n\nfourth",
    "emoji \N{GRINNING FACE}, CJK \u4f60\u597d, a line separator \u2028 and a tab\t",
    "x" * 10_000,
    "  spaces on both sides  ",
    "=1+1; {braces} %s <b>",
    "null",
]


def write(path, rows):
    names = list(rows[0])
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    elif path.suffix == ".jsonl":
        lines = (json.dumps(row, ensure_ascii=False) for row in rows)
        path.write_text("\n".join(lines) + "\n\n", "utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".parquet"])
def test_captions_are_kept_verbatim_in_every_format(tmp_path, suffix):
    path = tmp_path / f"dataset{suffix}"
    write(path, [{"video": f"clips/{n}.mp4", "caption": text, "id": str(n)} for n, text in enumerate(HARD)])
    rows = read_table(path)
    assert [row.caption for row in rows] == HARD
    assert [row.video for row in rows] == [tmp_path / "clips" / f"{n}.mp4" for n in range(len(HARD))]
    assert rows[0].audio is rows[0].split is None


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".parquet"])
def test_all_columns_and_older_names(tmp_path, suffix):
    path = tmp_path / f"dataset{suffix}"
    row = {"media_path": "a.mp4", "caption": "c", "ref_media_path": "/abs/r.mp4", "audio": "a.wav"}
    row |= {"reference_audio": "r.wav", "video_mask": "m.mp4", "audio_mask": "m.wav", "split": "val"}
    write(path, [row])
    with pytest.warns(LegacyConfigWarning, match=r"-> video\n  ref_media_path -> reference_video$"):
        (found,) = read_table(path)
    assert (found.video, found.audio) == (tmp_path / "a.mp4", tmp_path / "a.wav")
    assert str(found.reference_video) == "/abs/r.mp4"
    assert (found.video_mask, found.audio_mask) == (tmp_path / "m.mp4", tmp_path / "m.wav")
    assert (found.reference_audio, found.split) == (tmp_path / "r.wav", "val")


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".parquet"])
def test_a_missing_column_names_what_is_there_the_rule_and_the_fix(tmp_path, suffix):
    path = tmp_path / f"dataset{suffix}"
    write(path, [{"video": "a.mp4", "text": "a cat"}])
    with pytest.raises(TableError) as caught:
        read_table(path)
    message = str(caught.value)
    for part in (
        "has no column `caption`",
        "found: ",
        "text",
        "needs the columns video, caption",
        "rename or add",
    ):
        assert part in message
    assert read_table(path, needed=("video",))[0].caption is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "holds no rows"),
        ("a.csv", "video,caption\n", "holds no rows"),
        (
            "a.csv",
            "video,caption\na.mp4,one, two\n",
            'row 1: more values than column names .*"double quotes"',
        ),
        ("a.csv", 'video,caption\na.mp4,"open\nb.mp4,x\n', "row 1: malformed CSV"),
        ("a.csv", "video,caption\n,text\n", "row 1: `video` is empty"),
        ("a.csv", "video,media_path,caption\na,b,c\n", "`video` stands there twice"),
        ("a.json", "{broken", "malformed JSON"),
        ("a.json", '{"video": "a.mp4"}', "must be a list of objects"),
        ("a.json", '["a.mp4"]', "row 1 is 'a.mp4'"),
        ("a.json", '[{"video": "a.mp4", "caption": 5}]', "row 1: `caption` is 5; it must be text"),
        ("a.jsonl", '{"video": "a.mp4", "caption": "x"}\n{"video":\n', "line 2: malformed JSON"),
        ("a.parquet", "not parquet", "is no Parquet file"),
        ("a.xlsx", "x", "use one of .csv, .json, .jsonl, .parquet"),
    ],
)
def test_malformed_files_name_the_place(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(TableError, match=message) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(TableError, match="cannot be read: No such file"):
        read_table(tmp_path / "none.csv")


def test_a_clip_has_its_own_sidecar_or_inherits_the_films(tmp_path):
    film = tmp_path / "my.film.mp4"
    assert sidecar_caption(film, 1, 3) is None
    (tmp_path / "my.film.txt").write_bytes(b'a "quoted" day\r\nwith two lines\r\n')
    (tmp_path / "my.film.2.txt").write_text("the second \N{GRINNING FACE}\n", "utf-8")
    assert sidecar_caption(film, 1, 3) == 'a "quoted" day\r\nwith two lines'
    assert sidecar_caption(film, 2, 3) == "the second \N{GRINNING FACE}"


def test_sidecars_in_other_encodings_are_read(tmp_path, caplog):
    film = tmp_path / "film.mp4"
    side = tmp_path / "film.txt"
    for encoding in ("utf-8-sig", "utf-16"):
        side.write_bytes("caf\u00e9 na\u00efve".encode(encoding))
        assert sidecar_caption(film, 1, 1) == "caf\u00e9 na\u00efve"
    assert not caplog.records
    side.write_bytes("caf\u00e9 \u201cx\u201d".encode("cp1252"))
    assert sidecar_caption(film, 1, 1) == "caf\u00e9 \u201cx\u201d"
    assert "is not UTF-8" in caplog.text
