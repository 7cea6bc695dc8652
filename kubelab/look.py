"""Looking at a cluster: the trace, why things happened, the past, and what runs inside.

Nothing here changes an object; what sends packets or questions (`curl`, `dns`) does so as a process
in a pod would. `Cluster` is made of this and of the calls in `cluster.py`.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kubelab import inside
from kubelab.api.errors import not_found
from kubelab.api.objects import freeze, get, name_of, namespace_of
from kubelab.api.rest import kind_of
from kubelab.apiserver import stored
from kubelab.apiserver.moment import Moment
from kubelab.scheduler.config import load
from kubelab.scheduler.scheduler import Scheduler
from kubelab.scheduler.whatif import WhatIf, preview, reconfigure
from kubelab.sentences import sentence
from kubelab.sim.kernel import SECOND, Event, World
from kubelab.sim.links import role_of
from kubelab.sim.log import Log

if TYPE_CHECKING:
    from kubelab.scheduler.decision import Decision
    from kubelab.sim.history import History


class Look:
    """The part of a `Cluster` that only looks."""

    history: History
    act: Callable[..., int]

    @property
    def world(self) -> World:
        """The world; internal, it is replaced by `rewind`."""
        return self.history.world

    # What happened, and why.

    @property
    def trace(self) -> Log[Event]:
        """All events so far, oldest first; `trace[n - 1]` has the id n."""
        return self.world.trace

    def event(self, event: int | Event) -> Event:
        """The event with an id. Raises ValueError for one that there is not."""
        if isinstance(event, Event):
            return event
        if not 1 <= event <= len(self.world.trace):
            raise ValueError(f"there is no event {event}; the last one is {len(self.world.trace)}")
        return self.world.trace[event - 1]

    def why(self, what: int | str | Event) -> list[Event]:
        """The chain of events that led to `what`, the first cause first.

        `what` is an event, its id, or an object (`pod/web`, `pod/shop/web`): then the last event
        that changed it.
        """
        event: Event | None = self._last_change(what) if isinstance(what, str) else self.event(what)
        chain: list[Event] = []
        while event is not None:
            chain.append(event)
            event = self.world.trace[event.cause - 1] if event.cause else None
        return chain[::-1]

    def _last_change(self, what: str) -> Event:
        word, _, rest = what.partition("/")
        if not rest:
            raise ValueError(f"{what!r} names no object; write it as in 'pod/web'")
        namespace, _, name = rest.rpartition("/")
        kind = kind_of(word)
        key = stored.path(kind, (namespace or "default") if kind.namespaced else "", name)
        for revision, event_id in reversed(list(self._written())):
            del revision
            event = self.world.trace[event_id - 1]
            if key in (event.detail.get("key"), *event.detail.get("keys", ())):
                return event
        raise not_found(kind, name)

    def _written(self) -> Log[tuple[int, int]]:
        return self._member().written  # type: ignore[no-any-return]

    def tell(self, event: int | Event) -> str:
        """One plain sentence about an event."""
        return sentence(self.event(event))

    # The past.

    def _member(self, world: World | None = None) -> Any:
        """The etcd member whose store is furthest; of the running ones, if any runs."""
        components: dict[str, Any] = {**(world or self.world).components}
        first = components["etcd-1"]
        members = [first, *(components[name] for name in first.raft.members if name != "etcd-1")]
        return max(members, key=lambda member: (not member.stopped, member.store.revision))

    def moment(self) -> Moment:
        """The objects as they are in the store now, read without a request."""
        return Moment(self._member().store)

    def at(self, *, revision: int | None = None, event: int | Event | None = None) -> Moment:
        """The cluster's objects as they were at a revision, or just after an event; read-only."""
        if (revision is None) == (event is None):
            raise ValueError("say either at(revision=…) or at(event=…)")
        written = self._written()
        if event is not None:
            number = event.id if isinstance(event, Event) else event
            if not 0 <= number <= len(self.world.trace):
                raise ValueError(
                    f"there is no event {number}; the last one is {len(self.world.trace)}"
                )
            count = bisect.bisect_right(written, number, key=lambda row: row[1])
            revision = written[count - 1][0] if count else 1
        assert revision is not None
        store = self._member().store
        if not 1 <= revision <= store.revision:
            raise ValueError(f"there is no revision {revision}; the last one is {store.revision}")
        if revision < store.compacted:
            # The store has given up this part of its history; ours has not.
            first = bisect.bisect_left(written, revision, key=lambda row: row[0])
            past = self.history.replay(written[first][1])
            store = self._member(past.world).store
        return Moment(store, revision)

    # Inside the cluster.

    def whereabouts(self, pod: str) -> tuple[str, str, str]:
        """Namespace, name and node of a pod (`default/web`). Raises ApiError, ValueError."""
        namespace, _, name = pod.rpartition("/")
        found = self.moment().get("Pod", name, namespace or "default")
        node = get(found, "spec", "nodeName", default="")
        if not node:
            raise ValueError(f"pod {pod} is not on a node yet; run on until it is")
        return namespace_of(found), name_of(found), node

    @property
    def scheduler(self) -> SchedulerLook:
        """The scheduler's decisions."""
        return SchedulerLook(self)

    @property
    def dns(self) -> inside.Names:
        """Name resolution as a process in a pod does it."""
        return inside.Names(self)

    def curl(self, pod: str, url: str) -> Any:
        """Requests a URL from inside a pod; an Exchange, also where nothing answered."""
        return inside.curl(self, pod, url)

    def connect(self, pod: str, address: str, port: int, protocol: str = "TCP") -> Any:
        """Opens a connection (or sends a datagram) from inside a pod; an Exchange."""
        return inside.connect(self, pod, address, port, protocol)

    def image(self, name: str, program: type) -> None:
        """Makes a class of the learner's the program of an image (`mine`, any tag) on every node.

        The class has `start(self, process)`, and as it likes `request`, `signal` and `timer`; see
        `kubelab/runtime/process.py`.
        """
        head, slash, last = name.rpartition("/")
        bare = head + slash + last.partition(":")[0]
        for component in list(self.world.components):
            if component.startswith("runtime/"):
                self.act(component, "add_program", bare, program)

    def write_file(self, node: str, path: str, text: str | None) -> None:
        """Writes a file on a node's own disk; None removes it.

        A Pod manifest in `/etc/kubernetes/manifests` becomes a static pod.
        """
        if f"runtime/{node}" not in self.world.components:
            raise ValueError(f"there is no node {node!r}")
        self.act(f"runtime/{node}", "write_file", path, text)

    def kubectl(self, args: str | list[str]) -> str:
        """What kubectl prints for these arguments. Raises KubectlError with its stderr."""
        from kubelab.kubectl import commands

        return commands.run(self, args)

    def serve(self, port: int = 0, **options: Any) -> Any:
        """Serves the API on loopback, in a thread; has `.url`, `.kubeconfig` and `.stop()`."""
        from kubelab.serve import serve

        return serve(self, port, **options)

    def show(self) -> Any:
        """The dashboard."""
        from kubelab import views

        return views.dashboard(self)

    def chart(self, what: str = "pods") -> Any:
        """A chart over virtual time, a matplotlib figure: `pods`, `usage` or `queue`."""
        from kubelab import views

        return views.chart(self, what)


