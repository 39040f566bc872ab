"""The store on a real disk: commits, damage, kills, full and read-only disks."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time

import pytest
import torch

from ltx_core.errors import LtxError, StoreError
from ltx_core.store.collect import collect
from ltx_core.store.keys import Keys, digest, row_key
from ltx_core.store.rows import PendingRow, StageMeta
from ltx_core.store.store import Store
from ltx_core.store.verify import repair, verify

META = StageMeta("latents", 1)


def pending(name, seed=0, **values):
    tensor = torch.randn(4, 8, generator=torch.Generator().manual_seed(seed)).bfloat16()
    return PendingRow(digest(name), name, tensors={"latents": tensor}, columns={"fps": 8.0}, **values)


def test_round_trip_of_rows_tensors_and_files(tmp_path):
    store = Store(tmp_path)
    rows = [pending("a", 1, files={"x.mp4": b"video"}), pending("b", 2)]
    bad = PendingRow(digest("c"), "c", status="rejected", reason='unreadable: "\n🎬"')
    first, second, third = store.write(META, [*rows, bad])
    again = Store(tmp_path)
    assert set(again.lookup("latents", [first.row_key, "unknown"])) == {first.row_key}
    assert torch.equal(again.read(first)["latents"], rows[0].tensors["latents"])
    assert torch.equal(again.read(second)["latents"], rows[1].tensors["latents"])
    assert again.file(first, "x.mp4").read_bytes() == b"video"
    assert not third.ok and third.reason == 'unreadable: "\n🎬"'
    assert first.content_digest != second.content_digest


def test_equal_results_have_equal_content_digests_and_are_written_once(tmp_path):
    store = Store(tmp_path)
    (row,) = store.write(META, [pending("a", 1)])
    (same,) = Store(tmp_path / "other").write(META, [pending("other name", 1)])
    assert row.content_digest == same.content_digest
    store.write(META, [pending("a", 1), pending("b", 2)])
    assert len(store.rows("latents")) == 2
    assert len(list(tmp_path.glob("latents/*.parquet"))) == 2


def test_a_row_key_depends_on_each_of_its_parts():
    base = ("latents", 1, {"dtype": "bfloat16"}, ["a"], "model")
    variants = [
        ("text", 1, {"dtype": "bfloat16"}, ["a"], "model"),
        ("latents", 2, {"dtype": "bfloat16"}, ["a"], "model"),
        ("latents", 1, {"dtype": "float32"}, ["a"], "model"),
        ("latents", 1, {"dtype": "bfloat16"}, ["b"], "model"),
        ("latents", 1, {"dtype": "bfloat16"}, ["a"], "other"),
    ]
    assert len({row_key(*variant) for variant in [base, *variants]}) == 6
    for stage, version, section, inputs, fingerprint in [base, *variants]:
        keys = Keys(stage, version, section, fingerprint)
        assert keys.of(inputs) == row_key(stage, version, section, inputs, fingerprint)


@pytest.mark.parametrize("damage", ["truncate", "delete"])
def test_rows_whose_tensors_are_gone_do_not_count(tmp_path, damage):
    store = Store(tmp_path)
    (row,) = store.write(META, [pending("a", 1)])
    tensors = tmp_path / "latents" / f"{row.part}.safetensors"
    if damage == "delete":
        tensors.unlink()
    else:
        os.truncate(tensors, 40)
    assert store.lookup("latents", [row.row_key]) == {}
    store.write(META, [pending("a", 1)])
    assert torch.equal(store.read(row)["latents"], pending("a", 1).tensors["latents"])


def test_a_damaged_file_is_found_and_written_again(tmp_path):
    store, row = Store(tmp_path), pending("a", 1, files={"x.mp4": b"video"})
    (first,) = store.write(META, [row])
    store.file(first, "x.mp4").write_bytes(b"vIdeo")
    _, problems = verify(store)
    assert [problem.what for problem in problems] and repair(problems) == 1
    (again,) = Store(tmp_path).write(META, [row])
    assert store.file(again, "x.mp4").read_bytes() == b"video" and verify(Store(tmp_path)) == (1, [])


def test_a_flipped_bit_is_found_named_and_repaired(tmp_path):
    store = Store(tmp_path)
    (row,) = store.write(META, [pending("a", 1)])
    tensors = tmp_path / "latents" / f"{row.part}.safetensors"
    data = bytearray(tensors.read_bytes())
    data[-1] ^= 1
    tensors.write_bytes(data)
    with pytest.raises(StoreError, match=f"row {row.row_key}.*clip a.*damaged"):
        Store(tmp_path).read(row)
    checked, problems = verify(Store(tmp_path))
    assert checked == 1 and len(problems) == 1
    repair(problems)
    assert Store(tmp_path).lookup("latents", [row.row_key]) == {}


WRITER = """
import sys, torch
from pathlib import Path
from ltx_core.store.rows import PendingRow, StageMeta
from ltx_core.store.store import Store
store = Store(Path(sys.argv[1]))
for part in range(1000):
    tensors = [{"t": torch.full((64, 64), float(part))} for _ in range(8)]
    rows = [PendingRow(f"{sys.argv[2]}{part:08d}{i:022d}", "c", tensors=t) for i, t in enumerate(tensors)]
    store.write(StageMeta("latents", 1), rows)
    print(part, flush=True)
