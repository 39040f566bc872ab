"""The store against the disk, and against the usual way: one torch.save file per sample."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.measure import Pair, Result, in_turns
from ltx_core.store.rows import PendingRow, Row, StageMeta
from ltx_core.store.store import Store

META = StageMeta("bench", 1)
PART_ROWS = 64


@dataclass(frozen=True)
class Shape:
    """Rows of one kind: their tensor's shape (bfloat16) and how many."""

    name: str
    shape: tuple[int, ...]
    rows: int

    @property
    def bytes(self) -> int:
        """Of one row's tensor."""
        return 2 * torch.Size(self.shape).numel()


SHAPES = (
    Shape("video latents 768x448x89", (128, 12, 14, 24), 192),
    Shape("audio latents 1.1 s", (8, 28, 16), 1024),
)


def store_speeds(folder: Path, rounds: int, quick: bool) -> list[Result]:
    """Writing with fsync and random reading, for large and for small tensors."""
    return [result for shape in SHAPES for result in _Kind(folder, shape, quick).measure(rounds)]


class _Kind:
    def __init__(self, folder: Path, shape: Shape, quick: bool) -> None:
        self.folder, self.shape = folder / "stores", shape
        self.count = shape.rows // 3 if quick else shape.rows
        draw = torch.Generator().manual_seed(0)
        self.tensors = [
            torch.randn(shape.shape, generator=draw).to(torch.bfloat16) for _ in range(self.count)
        ]
        self.order = random.Random(0).sample(range(self.count), self.count)
        self.store, self.rows = Store(self.folder / "ours"), []

    def measure(self, rounds: int) -> list[Result]:
        """Four lines: write and read, each against the disk and against torch.save."""
        write_disk = in_turns(self.write, self.write_raw, rounds, self.clear)
        write_save = in_turns(self.write, self.write_files, rounds, self.clear)
        self.clear()
        self.write(), self.write_raw(), self.write_files()
        found = [
            self._line("write", "the disk: write + fsync", write_disk),
            self._line("write", "torch.save + fsync per sample", write_save),
            self._line("random read", "the disk: pread", in_turns(self.read, self.read_raw, rounds)),
            self._line("random read", "torch.load per sample", in_turns(self.read, self.read_files, rounds)),
        ]
        self.clear()
        return found

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "raw").mkdir(parents=True)
        (self.folder / "files").mkdir()
        self.store = Store(self.folder / "ours")

    def write(self) -> None:
        self.rows: list[Row] = []
        for start in range(0, self.count, PART_ROWS):
            part = self.tensors[start : start + PART_ROWS]
            pending = [PendingRow(f"{start + i:032x}", "", tensors={"x": t}) for i, t in enumerate(part)]
            self.rows += self.store.write(META, pending)

    def write_raw(self) -> None:
        for start in range(0, self.count, PART_ROWS):
            data = b"".join(_bytes(tensor) for tensor in self.tensors[start : start + PART_ROWS])
            with (self.folder / "raw" / f"{start}").open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())

    def write_files(self) -> None:
        for number, tensor in enumerate(self.tensors):
            with (self.folder / "files" / f"{number}.pt").open("wb") as file:
                torch.save({"x": tensor}, file)
                file.flush()
                os.fsync(file.fileno())

    def read(self) -> None:
        for number in self.order:
            self.store.read(self.rows[number])

    def read_raw(self) -> None:
        handles = {
            start: os.open(self.folder / "raw" / f"{start}", os.O_RDONLY)
            for start in range(0, self.count, PART_ROWS)
        }
        size = self.shape.bytes
        for number in self.order:
            start = number // PART_ROWS * PART_ROWS
            data = bytearray(size)
            os.preadv(handles[start], [data], (number - start) * size)
            torch.frombuffer(data, dtype=torch.bfloat16).reshape(self.shape.shape)
        for handle in handles.values():
            os.close(handle)

    def read_files(self) -> None:
        for number in self.order:
            torch.load(self.folder / "files" / f"{number}.pt", weights_only=True)

    def _line(self, what: str, bare: str, pair: Pair) -> Result:
        return Result(
            f"store {what}, {self.shape.name}",
            bare,
            pair.ratio,
            self._speed(pair.ours),
            self._speed(pair.bare),
        )

    def _speed(self, taken: float) -> str:
        megabytes = self.count * self.shape.bytes / taken / 1e6
        return f"{megabytes:,.0f} MB/s, {self.count / taken:,.0f} rows/s"


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.view(torch.uint8).numpy().tobytes()
