"""The cache plugin: answers of upstream servers, remembered for a while.

An answer lives as long as its shortest record says, but at least 5 seconds and at most what the
Corefile allows; a negative one as long as the zone's SOA beside it says, or 5 seconds without one.
All its records get that time, and count down while they are kept. Zones that the Corefile names
with `disable` are not kept.

In Kubernetes: CoreDNS' plugin/cache. Left out: prefetch, serve_stale, and the split of one cache
into shards.
"""

from __future__ import annotations

from typing import NamedTuple

from kubelab.dns.corefile import Block
from kubelab.dns.naming import dotted
from kubelab.network.payloads import Answer
from kubelab.sim.kernel import SECOND

ENTRIES = 9984
SHORTEST_SECONDS = 5


class Cached(NamedTuple):
    """One answer, since when it is known and how many seconds it may be used."""

    since_ns: int
    seconds: int
    rcode: str
    answers: tuple[Answer, ...]
    authority: tuple[Answer, ...] = ()
    recursive: bool = True
    authoritative: bool = False

    def seconds_left(self, now_ns: int) -> int:
        """The time to live that is left."""
        return self.seconds - (now_ns - self.since_ns) // SECOND

    def aged(self, now_ns: int) -> Cached:
        """With the times to live of now."""
        return self.with_ttl(self.seconds_left(now_ns))

    def with_ttl(self, seconds: int) -> Cached:
        """With one time to live for all records."""
        return self._replace(
            answers=tuple(row._replace(ttl=seconds) for row in self.answers),
            authority=tuple(row._replace(ttl=seconds) for row in self.authority),
        )


class Cache:
    """The answers that one server remembers, by name and type, the oldest first."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], Cached] = {}

    def get(self, name: str, type_: str, now_ns: int) -> Cached | None:
        """The answer to a question, if it may still be used."""
        held = self.entries.get((name.lower(), type_))
        return held if held is not None and held.seconds_left(now_ns) > 0 else None

    def put(self, name: str, type_: str, answer: Cached, block: Block) -> Cached:
        """Keeps an answer; returns it with the times to live that the client gets."""
        good = answer.rcode == "NOERROR" and bool(answer.answers)
        if answer.rcode not in ("NOERROR", "NXDOMAIN"):
            return answer
        off = block.uncached if good else block.undenied
        lowered = dotted(name.lower())
        if any(lowered == zone or lowered.endswith("." + zone) for zone in off):
            return answer
        rows = answer.answers if good else (*answer.answers, *answer.authority)
        shortest = min((row.ttl for row in rows), default=SHORTEST_SECONDS)
        seconds = min(max(shortest, SHORTEST_SECONDS), block.cache_seconds)
        kept = answer._replace(seconds=seconds).with_ttl(seconds)
        self.entries.pop((lowered, type_), None)
        if len(self.entries) >= ENTRIES:
            del self.entries[next(iter(self.entries))]
        self.entries[name.lower(), type_] = kept
        return kept