"""


@pytest.mark.prove
def test_kill_9_loses_no_committed_row_and_tears_none(tmp_path):
    committed = []
    for name in ("aa", "bb", "cc"):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), name], stdout=subprocess.PIPE, text=True
        )
        lines = [process.stdout.readline() for _ in range(3)]
        time.sleep(0.013 * len(committed))
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
        process.wait()
        committed += [f"{name}{int(line):08d}{i:022d}" for line in lines if line.strip() for i in range(8)]
    store = Store(tmp_path)
    found = store.lookup("latents", committed)
    assert set(found) == set(committed) and len(committed) >= 72
    assert verify(store)[1] == []
    for row in store.rows("latents"):
        assert (store.read(row)["t"] == int(row.row_key[2:10])).all()


def test_a_full_disk_is_a_clear_error_and_keeps_what_was_there(tmp_path):
    store = Store(tmp_path)
    (row,) = store.write(META, [pending("a", 1)])
    big = PendingRow(digest("big"), "big", tensors={"t": torch.zeros(1 << 20)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(StoreError, match=r"limit is reached.*is kept"):
            store.write(META, [big])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert set(Store(tmp_path).lookup("latents", [row.row_key, big.row_key])) == {row.row_key}
    assert [path for path in tmp_path.rglob(".tmp-*")] == []


READ_ONLY = """
import os, sys
from pathlib import Path
from ltx_core.errors import StoreError
from ltx_core.store.rows import PendingRow, StageMeta
from ltx_core.store.store import Store
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    Store(Path(sys.argv[1])).write(StageMeta("latents", 1), [PendingRow("k" * 32, "c")])
except StoreError as error:
    print(error)
"""


def test_a_read_only_workspace_is_a_clear_error(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    for path in (folder, *list(folder.parents)[:3]):
        path.chmod(0o555 if path == folder else 0o755)
    run = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(folder)], capture_output=True, text=True, check=False
    )
    assert "permission denied; set `workspace`" in run.stdout, run.stderr


def aged(folder):
    """Make everything in the folder two hours old."""
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - 7200,) * 2)


HOLDS = """
import sys
from pathlib import Path
from ltx_core.store.disk import locked
with locked(Path(sys.argv[1]) / ".locks" / "audio_latents-0123"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_nothing_is_collected_while_another_process_computes(tmp_path):
    store = Store(tmp_path)
    (unused,) = store.write(META, [pending("unused", 2)])
    store.write(StageMeta("dataset", 1), [PendingRow(digest("d"), "")])
    aged(tmp_path)
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline() == "held\n"
        with pytest.raises(
            LtxError, match=r"computing rows of this store \(audio_latents\).*wait for its end"
        ):
            collect(store)
        run.stdin.close()
    assert collect(store, dry_run=True, keep=[unused.row_key]) == []
    assert collect(store) == [f"latents/{unused.part}"], "a lock file that nobody holds is no run"


def test_collect_keeps_what_a_dataset_names_and_what_is_young(tmp_path):
    store = Store(tmp_path)
    (used,) = store.write(META, [pending("used", 1, files={"x.mp4": b"used"})])
    assert collect(store) == []
    (unused,) = store.write(META, [pending("unused", 2, files={"x.mp4": b"unused"})])
    (caption,) = store.write(StageMeta("captions", 1), [PendingRow(digest("c"), "clip")])
    store.write(StageMeta("dataset", 1), [PendingRow(digest("d"), "", inputs=(used.row_key,))])
    assert collect(store) == []  # a run that goes on may be about to name it
    aged(tmp_path)
    assert collect(store, dry_run=True) == [f"latents/{unused.part}"]
    assert collect(store) == [f"latents/{unused.part}"]
    assert set(Store(tmp_path).lookup("latents", [used.row_key, unused.row_key])) == {used.row_key}
    assert Store(tmp_path).lookup("captions", [caption.row_key])
    assert [path.read_bytes() for path in (tmp_path / "latents" / "files").iterdir()] == [b"used"]
