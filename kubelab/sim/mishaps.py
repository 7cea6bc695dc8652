"""Faults of links and clocks: what an etcd alone and a whole cluster can both suffer.

`Mishaps` carries them out inside the world, `LinkFaults` is the handle that a user calls; each call
is one event of the actor `you`. Some take members of etcd only: the derived class says which names
those are.

In Kubernetes: nothing like it; etcd's own tests inject faults through a proxy
(go.etcd.io/etcd/tests, `robustness`).
"""

from __future__ import annotations

from typing import Any

from kubelab.sim.kernel import SECOND, Component, Event


class Mishaps(Component):
    """Cuts, slow and noisy links, wrong clocks, early elections."""

    def partition(self, groups: tuple[tuple[str, ...], ...]) -> None:
        """Cuts the components into groups that do not hear each other."""
        self.note(groups=[list(group) for group in groups])
        self.world.links.partition(*groups)

    def heal(self) -> None:
        """Ends all cuts and all noise."""
        self.world.links.heal()
        for part in self.world.components.values():
            if hasattr(part, "noise"):
                part.noise = {}

    def slow(self, a: str, b: str, seconds: float) -> None:
        """Sets the latency of a link."""
        self.note(between=[a, b], seconds=seconds)
        self.world.links.set_latency(a, b, round(seconds * SECOND))

    def spoil(self, sender: str, target: str, noise: tuple[float, float, int]) -> None:
        """Makes the link from one member to another lose, double or delay messages."""
        self.note(sender=sender, to=target, loss=noise[0], duplication=noise[1])
        self.send(sender, "disturb", target, noise)

    def clock(self, name: str, rate: int) -> None:
        """Lets a member's clock run at so many thousandths of the true speed."""
        self.note(member=name, rate=rate)
        self.send(name, "set_clock_rate", rate)

    def wake(self, name: str) -> None:
        """Lets a member's election timer run out now."""
        self.note(member=name)
        self.send(name, "campaign_now")


def tell(event: Event) -> str:
    """One sentence for each of these faults; empty for others."""
    detail: Any = event.detail
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
        return (
            f"You let {share} % of the messages from {detail['sender']} to {detail['to']} be lost."
        )
    if event.verb == "clock":
        return f"You set the clock of {detail.get('member')} to run at another speed."
    if event.verb == "wake":
        return f"You let the election timer of {detail.get('member')} run out."
    return ""


class LinkFaults:
    """The calls for members of etcd; `_inject` and `_member` are the derived class's."""

    def _inject(self, verb: str, *args: Any) -> None:
        raise NotImplementedError

    def _member(self, name: str) -> str:
        """The component of a member's name. Raises ValueError for another."""
        raise NotImplementedError

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
        """From now on this share of the messages from one etcd member to another is lost.

        Of the others a share may arrive twice, and each up to `delay` seconds late, so that they
        overtake each other.
        """
        noise = (share, duplicate, round(delay * SECOND))
        self._inject("spoil", self._member(sender), self._member(target), noise)

    def set_clock(self, member: str, rate: float) -> None:
        """From now on an etcd member's clock runs `rate` times as fast as it should."""
        self._inject("clock", self._member(member), round(rate * 1000))

    def time_out(self, member: str) -> None:
        """Lets an etcd member's election timer run out now."""
        self._inject("wake", self._member(member))
