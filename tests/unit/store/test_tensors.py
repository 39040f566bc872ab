"""Our own safetensors writer against the library that reads it."""

from __future__ import annotations

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save

from ltx_core.errors import StoreError
from ltx_core.store.tensors import NAMES, Entry, save_tensors, write_tensors


def test_what_is_written_is_what_the_library_reads_and_writes(tmp_path):
    tensors = {f"of {str(dtype)[6:]} é": torch.arange(6).reshape(2, 3).to(dtype) for dtype in NAMES}
    tensors |= {"a scalar": torch.tensor(0.1), "empty": torch.zeros(0, 4), "apart": torch.ones(4, 4).T[1:]}
    path = tmp_path / "t.safetensors"
    write_tensors(path, [Entry.of(name, tensor) for name, tensor in reversed(tensors.items())])
    found = load_file(path)
    assert found.keys() == tensors.keys()
    assert all(found[n].dtype == t.dtype and torch.equal(found[n], t) for n, t in tensors.items())
    assert path.stat().st_size == len(save({n: t.contiguous() for n, t in tensors.items()}))
    facts = {"b": "2", "a": "strîped 🎬"}
    save_tensors(path, [Entry.of("x", torch.ones(2), torch.bfloat16)], facts)
    with safe_open(path, "pt") as file:
        assert file.metadata() == facts and file.get_tensor("x").dtype == torch.bfloat16
    assert [left.name for left in tmp_path.iterdir()] == [path.name]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "t.safetensors"
    save_tensors(path, [Entry.of("x", torch.ones(2))])
    before = path.read_bytes()
    wrong = Entry("x", (3,), torch.float32, lambda: torch.ones(2))
    with pytest.raises(ValueError, match=r"x is \(2,\); it must be \(3,\)"):
        save_tensors(path, [wrong])
    with pytest.raises(StoreError):
        save_tensors(path / "below a file", [wrong])
    assert path.read_bytes() == before and [left.name for left in tmp_path.iterdir()] == [path.name]
