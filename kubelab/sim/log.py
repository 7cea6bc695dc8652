"""An append-only list that forks share.

The trace and the store's history only grow. A fork takes the full chunks as they are (they never
change) and copies the last, open one, so that its cost does not grow with what has happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar, overload

T = TypeVar("T")


class Log(Generic[T]):
    """Items in order of arrival; `log[i]`, slices, `len` and iteration as of a list."""

    CHUNK = 4096
    __slots__ = ("chunks", "open")

    def __init__(self, items: list[T] | None = None) -> None:
        self.chunks: list[list[T]] = []
        self.open: list[T] = []
        for item in items or ():
            self.append(item)

    def append(self, item: T) -> None:
        self.open.append(item)
        if len(self.open) == self.CHUNK:
            self.chunks.append(self.open)
            self.open = []

    def fork(self) -> Log[T]:
        """A log that shares what is there and grows on its own."""
        twin: Log[T] = Log()
        twin.chunks = self.chunks.copy()
        twin.open = self.open.copy()
        return twin

    def chunk(self, number: int) -> list[T]:
        """A full chunk; not to be changed, forks may share it."""
        return self.chunks[number]

    def replace_chunk(self, number: int, items: list[T]) -> None:
        """Puts other items of the same length in the place of a full chunk, in this log only."""
        assert len(items) == self.CHUNK
        self.chunks[number] = items

    def __len__(self) -> int:
        return len(self.chunks) * self.CHUNK + len(self.open)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        size = len(self)
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(size))]
        if index < 0:
            index += size
        if not 0 <= index < size:
            raise IndexError(f"the log has {size} items, there is no item {index}")
        number, offset = divmod(index, self.CHUNK)
        return self.open[offset] if number == len(self.chunks) else self.chunks[number][offset]

    def __iter__(self) -> Iterator[T]:
        for chunk in self.chunks:
            yield from chunk
        yield from list(self.open)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Log, list)):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} items>"