# So long until the scheduler has heard of a change.
HEARD_SECONDS = 0.2


class SchedulerLook:
    """`c.scheduler`: what the scheduler decided, and one step of its work."""

    def __init__(self, cluster: Any, name: str = "scheduler") -> None:
        self._cluster = cluster
        self._name = name

    def _scheduler(self) -> Scheduler:
        components = self._cluster.world.components
        scheduler = components[self._name]
        # Of several replicas the leader is meant.
        others = (part for name, part in components.items() if role_of(name) == self._name)
        scheduler = next((part for part in others if part.leading and not part.stopped), scheduler)
        assert isinstance(scheduler, Scheduler)
        return scheduler

    def explain(self, pod: str) -> Decision:
        """The last decision on a pod (`default/web`). Raises LookupError if there was none."""
        key = pod if "/" in pod else f"default/{pod}"
        decision = self._scheduler().explain(key)
        if decision is None:
            raise LookupError(f"the scheduler has not decided on pod {key}")
        return decision

    def decisions(self, pod: str) -> list[Decision]:
        """The last decisions on a pod, oldest first."""
        key = pod if "/" in pod else f"default/{pod}"
        return list(self._scheduler().decisions.get(key, ()))

    def add_plugin(self, plugin: type, weight: int = 1) -> None:
        """Makes a class of the learner's (`filter` or `score`) a plugin of the default profile."""
        self._cluster.act(self._name, "add_plugin", plugin, weight)

    def add(self, name: str, config: Any = None) -> SchedulerLook:
        """Starts a second scheduler process for the pods whose `schedulerName` is this name.

        Its one profile has the name, unless the configuration names its profiles itself.
        """
        if name in self._cluster.world.components:
            raise ValueError(f"there is a component {name!r} already")
        named = {"profiles": [{"schedulerName": name}], **(config or {})}
        load(freeze(named))
        self._cluster.act(self._name, "add_scheduler", name, freeze(named))
        return SchedulerLook(self._cluster, name)

    def what_if(
        self,
        pod: str,
        change: Callable[[Any], object] | None = None,
        *,
        weights: dict[str, int] | None = None,
        config: Any = None,
    ) -> WhatIf:
        """The decision on a pod as things are, and on a fork with something changed.

        `change` is called with the fork; `weights` are other weights of Score plugins; `config` is
        another KubeSchedulerConfiguration. This cluster stays as it is.
        """
        key = pod if "/" in pod else f"default/{pod}"
        twins = [self._cluster.fork(), self._cluster.fork()]
        if change is not None:
            change(twins[1])
            for twin in twins:
                twin.run(HEARD_SECONDS)
        before, after = (SchedulerLook(twin, self._name)._scheduler() for twin in twins)
        reconfigure(after, freeze(config) if config else None, weights)
        return WhatIf(preview(before, key), preview(after, key))

    def waiting(self) -> dict[str, list[str]]:
        """The pods that wait at Permit, each with the plugins that have not allowed it yet."""
        under_way = self._scheduler().binder.under_way
        return {key: list(one.permits) for key, one in under_way.items() if one.permits}

    def allow(self, pod: str, plugin: str) -> None:
        """Lets a pod go on that waits for a Permit plugin. Raises LookupError if it does not."""
        self._cluster.act(self._name, "allow", self._waiting_key(pod, plugin), plugin)

    def reject(self, pod: str, plugin: str, message: str) -> None:
        """Refuses a pod that waits for a Permit plugin. Raises LookupError if it does not."""
        self._cluster.act(self._name, "reject", self._waiting_key(pod, plugin), plugin, message)

    def _waiting_key(self, pod: str, plugin: str) -> str:
        key = pod if "/" in pod else f"default/{pod}"
        if plugin not in self.waiting().get(key, ()):
            raise LookupError(f"pod {key} does not wait for a permit of {plugin!r}")
        return key

    def schedule_one(self, timeout: float = 60) -> Decision | None:
        """Runs until the scheduler has taken one more pod off the queue, to its end.

        None if it takes none: no pod waits for its turn, and nothing is under way that could bring
        one.
        """
        scheduler = self._scheduler()
        before = scheduler.attempts
        cluster = self._cluster
        with cluster.lock:
            end = cluster.history.world.now + round(timeout * SECOND)
            while self._scheduler().attempts == before:
                world = cluster.history.world
                due = world.next_time() if self._scheduler().expecting else world.idle_until()
                if due is None or due > end:
                    return None
                cluster.history.step()
        decision = self._scheduler().last
        cluster.run_until(lambda c: self._scheduler().idle(), timeout)
        if decision is None:
            return None
        # A choice may have been taken back since, because the pod was refused at the last moment.
        known = self._scheduler().decisions.get(decision.pod, ())
        return next((one for one in reversed(known) if one.ns == decision.ns), decision)
