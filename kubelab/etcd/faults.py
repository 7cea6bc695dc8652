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
from kubelab.etcd.peer import Noise
from kubelab.sim.kernel import SECOND, Component, Event

if TYPE_CHECKING:
    from kubelab.etcd.cluster import EtcdCluster

NAME = "faults"


class EtcdSaboteur(Component):
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

    def partition(self, groups: tuple[tuple[str, ...], ...]) -> None:
        """Cuts the members into groups that do not hear each other."""
        self.note(groups=[list(group) for group in groups])
        self.world.links.partition(*groups)

    def heal(self) -> None:
        """Ends all cuts and all noise."""
        self.world.links.heal()
        for part in self.world.components.values():
            if isinstance(part, Member):
                part.noise = {}

    def slow(self, a: str, b: str, seconds: float) -> None:
        """Sets the latency of a link."""
        self.note(between=[a, b], seconds=seconds)
        self.world.links.set_latency(a, b, round(seconds * SECOND))

    def spoil(self, sender: str, target: str, noise: Noise) -> None:
        """Makes the link from one member to another lose, double or delay messages."""
        self.note(sender=sender, to=target, loss=noise.loss, duplication=noise.duplication)
        self.send(sender, "disturb", target, noise)

    def clock(self, name: str, rate: int) -> None:
        """Lets a member's clock run at so many thousandths of the true speed."""
        self.note(member=name, rate=rate)
        self.send(name, "set_clock_rate", rate)

    def wake(self, name: str) -> None:
        """Lets a member's election timer run out now."""
        self.note(member=name)
        self.send(name, "campaign_now")

    @staticmethod
    def tell(event: Event) -> str:
        detail: Any = event.detail
        if event.verb == "halt":
            return f"You stop {' and '.join(detail.get('stopped', ()))}."
        if event.verb == "begin":
            return f"You start {' and '.join(detail.get('started', ()))}."
        if event.verb == "partition":
            sides = " from ".join(" and ".join(group) for group in detail.get("groups", ()))
            return f"You cut {sides}: they do not hear each other."
        if event.verb == "heal":
            return "You mend all links."
        if event.verb == "slow":
            between = " and ".join(detail.get("between", ()))
            return f"You make a message between {between} take {detail.get('seconds')} s."
        if event.verb == "spoil":
            share = round(100 * detail.get("loss", 0))
            link = f"from {detail['sender']} to {detail['to']}"
            return f"You let {share} % of the messages {link} be lost."
        if event.verb == "clock":
            return f"You set the clock of {detail.get('member')} to run at another speed."
        if event.verb == "wake":
            return f"You let the election timer of {detail.get('member')} run out."
        return "The faults of this world begin."


class EtcdFaults:
    """`cluster.faults`: every call is one event; what follows is seen by running on."""

    def __init__(self, cluster: EtcdCluster) -> None:
        self._cluster = cluster

    def _inject(self, verb: str, *args: Any) -> None:
        history = self._cluster.history
        seq = history.inject(NAME, verb, *args)
        while history.world.handled != seq:
            history.step()

    def _known(self, name: str) -> str:
        if not isinstance(self._cluster.history.world.components.get(name), Member):
            known = ", ".join(member.name for member in self._cluster.members)
            raise ValueError(f"there is no member {name!r}; there are {known}")
        return name

    def stop(self, *names: str) -> None:
        """Kills members; what they had on disk stays."""
        self._inject("halt", tuple(self._known(name) for name in names))

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
                self._known(name)
        self._inject("begin", names)

    def partition(self, *groups: Iterable[str]) -> None:
        """Cuts the members into groups that do not hear each other; who is not named, hears all."""
        named = [[group] if isinstance(group, str) else list(group) for group in groups]
        self._inject("partition", tuple(tuple(map(self._known, group)) for group in named))

    def heal(self) -> None:
        """Ends every partition, and all that `drop` has spoiled."""
        self._inject("heal")

    def drop(
        self,
        sender: str,
        target: str,
        share: float = 1.0,
        *,
        duplicate: float = 0.0,
        delay: float = 0.0,
    ) -> None:
        """From now on this share of the messages from `sender` to `target` is lost.

        Of the others a share may arrive twice, and each up to `delay` seconds late, so that they
        overtake each other.
        """
        noise = Noise(share, duplicate, round(delay * SECOND))
        self._inject("spoil", self._known(sender), self._known(target), noise)
        self._cluster.history.run(0.001)

    def set_latency(self, a: str, b: str, seconds: float) -> None:
        """From now on a message between two members takes so many seconds."""
        self._inject("slow", self._known(a), self._known(b), seconds)

    def set_clock(self, name: str, rate: float) -> None:
        """From now on a member's clock runs `rate` times as fast as it should."""
        self._inject("clock", self._known(name), round(rate * 1000))

    def time_out(self, name: str) -> None:
        """Lets a member's election timer run out now."""
        self._inject("wake", self._known(name))
