"""The cluster: builds all components, wires them, and takes the user's calls. Start here.

    c = Cluster(nodes=3)          one etcd, one API server, controllers, scheduler, three nodes
    c.apply("web.yaml")           enters the API server as kubectl's request would
    c.settle()                    virtual time runs until only periodic timers are left
    c.why("pod/web")              the chain of events that led to it

`build` is the whole architecture: each component knows the others only by name and talks to them
by message; all of them meet in the API server, and only that one talks to etcd. Every call of the
user enters the world as an event of the actor `you` (see `user.py`), and the world moves only then.

In Kubernetes: what kubeadm sets up, with the control plane on a machine of its own.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from kubelab import machines
from kubelab.addons import Installer, dns, metrics, proxy, storage
from kubelab.api import condition as conditions
from kubelab.api.errors import ApiError
from kubelab.api.objects import Obj, freeze
from kubelab.api.rest import Request, Response, kind_of, url
from kubelab.apiserver.moment import label_text
from kubelab.apiserver.server import APIServer
from kubelab.controllers.manager import controller_manager
from kubelab.etcd.cluster import Etcd
from kubelab.etcd.member import Member
from kubelab.faults import Faults, Saboteur
from kubelab.kubectl import applying
from kubelab.look import Look
from kubelab.metrics.server import MetricsServer
from kubelab.runtime.flavours import FLAVOURS
from kubelab.scheduler.scheduler import Scheduler
from kubelab.sim.history import History
from kubelab.sim.kernel import EPOCH_NS, SECOND, Event, World, from_datetime, to_datetime
from kubelab.user import Stream, You, make_request, streams

# A call whose answer does not come within so much virtual time is given up.
PATIENCE_NS = 120 * SECOND


def build(world: World, nodes: list[Obj], options: Options) -> None:
    """Puts every component of a cluster into a world, in the order in which they start."""
    members = tuple(f"etcd-{number}" for number in range(1, options.etcd + 1))
    servers = tuple(f"apiserver-{number}" for number in range(1, options.apiservers + 1))
    for name in members:
        world.add(external(name, options.store) if options.store else Member(name, members=members))
    for name in servers:
        address, cidrs = machines.CONTROL_PLANE, machines.service_cidrs(options.ip_families)
        world.add(APIServer(name, etcd=members, address=address, service_cidrs=cidrs))
    machines.add_network(world)
    for name in numbered("controller-manager", options.controller_managers):
        alone = options.controller_managers == 1
        world.add(controller_manager(servers, name=name, elects=True, alone=alone))
    for name in numbered("scheduler", options.schedulers):
        alone = options.schedulers == 1
        configuration = options.scheduler_config
        world.add(Scheduler(name, servers, configuration, elects=True, alone=alone))
    for number, node in enumerate(nodes, 1):
        machines.add_node(world, node, number, servers, options.runtime, options.ip_families)
    addons = [*(dns() if options.dns else ()), *(storage() if options.storage else ())]
    if options.storage:
        addons += proxy(machines.pod_cidrs(options.ip_families))
        world.add(MetricsServer(servers))
        addons += metrics()
    world.add(Installer("kubeadm", addons, servers=servers))
    world.add(You(servers=servers))
    world.add(Saboteur("faults"))


def numbered(name: str, count: int) -> list[str]:
    """The names of processes of one kind; the first has no number: `scheduler`, `scheduler-2`."""
    return [name, *(f"{name}-{number}" for number in range(2, count + 1))]


def external(name: str, store: str) -> Member:
    """What stands for a real etcd; imported here, as it needs sockets."""
    from kubelab.etcd.external import External

    return External(name, store)


class Options:
    """How a cluster is built; checked, so that what is not there yet is refused in words."""

    def __init__(
        self,
        etcd: int,
        apiservers: int,
        dns: bool,
        runtime: str,
        scheduler_config: Any,
        store: str | None,
        controller_managers: int,
        schedulers: int,
        ip_families: Any,
    ) -> None:
        if etcd not in (1, 3, 5) or isinstance(etcd, bool):
            raise ValueError(f"etcd={etcd!r}: give 1, 3 or 5 members")
        if not isinstance(apiservers, int) or apiservers < 1:
            raise ValueError(f"apiservers={apiservers!r}: give a number, 1 or more")
        if runtime not in FLAVOURS:
            known = ", ".join(FLAVOURS)
            raise ValueError(f"runtime={runtime!r}: there are {known}")
        if store is not None and etcd != 1:
            raise ValueError(f"store={store!r} has members of its own; leave etcd=1")
        for word, count in (
            ("controller_managers", controller_managers), ("schedulers", schedulers),
        ):  # fmt: skip
            if not isinstance(count, int) or count < 1:
                raise ValueError(f"{word}={count!r}: give a number, 1 or more")
        if tuple(ip_families) not in (("IPv4",), ("IPv4", "IPv6")):
            raise ValueError(f"ip_families={ip_families!r}: give ['IPv4'] or ['IPv4', 'IPv6']")
        self.ip_families = tuple(ip_families)
        self.controller_managers, self.schedulers = controller_managers, schedulers
        self.store = store
        self.etcd, self.apiservers, self.dns = etcd, apiservers, dns
        self.storage = dns
        self.runtime = runtime
        self.scheduler_config = freeze(scheduler_config) if scheduler_config else None


class Cluster(Look):
    """A whole cluster in memory.

    `nodes` is a count or a list of Node manifests; the other arguments say how many etcd members,
    API servers, controller managers and schedulers there are (of the last two one leads), whether
    CoreDNS is installed, which seed decides names, UIDs and ties, and which families of addresses
    there are. Virtual time begins at `epoch`, else at its own date. Nothing moves until told to.
    """

    def __init__(
        self,
        nodes: int | list[Any] = 3,
        *,
        etcd: int = 1,
        apiservers: int = 1,
        seed: int | str = 0,
        dns: bool = True,
        runtime: str = "containerd",
        scheduler_config: Any = None,
        store: str | None = None,
        epoch: datetime | None = None,
        controller_managers: int = 1,
        schedulers: int = 1,
        ip_families: Any = ("IPv4",),
    ) -> None:
        options = Options(
            etcd, apiservers, dns, runtime, scheduler_config, store, controller_managers,
            schedulers, ip_families,
        )  # fmt: skip
        # A cluster of the caller's own nodes and without DNS holds what the caller puts in.
        options.storage = dns or isinstance(nodes, int)
        world = World(seed, EPOCH_NS if epoch is None else from_datetime(epoch))
        build(world, machines.node_manifests(nodes), options)
        self._adopt(History(world))

    def _adopt(self, history: History) -> None:
        self.history = history
        self.lock = threading.RLock()
        self.etcd = Etcd(history)
        self.faults = Faults(self)
        self._acts: int | None = None
        self._condition = False
        self._tokens = 0

    # Time.

    @property
    def now(self) -> datetime:
        """Virtual time, UTC."""
        return to_datetime(self.world.now)

    def step(self, n: int = 1) -> list[Event]:
        """Handles the next `n` events and returns them."""
        with self.lock:
            events = (self.history.step() for _ in range(n))
            return [event for event in events if event is not None]

    def run(self, seconds: float, *, quick: bool | None = None) -> None:
        """Runs for so many virtual seconds.

        With `quick`, which is meant when the time is an hour or longer, stretches in which nothing
        but heartbeats, probes and periodic looks is due are passed over, except the last minute.
        """
        if seconds < 0:
            raise ValueError(f"time does not run backwards ({seconds} s); rewind(event) goes back")
        with self.lock:
            self.history.run(seconds, quick=quick)

    def run_until(self, condition: str | Callable[[Any], Any], timeout: float = 300) -> bool:
        """Runs until a condition holds; False if it does not within `timeout` virtual seconds.

        The condition is a callable of the cluster, or kubectl's `--for` grammar after a resource
        name: `pod/web condition=Ready`.
        """
        with self.lock:
            if callable(condition):
                return self.history.run_until(lambda: self._holds(condition), timeout)
            wanted = conditions.parse(condition)
            seen = [-1, False]

            def holds() -> bool:
                moment = self.moment()
                if moment.revision != seen[0]:
                    obj = moment.find(wanted.kind, wanted.name, wanted.namespace)
                    seen[:] = [moment.revision, wanted.holds(obj)]
                return bool(seen[1])

            return self.history.run_until(holds, timeout)

    def _holds(self, condition: Callable[[Any], Any]) -> bool:
        """A condition only looks: while it runs, get and list read the store and move nothing."""
        self._condition = True
        try:
            return bool(condition(self))
        except ApiError as error:
            if error.code != 404:
                raise
            return False
        finally:
            self._condition = False

    def settle(self, timeout: float = 300) -> bool:
        """Runs until nothing but periodic timers is due soon; False at the time-out."""
        with self.lock:
            return self.history.settle(timeout)

    # Calls.

    def act(self, target: str, verb: str, *args: Any) -> int:
        """Puts an event of the actor `you` into the world and handles it; returns its id."""
        with self.lock:
            seq = self.history.inject(target, verb, *args, cause=self._acts)
            while self.world.handled != seq:
                self.history.step()
            return len(self.world.trace)

    def await_answer(self, token: int) -> Any:
        """Steps the world until a call's answer is there."""
        deadline = self.world.now + PATIENCE_NS
        you = self.world.components["you"]
        assert isinstance(you, You)
        while token not in you.answers:
            due = self.world.next_time()
            if due is None or due > deadline:
                raise TimeoutError(
                    "no answer within two minutes of virtual time: is the API server stopped "
                    "(c.faults.start('apiserver-1'))?"
                )
            self.history.step()
        return you.answers.pop(token)

    def new_token(self) -> int:
        """A number for the answer of one call."""
        self._tokens += 1
        return self._tokens

    def request(self, method: str, path: str, body: Any = None, headers: Any = None) -> Response:
        """A request to the API server, with its answer; the handler is the one `serve` uses.

        With `watch=true` in the path, the answer's body is a `Watch`; of a followed log and of an
        upgraded connection (header `Connection: Upgrade`) it is a `Stream`.
        """
        return self.ask(make_request(method, path, body, headers))

    def ask(self, request: Request) -> Response:
        """A request as a value; see `request`."""
        with self.lock:
            token = self.new_token()
            watch = request.query.get("watch") in ("true", "1", "")
            stream = not watch and streams(request)
            self.act("you", "ask", token, request, watch or stream)
            response: Response = self.await_answer(token)
            if (watch or stream) and response.ok and response.body is None:
                body = Stream(self, token) if stream else Watch(self, token)
                return response._replace(body=body)
            return response

    def _call(self, method: str, path: str, body: Any = None, headers: Any = None) -> Any:
        response = self.request(method, path, body, headers)
        for line in response.headers.get("Warning", "").splitlines():
            sys.stderr.write(f"Warning: {json.loads(line.partition('- ')[2])}\n")
        if not response.ok:
            raise ApiError(response.body)
        return response.body

    def apply(self, manifest: Any) -> list[Obj]:
        """Applies manifests as `kubectl apply` does; returns the objects.

        `manifest` is a path, YAML text, a dict or a list of dicts. Raises ApiError at the first
        object that is refused, after the others have been tried.
        """
        with self.lock:
            objects = applying.load(manifest)
            for obj in objects:
                applying.check_kind(self._call, obj, objects)
            applied, failed = [], None
            for obj in objects:
                before, self._acts = self._acts, None
                self._acts = self.act("you", "act", *applying.told(obj))
                try:
                    applied.append(applying.apply(self._call, obj))
                except ApiError as error:
                    failed = failed or error
                finally:
                    self._acts = before
            if failed is not None:
                raise failed
            return applied

    def get(self, kind: str, name: str, namespace: str = "default") -> Obj:
        """One object. Raises ApiError."""
        if self._condition:
            return self.moment().get(kind, name, namespace)
        row = kind_of(kind)
        body: Obj = self._call("GET", url(row, namespace, name))
        return body

    def list(self, kind: str, namespace: str | None = None, selector: Any = None) -> list[Obj]:
        """The objects of a kind, in all namespaces or in one; `selector` selects by labels."""
        if self._condition:
            return self.moment().list(kind, namespace, selector)
        row = kind_of(kind)
        path = url(row, namespace or "")
        chosen = label_text(selector)
        body = self._call("GET", f"{path}?labelSelector={chosen}" if chosen else path)
        head = {"apiVersion": row.api_version, "kind": row.kind}
        return [Obj({**head, **item}) for item in body["items"]]

    def delete(self, kind: str, name: str, namespace: str = "default") -> Obj:
        """Deletes an object and, in the background, what it owns. Raises ApiError."""
        row = kind_of(kind)
        options = {"propagationPolicy": "Background"}
        body: Obj = self._call("DELETE", url(row, namespace, name), options)
        return body

    # The past, and other futures.

    def rewind(self, event: int | Event) -> None:
        """Goes back to just after an event; what came later never happened."""
        self._refuse_external("rewound")
        with self.lock:
            self.history.rewind(event.id if isinstance(event, Event) else event)

    def fork(self) -> Cluster:
        """An independent copy from here on."""
        self._refuse_external("forked")
        with self.lock:
            twin = type(self).__new__(type(self))
            twin._adopt(self.history.fork())
            twin._tokens = self._tokens
            return twin

    def _refuse_external(self, done: str) -> None:
        if hasattr(self.world.components["etcd-1"], "address"):
            raise ValueError(f"a cluster whose store is a real etcd cannot be {done}")

    def __repr__(self) -> str:
        seconds = (self.world.now - self.world.epoch) / SECOND
        return (
            f"<kubelab cluster: {len(self.world.trace)} events, t+{seconds:.3f} s, "
            f"revision {self.moment().revision}>"
        )


class Watch:
    """An open watch: `.events` are its events so far, each `{"type": …, "object": …}`."""

    def __init__(self, cluster: Cluster, token: int) -> None:
        self._cluster = cluster
        self._token = token
        self.closed = False

    @property
    def events(self) -> list[Obj]:
        """All events so far."""
        you = self._cluster.world.components["you"]
        assert isinstance(you, You)
        return [
            Obj(type=type_, object=obj)
            for type_, obj in you.streams.get(self._token, ())
            if type_ != "CLOSED"
        ]

    def cancel(self) -> None:
        """Ends the watch."""
        if not self.closed:
            self.closed = True
            self._cluster.act("you", "close", self._token)
