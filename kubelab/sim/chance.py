"""Seeded chance: a stream of numbers that is the same on every Python.

Each component draws from a stream of its own, seeded by the world's seed and the component's name,
so that one more draw in one component leaves every other's numbers alone. The generator is
SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014): its state
is one integer, which makes a copy of a world cheap and a replay exact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
MASK = (1 << 64) - 1

# The letters of generated names: no vowels, no look-alikes.
# In Kubernetes: k8s.io/apimachinery/pkg/util/rand.
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class Chance:
    """A stream of draws; equal seeds and names give equal draws."""

    __slots__ = ("state",)

    def __init__(self, seed: int | str, name: str) -> None:
        digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
        self.state = int.from_bytes(digest[:8], "big")

    def bits(self) -> int:
        """The next 64 bits, as an integer."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def random(self) -> float:
        """A float in [0, 1)."""
        return (self.bits() >> 11) / (1 << 53)

    def below(self, limit: int) -> int:
        """An integer in [0, limit)."""
        return (self.bits() * limit) >> 64

    def choice(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in a drawn order (Fisher and Yates)."""
        out = list(items)
        for last in range(len(out) - 1, 0, -1):
            other = self.below(last + 1)
            out[last], out[other] = out[other], out[last]
        return out

    def suffix(self, length: int = 5) -> str:
        """A suffix for a generated name."""
        return "".join(ALPHABET[self.below(len(ALPHABET))] for _ in range(length))

    def uid(self) -> str:
        """A UUID of version 4."""
        high, low = self.bits(), self.bits()
        high = (high & ~0xF000) | 0x4000
        low = (low & ~(0xC << 60)) | (0x8 << 60)
        text = f"{high:016x}{low:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
