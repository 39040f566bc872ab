"""The pack: many parts read from one file, and believed only while the parts are those that it copied."""

from __future__ import annotations

import torch

from ltx_core.store import store as store_module
from ltx_core.store.pack import LEAST, NAME
from ltx_core.store.rows import PendingRow, StageMeta
from ltx_core.store.store import Store

META = StageMeta("clips", 1)
COUNT = LEAST + 2


def filled(folder, count: int = COUNT) -> list[str]:
    """A store of `count` parts of one row each, read once; the keys."""
    store = Store(folder)
    keys = [f"key-{number:03d}" for number in range(count)]
    for number, key in enumerate(keys):
        tensors = {"x": torch.full((2,), float(number))} if number % 2 else {}
        columns = {"number": number, "names": [key], **({"late": "é"} if number > 9 else {})}
        store.write(META, [PendingRow(key, f"clip-{number}", ("a", "b"), tensors, columns=columns)])
    (folder / "clips" / NAME).unlink()  # written when it was due; the last parts are not in it
    assert len(Store(folder).rows("clips")) == count
    return keys


def opened(monkeypatch) -> list[str]:
    """Names of the parts that are read from their own files from now on."""
    names: list[str] = []
    real = store_module.read_table

    def read(path):
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(store_module, "read_table", read)
    return names


def test_rows_of_a_pack_are_those_of_the_parts(tmp_path, monkeypatch):
    keys = filled(tmp_path)
    read = opened(monkeypatch)
    packed = Store(tmp_path)
    rows = packed.lookup("clips", keys)
    assert read == [] and set(rows) == set(keys)
    (tmp_path / "clips" / NAME).unlink()
    plain = Store(tmp_path).lookup("clips", keys)
    assert len(read) == COUNT
    for key in keys:
        ours, theirs = rows[key], plain[key]
        assert (ours.row_key, ours.clip_id, ours.content_digest) == (
            key,
            theirs.clip_id,
            theirs.content_digest,
        )
        assert ours.columns["number"] == theirs.columns["number"] and ours.columns["names"] == [key]
        assert ours == theirs, "and no column that its part does not have"
        assert tuple(ours.inputs) == tuple(theirs.inputs) == ("a", "b")
        assert tuple(ours.tensors) == tuple(theirs.tensors)
    odd = rows[keys[7]]
    assert packed.read(odd)["x"].tolist() == [7.0, 7.0]


def test_a_part_that_changed_or_went_is_not_taken_from_the_pack(tmp_path, monkeypatch):
    keys = filled(tmp_path)
    store = Store(tmp_path)
    gone, touched = (store.lookup("clips", [key])[key].part for key in (keys[3], keys[4]))
    (tmp_path / "clips" / f"{gone}.parquet").unlink()
    path = tmp_path / "clips" / f"{touched}.parquet"
    path.write_bytes(path.read_bytes())
    read = opened(monkeypatch)
    rows = Store(tmp_path).lookup("clips", keys)
    assert read == [path.name] and set(rows) == set(keys) - {keys[3]}


def test_a_damaged_pack_is_left_alone(tmp_path, monkeypatch):
    keys = filled(tmp_path)
    pack = tmp_path / "clips" / NAME
    whole = pack.read_bytes()
    read = opened(monkeypatch)
    for damage in (b"", whole[: len(whole) // 2], b"\0" * len(whole)):
        read.clear()
        pack.unlink()
        pack.write_bytes(damage)
        assert set(Store(tmp_path).lookup("clips", keys)) == set(keys) and len(read) == COUNT
    assert set(Store(tmp_path).lookup("clips", keys)) == set(keys) and len(read) == COUNT, (
        "it is written anew"
    )
