"""A part's Parquet table as rows whose values are made when they are looked at.

A plan over fifty thousand clips reads half a million rows and asks most of them for two or three values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

from ltx_core.store.rows import COMMON, FileRef, Row, TensorRef

T = TypeVar("T")
NESTED: Mapping[str, Callable[[Any], Any]] = {
    "inputs": str,
    "tensors": TensorRef.of_record,
    "files": lambda record: FileRef(**record),
}
"""Columns of lists, and what makes an entry of its record."""


def own_columns(table: Any) -> tuple[str, ...]:
    """Names of the columns that only the stage has."""
    return tuple(name for name in table.column_names if name not in COMMON)


def rows_of(table: Any, parts: Iterable[tuple[int, Sequence[str]]] = ()) -> list[Row]:
    """The rows of a `pyarrow.Table` with the columns of `COMMON`.

    Args:
        table: of one part, or of several.
        parts: rows and names of own columns of each part, in order, where there are several.
    """
    plain = [name for name in COMMON if name not in NESTED]
    values = zip(*(table.column(name).to_pylist() for name in plain), strict=True)
    own = Columns(table).rows(parts or [(table.num_rows, own_columns(table))])
    lists = {name: _lists(table, name, make) for name, make in NESTED.items()}
    found = zip(values, *lists.values(), strict=True)
    return [
        Row(
            **dict(zip(plain, one, strict=True)),
            **dict(zip(lists, nested, strict=True)),
            columns=columns,
        )
        for (one, *nested), columns in zip(found, own, strict=True)
    ]


class Columns:
    """The own columns of a part's rows, each converted when a row is first asked for it."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self._lists: dict[str, list[Any]] = {}

    def rows(self, parts: Iterable[tuple[int, Sequence[str]]]) -> Iterator[Mapping[str, Any]]:
        """The values of every row, of parts of so many rows with these columns."""
        place = 0
        for count, names in parts:
            for number in range(place, place + count):
                yield _Values(self, number, names)
            place += count

    def values(self, name: str) -> list[Any]:
        """One column."""
        if name not in self._lists:
            self._lists[name] = self.table.column(name).to_pylist()
        return self._lists[name]


class _Values(Mapping[str, Any]):
    """One row's own columns."""

    __slots__ = ("_columns", "_names", "_place")

    def __init__(self, columns: Columns, place: int, names: Sequence[str]) -> None:
        self._columns, self._place, self._names = columns, place, names

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return self._columns.values(name)[self._place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return repr(dict(self))


class Later(Sequence[T], Generic[T]):
    """One row's list of a nested column."""

    __slots__ = ("_column", "_length", "_make", "_place")

    def __init__(self, column: Any, place: int, length: int, make: Callable[[Any], T]) -> None:
        self._column, self._place, self._length, self._make = column, place, length, make

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._all()[index]

    def __iter__(self) -> Iterator[T]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._all() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def _all(self) -> tuple[T, ...]:
        if not self._length:
            return ()
        return tuple(self._make(entry) for entry in self._column[self._place].as_py())


def _lists(table: Any, name: str, make: Callable[[Any], T]) -> list[Sequence[T]]:
    """The lists of a nested column, one per row; () where it is empty."""
    import pyarrow.compute as pc

    column = table.column(name)
    lengths = pc.list_value_length(column).to_pylist()
    return [Later(column, place, length, make) if length else () for place, length in enumerate(lengths)]
