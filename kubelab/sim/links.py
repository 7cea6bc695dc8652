"""The links between components: how long a message takes, and whether it arrives.

A message takes the latency of its link, a constant by the roles of the two ends, so that the trace
of a quiet cluster is easy to read. A learner may slow a link (`set_latency`) or cut the components
into groups that do not hear each other (`partition`). Messages of one link never overtake each
other, as on a TCP connection.
"""

from __future__ import annotations

from collections.abc import Iterable

MS = 1_000_000

# Nanoseconds one way, by the roles of the two ends in alphabetical order; else DEFAULT.
LATENCY_NS = {
    ("apiserver", "etcd"): 1 * MS,
    ("kernel", "kernel"): MS // 4,
    # Within one machine: a system call and a wake-up.
    ("coredns", "kernel"): MS // 20,
    ("kernel", "kubelet"): MS // 20,
    ("kernel", "resolver"): MS // 20,
    ("kernel", "runtime"): MS // 20,
    ("kernel", "tools"): MS // 20,
    ("resolver", "tools"): MS // 20,
    ("etcd", "etcd"): 1 * MS,
}
DEFAULT_NS = 1 * MS


def role_of(name: str) -> str:
    """What kind of component a name is of: `kubelet/node-1` and `kubelet` are of role `kubelet`.

    A number at the end of a control plane's component is no part of its role: `etcd-2` is `etcd`.
    """
    head = name.partition("/")[0]
    stem, dash, number = head.rpartition("-")
    return stem if dash and number.isdigit() else head


class Links:
    """Latencies and cuts. All of its state is plain data."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], int] = {}
        self.overrides: dict[tuple[str, str], int] = {}
        self.latest: dict[tuple[str, str], int] = {}
        self.groups: dict[str, int] = {}

    def latency_ns(self, sender: str, target: str) -> int:
        """Nanoseconds a message from `sender` to `target` takes."""
        pair = (sender, target)
        known = self.known.get(pair)
        if known is None:
            if sender == target:
                known = 0
            else:
                first, second = sorted((role_of(sender), role_of(target)))
                known = LATENCY_NS.get((first, second), DEFAULT_NS)
            known = self.overrides.get(pair, known)
            self.known[pair] = known
        return known

    def arrival_ns(self, now: int, sender: str, target: str) -> int:
        """The time at which a message sent now arrives: never before one sent earlier."""
        arrival = now + self.latency_ns(sender, target)
        if self.overrides:
            pair = (sender, target)
            arrival = max(arrival, self.latest.get(pair, 0))
            self.latest[pair] = arrival
        return arrival

    def set_latency(self, a: str, b: str, latency_ns: int) -> None:
        """Both directions between two components take `latency_ns` from now on."""
        for pair in ((a, b), (b, a)):
            self.overrides[pair] = latency_ns
            self.known.pop(pair, None)

    def partition(self, *groups: Iterable[str]) -> None:
        """Cuts the named components into groups; whoever is named in none hears everybody."""
        self.groups = {name: index for index, group in enumerate(groups) for name in group}

    def heal(self) -> None:
        """Ends every cut."""
        self.groups = {}

    def is_cut(self, a: str, b: str) -> bool:
        """Whether messages between two components are lost."""
        if not self.groups:
            return False
        first, second = self.groups.get(a), self.groups.get(b)
        return first is not None and second is not None and first != second
