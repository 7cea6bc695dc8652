"""Random faults on an etcd while clients read and write; everything is checked.

`run(seed)` builds the world of a seed, lets it suffer, heals it, and raises AssertionError if an
invariant of Raft breaks, if the answers are not linearizable, or if it does not recover. A seed is
replayed, event by event, with

    python -m tests.etcd.chaos SEED
"""

from __future__ import annotations

import sys
from typing import Any

from kubelab.etcd import EtcdCluster
from kubelab.etcd.seen import members_of
from kubelab.sim.chance import Chance
from tests.etcd.invariants import Invariants, check_logs
from tests.etcd.linearizable import FOREVER, Operation, is_linearizable

KEYS = (b"x", b"y")
ROUNDS = 14
MAYBE = (14,)


class Chaos:
    """One world and what happens to it."""

    def __init__(self, seed: int) -> None:
        self.chance = Chance(seed, "chaos")
        self.cluster = EtcdCluster(self.chance.choice((3, 3, 5)), seed)
        self.names = [member.name for member in self.cluster.members]
        self.invariants = Invariants()
        self.calls: list[tuple[Any, dict[str, Any], int]] = []
        self.ended: dict[int, int] = {}
        self.written = 0

    def watch_calls(self) -> None:
        """Notes when an answer came."""
        now = self.cluster.history.world.now
        for number, (call, _, _) in enumerate(self.calls):
            if number not in self.ended and call.done:
                self.ended[number] = now

    def run(self, seconds: float) -> None:
        """Runs the world, with all checks after every event."""
        history = self.cluster.history
        deadline = history.world.now + round(seconds * 1e9)
        while (due := history.world.next_time()) is not None and due <= deadline:
            event = history.step()
            if event is not None and event.target == "you/etcd":
                self.watch_calls()
            self.invariants.check(history.world)
        history.world.now = max(history.world.now, deadline)

    def ask(self) -> None:
        """One call at some member: a put, a read, or a compare-and-swap."""
        chance = self.chance
        key, member = chance.choice(KEYS), chance.choice(self.names)
        kind = chance.choice(("put", "get", "get", "cas"))
        now = self.cluster.history.world.now
        fields: dict[str, Any] = {"kind": kind, "key": key}
        if kind == "get":
            call = self.cluster.call("range", member, key=key)
        else:
            self.written += 1
            fields["value"] = b"%d" % self.written
            if kind == "put":
                call = self.cluster.call("put", member, key=key, value=fields["value"])
            else:
                fields["expected"] = b"%d" % max(0, self.written - 1 - chance.below(3))
                call = self.cluster.call(
                    "txn", member,
                    compare=[{"key": key, "target": "VALUE", "value": fields["expected"]}],
                    success=[{"request_put": {"key": key, "value": fields["value"]}}],
                )  # fmt: skip
        self.calls.append((call, fields, now))

    def harm(self) -> None:
        """One fault, or the end of some."""
        chance, faults = self.chance, self.cluster.faults
        name = chance.choice(self.names)
        stopped = [m.name for m in self.cluster.members if not m.running]
        what = chance.below(9)
        if what <= 1:
            mixed = chance.shuffled(self.names)
            cut = 1 + chance.below(len(mixed) - 1)
            faults.partition(mixed[:cut], mixed[cut:])
        elif what == 2:
            faults.heal()
        elif what <= 4:
            if name in stopped:
                faults.start(name)
            else:
                faults.stop(name)
        elif what == 5 and stopped:
            faults.start(stopped[0])
        elif what == 6:
            other = chance.choice(self.names)
            if other != name and name not in stopped:
                faults.drop(name, other, 0.3, duplicate=0.3, delay=0.05)
        elif what == 7 and name not in stopped:
            faults.set_clock(name, 0.5 + chance.random() * 1.5)
        elif name not in stopped:
            faults.time_out(name)

    def history(self) -> list[Operation]:
        """The calls as operations; those that surely did nothing are left out."""
        operations = []
        for number, (call, fields, begin) in enumerate(self.calls):
            error = call.error
            unknown = not call.done or (error is not None and error.code in MAYBE)
            kind, key, value = fields["kind"], fields["key"], fields.get("value")
            end = FOREVER if unknown else self.ended[number]
            if kind == "get":
                if unknown:
                    continue
                kvs = call.response.kvs
                value = kvs[0].value if kvs else None
            done = None if unknown else (kind != "cas" or call.response.succeeded)
            operations.append(Operation(kind, key, value, begin, end, fields.get("expected"), done))
        return operations

    def suffer(self) -> None:
        """The whole scenario."""
        self.run(self.chance.random() * 3)
        for _ in range(ROUNDS):
            if self.chance.below(3):
                self.harm()
            for _ in range(1 + self.chance.below(3)):
                self.ask()
            self.run(self.chance.random() * 1.2)
        self.cluster.faults.heal()
        for member in self.cluster.members:
            if not member.running:
                self.cluster.faults.start(member.name)
        self.run(9)
        world = self.cluster.history.world
        assert self.cluster.leader, "no leader though all is healed"
        assert self.cluster.put(b"x", b"last").header.revision, "no write though all is healed"
        self.run(1)
        check_logs(world)
        assert len({m.raft.applied for m in members_of(world)}) == 1, "a member stays behind"
        assert len({self.cluster.member(name).hash_kv().hash for name in self.names}) == 1
        assert is_linearizable(self.history()), "the answers are not linearizable"


def run(seed: int) -> Chaos:
    """Runs the scenario of a seed; raises AssertionError with the way to replay it."""
    chaos = Chaos(seed)
    try:
        chaos.suffer()
    except AssertionError as error:
        raise AssertionError(f"{error}\nreplay: python -m tests.etcd.chaos {seed}") from error
    return chaos


def main(seed: int) -> None:
    """Prints what happens in the world of a seed, then how it ends."""
    chaos = Chaos(seed)
    try:
        chaos.suffer()
    finally:
        cluster = chaos.cluster
        for event in cluster.trace:
            print(f"{event.id:6} {event.time:%M:%S.%f} {cluster.tell(event)} {dict(event.detail)}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
