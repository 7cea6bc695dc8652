"""Leader election: of several processes of one kind one works, the others wait.

Who leads holds a Lease and renews it every 2 s; the others read it as often. A Lease that has not
changed for 15 s, by the reader's own clock, is taken over, so a leader that died is followed within
17 s. A leader that could not renew for 10 s gives up before anybody else may begin: its process
ends and starts anew as one that waits. A process that was started again has a new identity, and so
has to wait for its own old Lease to run out. A leader that nobody waits behind renews only every
10 s, so that a quiet cluster stays quiet.

In Kubernetes: k8s.io/client-go/tools/leaderelection. Left out: jitter, and the release of the Lease
by a process that is asked to end.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import Obj, freeze, get, with_
from kubelab.api.rest import Response
from kubelab.client.client import Client
from kubelab.client.events import Recorder
from kubelab.sim.kernel import SECOND, Routine, micro_timestamp

LEASE, NAMESPACE = "coordination.k8s.io/v1/Lease", "kube-system"
LEASE_SECONDS, DEADLINE_SECONDS, RETRY_SECONDS = 15, 10, 2
ALONE_SECONDS = 10


class Candidate(Client):
    """A process that works only while it leads.

    Subclasses set `lease_name`, call `campaign` in `start` and begin to work in `lead`. With
    `alone` there is no other candidate, and waiting for a Lease counts as work.
    """

    lease_name = ""
    elects = False
    alone = True
    identity = ""
    leading = False

    def campaign(self) -> None:
        """Begins to stand for election."""
        uid = self.world.stream(f"{self.name}/identity").uid()
        self.identity = f"{self._host()}_{uid}"
        self.leading = False
        # The Lease as last seen, when it was seen to change, and when we last renewed it.
        self.lease: Obj | None = None
        self.changed_ns = 0
        self.renewed_ns = 0
        self._look()

    def _host(self) -> str:
        """The machine that we run on: of several replicas each has one of its own."""
        if self.alone:
            return "control-plane"
        number = self.name.rpartition("-")[2]
        return f"control-plane-{number if number.isdigit() else 1}"

    def lead(self) -> None:
        """We have become the leader."""
        raise NotImplementedError

    def _look(self) -> None:
        self.get(LEASE, NAMESPACE, self.lease_name, reply="lease_read")

    def elect(self) -> None:
        """The leader renews its Lease, the others look at it."""
        if not self.leading:
            self._look()
            return
        late = DEADLINE_SECONDS - RETRY_SECONDS + self._period_seconds()
        if self.now - self.renewed_ns >= late * SECOND:
            self._lose()
            return
        self._again()
        assert self.lease is not None
        self._write(self.lease, self.lease["spec"])

    def _period_seconds(self) -> int:
        return ALONE_SECONDS if self.alone and self.leading else RETRY_SECONDS

    def _again(self) -> None:
        quiet = True if self.leading or not self.alone else None
        self.after(self._period_seconds(), "elect", background=quiet)

    def lease_read(self, response: Response) -> None:
        """The Lease as it is: somebody else's, or free."""
        if response.status == 404:
            self._create()
            return
        if not response.ok:
            if not self.leading:
                self._again()
            return
        lease: Obj = response.body
        version = lease["metadata"]["resourceVersion"]
        if self.lease is None or self.lease["metadata"]["resourceVersion"] != version:
            self.changed_ns = self.now
        self.lease = lease
        holder = get(lease, "spec", "holderIdentity", default="")
        until = self.changed_ns + get(lease, "spec", "leaseDurationSeconds") * SECOND
        if holder and holder != self.identity and until > self.now:
            self.note(holder=holder, act="wait")
            if self.leading:
                self._lose()
            else:
                self._again()
            return
        spec = lease["spec"]
        if holder != self.identity:
            self.note(holder=holder, act="take over")
            spec = {
                **spec, "holderIdentity": self.identity, "leaseDurationSeconds": LEASE_SECONDS,
                "acquireTime": micro_timestamp(self.now),
                "leaseTransitions": spec.get("leaseTransitions", 0) + 1,
            }  # fmt: skip
        self._write(lease, spec)

    def _create(self) -> None:
        moment = micro_timestamp(self.now)
        lease = freeze({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": self.lease_name, "namespace": NAMESPACE},
            "spec": {
                "holderIdentity": self.identity, "leaseDurationSeconds": LEASE_SECONDS,
                "acquireTime": moment, "renewTime": moment, "leaseTransitions": 0,
            },
        })  # fmt: skip
        self.create(lease, reply="lease_written", context=(self.now,))

    def _write(self, lease: Obj, spec: Any) -> None:
        changed = with_(lease, ("spec",), {**spec, "renewTime": micro_timestamp(self.now)})
        self.update(changed, reply="lease_written", context=(self.now,))

    def lease_written(self, response: Response, sent_ns: int) -> None:
        """Our write was carried out, or somebody was quicker."""
        if not response.ok:
            if not self.leading:
                self._again()
            elif response.status == 409:
                self._look()
            return
        self.lease, self.renewed_ns = response.body, sent_ns
        if self.leading:
            return
        self.leading = True
        self.note(leader=self.identity, act="lead")
        self.promote()
        self._tell("became leader")
        self.lead()
        self._again()

    def _tell(self, what: str) -> None:
        assert self.lease is not None
        recorder = Recorder(self, self.event_component())
        recorder.event(self.lease, "Normal", "LeaderElection", f"{self.identity} {what}")

    def event_component(self) -> str:
        """The component that Events of the election name as their source."""
        return self.agent

    def _lose(self) -> None:
        """Others may lead from now on: the process ends, and is started again."""
        self.note(leader=self.identity, act="stop leading")
        self.promote()
        self._tell("stopped leading")
        for call_id, call in self.calls.items():
            if call.watch:
                self.send(self.servers[self.server], "cancel_request", self.name, call_id)
        self.world.halt(self.name)
        self.world.begin(self.name)

    def routine(self, verb: str, args: tuple[Any, ...]) -> Routine | None:
        if verb == "elect":
            return Routine(self._period_seconds() * SECOND, free=True)
        return super().routine(verb, args)

    def passed(self, verb: str, args: tuple[Any, ...], turns: int, due: int) -> None:
        """Turns that were passed over would have renewed the Lease, or seen it renewed."""
        if verb == "elect":
            self.renewed_ns = self.changed_ns = due - self._period_seconds() * SECOND
        else:
            super().passed(verb, args, turns, due)
