"""What can go wrong with an etcd alone: stopped members, cut and bad links, wrong clocks.

Each fault is an event of the actor `you`, so that what it leads to has a cause and a replay meets
it at the same moment. What a stopped member held in memory is gone; its log and its store, which
are on its disk, are not.

In Kubernetes: nothing like it; etcd's own tests inject faults through a proxy
(go.etcd.io/etcd/tests, `robustness`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kubelab.etcd.member import Member
from kubelab.sim import mishaps
from kubelab.sim.kernel import Event
from kubelab.sim.mishaps import LinkFaults, Mishaps

if TYPE_CHECKING:
    from kubelab.etcd.cluster import EtcdCluster

NAME = "faults"


class EtcdSaboteur(Mishaps):
    """Carries out faults inside the world."""

    def __init__(self) -> None:
        super().__init__(NAME)

    def halt(self, names: tuple[str, ...]) -> None:
        """Kills members."""
        self.note(stopped=list(names))
        for name in names:
            self.world.halt(name)

    def begin(self, names: tuple[str, ...]) -> None:
        """Starts members again; one that nobody has seen yet comes with an empty disk."""
        self.note(started=list(names))
        for name in names:
            if name not in self.world.components:
                self.world.add(Member(name, joining=True), start=False)
            self.world.begin(name)

    @staticmethod
    def tell(event: Event) -> str:
        detail: Any = event.detail
        if event.verb == "halt":
            return f"You stop {' and '.join(detail.get('stopped', ()))}."
        if event.verb == "begin":
            return f"You start {' and '.join(detail.get('started', ()))}."
        return mishaps.tell(event) or "The faults of this world begin."


class EtcdFaults(LinkFaults):
    """`cluster.faults`: every call is one event; what follows is seen by running on."""

    def __init__(self, cluster: EtcdCluster) -> None:
        self._cluster = cluster

    def _inject(self, verb: str, *args: Any) -> None:
        history = self._cluster.history
        seq = history.inject(NAME, verb, *args)
        while history.world.handled != seq:
            history.step()

    def _member(self, name: str) -> str:
        if not isinstance(self._cluster.history.world.components.get(name), Member):
            known = ", ".join(member.name for member in self._cluster.members)
            raise ValueError(f"there is no member {name!r}; there are {known}")
        return name

    def stop(self, *names: str) -> None:
        """Kills members; what they had on disk stays."""
        self._inject("halt", tuple(self._member(name) for name in names))

    def start(self, *names: str) -> None:
        """Starts stopped members, or one that `member_add` has announced."""
        announced = {
            name
            for part in self._cluster.history.world.components.values()
            if isinstance(part, Member)
            for name in part.ids
        }
        for name in names:
            if name not in announced:
                self._member(name)
        self._inject("begin", names)

    def partition(self, *groups: Iterable[str]) -> None:
        """Cuts the members into groups that do not hear each other; who is not named, hears all."""
        named = [[group] if isinstance(group, str) else list(group) for group in groups]
        self._inject("partition", tuple(tuple(map(self._member, group)) for group in named))

    def drop(self, sender: str, target: str, share: float = 1.0, **more: float) -> None:
        """See `LinkFaults`; it holds when the call returns."""
        super().drop(sender, target, share, **more)
        self._cluster.history.run(0.001)

    def set_latency(self, a: str, b: str, seconds: float) -> None:
        """From now on a message between two members takes so many seconds."""
        self._inject("slow", self._member(a), self._member(b), seconds)
