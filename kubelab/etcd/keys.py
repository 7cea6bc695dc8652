"""All keys of the store in order: a sorted list cut into chunks.

An insert into one long list moves half of it; here it moves part of one chunk. A chunk that grows
beyond twice `CHUNK` is cut in two, an empty one is dropped. `firsts` holds the first key of each
chunk, so that two binary searches find a key.

In Kubernetes: etcd keeps a B-tree (server/storage/mvcc/index.go, `treeIndex`); the chunks are its
leaves.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

# A range_end of one zero byte: no end.
NO_END = b"\0"


class SortedKeys:
    """A set of keys that can list a range in order."""

    CHUNK = 256
    __slots__ = ("chunks", "firsts", "size")

    def __init__(self, keys: list[bytes] | None = None) -> None:
        ordered = sorted(keys or ())
        step = self.CHUNK
        self.chunks: list[list[bytes]] = [
            ordered[at : at + step] for at in range(0, len(ordered), step)
        ]
        self.firsts: list[bytes] = [chunk[0] for chunk in self.chunks]
        self.size = len(ordered)

    def __len__(self) -> int:
        return self.size

    def add(self, key: bytes) -> None:
        """Adds a key that is not there."""
        self.size += 1
        if not self.chunks:
            self.chunks.append([key])
            self.firsts.append(key)
            return
        number = max(bisect_right(self.firsts, key) - 1, 0)
        chunk = self.chunks[number]
        insort(chunk, key)
        if chunk[0] is key:
            self.firsts[number] = key
        if len(chunk) > 2 * self.CHUNK:
            half = chunk[self.CHUNK :]
            del chunk[self.CHUNK :]
            self.chunks.insert(number + 1, half)
            self.firsts.insert(number + 1, half[0])

    def remove(self, key: bytes) -> None:
        """Takes out a key that is there."""
        self.size -= 1
        number = bisect_right(self.firsts, key) - 1
        chunk = self.chunks[number]
        del chunk[bisect_left(chunk, key)]
        if not chunk:
            del self.chunks[number], self.firsts[number]
        else:
            self.firsts[number] = chunk[0]

    def between(self, start: bytes, end: bytes) -> list[bytes]:
        """The keys k with start <= k < end, in order; an end of `\\0` means none."""
        if not self.chunks:
            return []
        first = max(bisect_right(self.firsts, start) - 1, 0)
        if end == NO_END:
            last = len(self.chunks) - 1
        elif end <= start:
            return []
        else:
            last = max(bisect_left(self.firsts, end) - 1, 0)
        chunk = self.chunks[first]
        low = bisect_left(chunk, start)
        if first == last:
            return chunk[low:] if end == NO_END else chunk[low : bisect_left(chunk, end)]
        found = chunk[low:]
        for middle in self.chunks[first + 1 : last]:
            found += middle
        chunk = self.chunks[last]
        found += chunk if end == NO_END else chunk[: bisect_left(chunk, end)]
        return found
