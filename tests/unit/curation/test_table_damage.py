"""Dataset files damaged or edited by chance: refused with a place, or read as the rows that they were."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltx_core.curation.table import TableError, read_table
from ltx_core.errors import LtxError

FOLDER = Path(tempfile.mkdtemp(prefix="tables"))
ROWS = [
    {"video": "a.mp4", "caption": "a red fox, running", "audio": "a.wav", "split": "train"},
    {"video": 'ü/b "q".mp4', "caption": 'two\nlines and a "quote"', "audio": "", "split": ""},
    {"video": "c.mp4", "caption": "", "audio": "", "split": "heldout"},
    {"video": "日本.mp4", "caption": "emoji 🦊 and  spaces ", "audio": "d.wav", "split": ""},
    {"video": "e.mp4", "caption": "the last one", "audio": "", "split": "train"},
]
FEW = settings(max_examples=20, deadline=None)
KINDS = (".csv", ".json", ".jsonl", ".parquet")
LINES = (".csv", ".jsonl")


def encoded(kind: str, rows: list[dict]) -> bytes:
    if kind == ".csv":
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()
    if kind == ".json":
        return json.dumps(rows, ensure_ascii=False).encode()
    if kind == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, write_page_checksum=True)
    return sink.getvalue()


def read(kind: str, data: bytes) -> list[tuple] | None:
    """What is read of each row; None when the file is refused, in words that name it."""
    path = FOLDER / f"set{kind}"
    path.write_bytes(data)
    try:
        found = read_table(path, ("video",))
    except LtxError as error:
        assert isinstance(error, TableError) and str(path) in str(error) and len(str(error)) < 1500
        return None
    return [(*map(str, row.files.values()), row.caption, row.split) for row in found]


WHOLE = {kind: read(kind, encoded(kind, ROWS)) for kind in KINDS}


def test_every_kind_reads_the_same():
    assert WHOLE[".csv"] == WHOLE[".json"] == WHOLE[".jsonl"] == WHOLE[".parquet"]
    assert len(WHOLE[".csv"]) == len(ROWS) and WHOLE[".csv"][3][-2] == ROWS[3]["caption"]


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@FEW
def test_flipped_bytes_change_no_other_row(kind, data):
    whole = encoded(kind, ROWS)
    changed = bytearray(whole)
    at = data.draw(st.integers(0, len(whole) - 1))
    changed[at] = data.draw(st.integers(0, 255))
    found = read(kind, bytes(changed))
    if found is None:
        return
    if kind == ".parquet":  # its pages have checksums; its statistics may say what they will
        assert found == WHOLE[kind]
        return
    # One byte lies in one row, or is a line's end that made two rows of one; all others are as they were.
    kept = [row for row in WHOLE[kind] if row in found]
    assert len(kept) >= len(ROWS) - 1 or whole.index(b"a.mp4") > at, (changed, found)
    assert len(found) == len(ROWS)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@FEW
def test_a_file_that_was_cut_off_gives_its_first_rows_or_is_refused(kind, data):
    whole = encoded(kind, ROWS)
    end = data.draw(st.integers(0, len(whole) - 1))
    found = read(kind, whole[:end])
    if found is not None:
        assert kind in LINES
        assert found[:-1] == WHOLE[kind][: len(found) - 1]
        last, was = found[-1], WHOLE[kind][len(found) - 1]
        assert last[:-1] == was[:-1] and (was[-1] or "").startswith(last[-1] or "")


@pytest.mark.parametrize("kind", KINDS)
@given(junk=st.binary(max_size=400))
@FEW
def test_random_bytes_are_refused(kind, junk):
    assert read(kind, junk) is None


@pytest.mark.parametrize("kind", LINES)
@given(data=st.data())
@FEW
def test_other_encodings_line_ends_and_missing_lines_leave_the_rows_as_they_were(kind, data):
    rows = [{**row, "caption": row["caption"].replace("\n", " ")} for row in ROWS]
    kept = data.draw(st.lists(st.sampled_from(range(len(rows))), min_size=1, unique=True))
    lines = encoded(kind, rows).decode().splitlines()
    head, body = (lines[:1], lines[1:]) if kind == ".csv" else ([], lines)
    ends = ["\n", "\r\n", "\r", "\n\n"] if kind == ".csv" else ["\n", "\r\n", "\n\n"]
    text = "".join(line + data.draw(st.sampled_from(ends)) for line in (*head, *(body[n] for n in kept)))
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    plain = read(".jsonl", encoded(".jsonl", rows))
    assert read(kind, text.encode(encoding)) == [plain[n] for n in kept]


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@FEW
def test_a_changed_value_is_refused_by_its_row_or_changes_that_cell_alone(kind, data):
    number = data.draw(st.integers(0, len(ROWS) - 1))
    name = data.draw(st.sampled_from(list(ROWS[0])))
    odd = data.draw(
        st.one_of(
            st.integers(), st.just(10**400), st.floats(), st.booleans(), st.lists(st.integers()), st.none()
        )
        | st.sampled_from(["a\0b", "\ud800", "x" * 5000, "https://host/x.mp4", "s3://", "../../x", "\ufeffa"])
    )
    rows = [{**row, name: odd} if n == number else dict(row) for n, row in enumerate(ROWS)]
    try:
        changed = encoded(kind, rows)
    except (ValueError, UnicodeError, OverflowError, TypeError, pa.ArrowException):
        return  # no such file can be written
    found = read(kind, changed)
    if found is not None:
        assert isinstance(odd, str | None) or kind == ".csv"
        others = [row for n, row in enumerate(WHOLE[kind]) if n != number]
        assert [row for n, row in enumerate(found) if n != number] == others
    elif kind != ".parquet":  # there a column has one type, and is refused at its first row
        with pytest.raises(TableError, match=rf"(row|line) {number + 1}\b"):
            read_table(FOLDER / f"set{kind}", ("video",))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@FEW
def test_a_renamed_column_is_refused_or_is_not_there(kind, data):
    old = data.draw(st.sampled_from(list(ROWS[0])))
    new = data.draw(
        st.text("abcdeilnoprtuv_ ", min_size=1) | st.sampled_from([old[:-1], old.title(), "split"])
    )
    if new.strip() in ROWS[0].keys() - {old}:
        return  # a name that stands twice is refused elsewhere
    rows = [{new if name == old else name: value for name, value in row.items()} for row in ROWS]
    try:
        changed = encoded(kind, rows)
    except (ValueError, pa.ArrowException):
        return
    found = read(kind, changed)
    if new.strip() == old:
        assert found == WHOLE[kind]
    elif found is not None:
        left = [{name: value for name, value in row.items() if name != old} for row in ROWS]
        assert found == read(kind, encoded(kind, left))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"video,caption\na.mp4\n", r"row 1: fewer values .* a comma for each empty cell"),
        ("a.csv", b"video,video\na,b\n", r"the column 'video' stands there twice"),
        ("a.csv", b"video,captoin\na,b\n", r"unknown column 'captoin'; did you mean `caption`\?"),
        (
            "a.csv",
            "video,caption\na.mp4,ü\nb.mp4,\n".encode() + b"c.mp4,\xff\n",
            r"line 4: byte \d+ is no UTF-8",
        ),
        ("a.csv", b"video,caption\n\x81.mp4,x\n", r"line 2: byte 14 is no UTF-8"),
        ("a.jsonl", b'{"video": "a", "video": "b"}', r"line 1: the key 'video' stands twice in one object"),
        ("a.json", b"[" * 100_000, r"malformed JSON"),
        ("a.json", b'[{"video": 1' + b"0" * 5000 + b"}]", r"malformed JSON"),
        (
            "a.json",
            b'[{"video": "http://h/x.mp4?sig=S"}]',
            r"row 1: `video` is a web address.*download the files",
        ),
        (
            "a.json",
            b'[{"video": "s3://k:S@b/x.mp4"}]',
            r"row 1: `video` is an address with a name, a password",
        ),
    ],
)
def test_what_could_become_another_row_is_named(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TableError, match=says) as caught:
        read_table(path, ("video",))
    assert "sig=S" not in str(caught.value) and ":S@" not in str(caught.value)
