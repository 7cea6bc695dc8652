"""The kubelet of one node.

It watches the pods that are bound to its node and has one worker for each (`podworker.py`), which
brings the pod up, keeps it as it should be and takes it down. It calls the container runtime
through the CRI, and looks at what the runtime has once a second (the PLEG), but only when something
changed.

What must hold: nobody calls the kubelet; it finds its pods in the API server. Stopped, it leaves
its containers running; started again, it knows from the runtime what runs, and has forgotten
back-offs and probe results.

In Kubernetes: pkg/kubelet/kubelet.go (syncLoop) and pkg/kubelet/pleg. Left out: cAdvisor, device
and topology managers, the kubelet's own HTTP API.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from kubelab.api.objects import Obj, get, key_of, merged, name_of, uid_of
from kubelab.api.rest import Response
from kubelab.client.events import Recorder
from kubelab.kubelet import hooks, words
from kubelab.kubelet.backoff import Backoff
from kubelab.kubelet.eviction import Eviction
from kubelab.kubelet.forwarding import Forwarding
from kubelab.kubelet.imagegc import ImageGC
from kubelab.kubelet.imagepuller import ImagePuller
from kubelab.kubelet.mounting import RESYNC_SECONDS
from kubelab.kubelet.nodereporter import NodeReporter
from kubelab.kubelet.objectcache import ObjectCache
from kubelab.kubelet.podworker import PodWorker
from kubelab.kubelet.probes import Prober
from kubelab.kubelet.serving import Stream
from kubelab.kubelet.shutdown import Shutdown
from kubelab.kubelet.staticpods import StaticPods, is_mirror
from kubelab.network.kernel import Kernel
from kubelab.runtime.cri import Answer
from kubelab.runtime.service import Runtime
from kubelab.sim.kernel import SECOND, Event, Routine


class Call(NamedTuple):
    """A call of the CRI under way; without a uid it is the image puller's."""

    uid: str
    epoch: int
    verb: str
    reply: str
    context: tuple[Any, ...] = ()


class Kubelet(Forwarding):
    """The kubelet `kubelet/<node>`; `node` is the manifest of its machine, `address` the node's."""

    def __init__(
        self,
        name: str,
        node: Obj,
        *,
        address: str,
        second_address: str = "",
        servers: Sequence[str] = ("apiserver-1",),
    ) -> None:
        self.node_name = name.partition("/")[2]
        user = f"system:node:{self.node_name}"
        super().__init__(name, servers=servers, agent="kubelet", user=user)
        self.manifest = merged(
            node,
            apiVersion="v1",
            kind="Node",
            metadata={**get(node, "metadata", default={}), "name": self.node_name},
        )
        self.address = address
        # The machine's addresses, one of each family that the cluster has.
        self.addresses = (address, second_address) if second_address else (address,)
        # Never set back: an answer to a call of an earlier life must not be taken for ours.
        self.last_cri = 0
        self.last_stream = 0

    def start(self) -> None:
        super().start()
        self.workers: dict[str, PodWorker] = {}
        self.cri_calls: dict[int, Call] = {}
        self.recorder = Recorder(self, "kubelet", host=self.node_name)
        self.node = NodeReporter(self)
        self.images = ImagePuller(self)
        self.prober = Prober(self)
        self.objects = ObjectCache(self)
        self.restarts = Backoff()
        self.eviction = Eviction(self)
        self.image_gc = ImageGC(self)
        self.shutdown = Shutdown(self)
        self.static = StaticPods(self)
        self.streams: dict[int, Stream] = {}
        self.talks: dict[str, int] = {}
        self.ready_for_pods = False
        self.relist_phase_ns = self.now % SECOND
        self.changed_pods: dict[str, None] = {}
        self.relisting = False
        self.node.register()
        self.inform("v1/Node", selector=f"metadata.name={self.node_name}").subscribe("node.on_node")
        self.services = self.inform("v1/Service")
        self.pods = self.inform("v1/Pod", selector=f"spec.nodeName={self.node_name}")
        self.pods.subscribe("on_pod")
        self.static.scan()

    # The machine.

    @property
    def runtime(self) -> Runtime:
        """The container runtime of our machine: looking at it needs no message."""
        runtime = self.world.components[f"runtime/{self.node_name}"]
        assert isinstance(runtime, Runtime)
        return runtime

    @property
    def kernel(self) -> Kernel:
        """The Linux kernel of our machine."""
        kernel = self.world.components[f"kernel/{self.node_name}"]
        assert isinstance(kernel, Kernel)
        return kernel

    def cri(
        self, worker: PodWorker, reply: str, verb: str, *args: Any, context: tuple[Any, ...] = ()
    ) -> None:
        """Calls the runtime; the worker's `reply(answer, *context)` gets the answer."""
        self.call_runtime(worker.uid, worker.epoch, reply, verb, args, context)

    def call_runtime(
        self,
        uid: str,
        epoch: int,
        reply: str,
        verb: str,
        args: tuple[Any, ...],
        context: tuple[Any, ...],
    ) -> int:
        """Sends a call; returns its number."""
        self.last_cri += 1
        self.cri_calls[self.last_cri] = Call(uid, epoch, verb, reply, context)
        self.send(self.runtime.name, verb, self.name, self.last_cri, *args)
        return self.last_cri

    def cri_answered(self, call_id: int, answer: Answer) -> None:
        """The runtime answers."""
        call = self.cri_calls.pop(call_id, None)
        if call is None:
            return
        if call.verb == "start_container":
            self.eviction.changed = True
        uid, epoch, verb, reply, context = call
        self.note(call=verb)
        if not answer.ok:
            self.note(error=answer.error)
        if uid == "":
            self.method(reply)(answer, *context)
            return
        worker = self.workers.get(uid)
        if worker is not None:
            self.note(pod=worker.key, then=reply)
            worker.answered(epoch, reply, answer, *context)

    def undelivered(self, target: str, verb: str, args: tuple[Any, ...], reason: str) -> None:
        if target.startswith("runtime/"):
            text = "container runtime is down"
            self.cri_answered(args[1], Answer(False, None, text))
        else:
            super().undelivered(target, verb, args, reason)

    # Pods.

    def informed(self, informer: str) -> None:
        """Pods are looked at once node, services and pods are known."""
        if self.ready_for_pods or not all(inf.synced for inf in self.informers.values()):
            return
        self.ready_for_pods = True
        for pod in sorted(self.pods, key=_age):
            self.on_pod(None, pod)
        for static in list(self.static.pods.values()):
            self.static.reflect(key_of(static))
        for sandbox in list(self.runtime.sandboxes.values()):
            if sandbox.config.uid not in self.workers:
                self.workers[sandbox.config.uid] = PodWorker.orphan(self, sandbox)
                self.workers[sandbox.config.uid].begin_end("the pod is gone", 1)

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod of ours has changed."""
        if not self.ready_for_pods:
            return
        pod = new if new is not None else old
        if pod is not None and is_mirror(pod):
            self.static.on_mirror(old, new)
            return
        self.eviction.changed = True
        if old is not None and (new is None or uid_of(old) != uid_of(new)):
            worker = self.workers.get(uid_of(old))
            if worker is not None:
                worker.removed(old)
        if new is not None:
            worker = self.workers.get(uid_of(new))
            if worker is None:
                worker = self.workers[uid_of(new)] = PodWorker(self, new)
                self.note(pod=key_of(new), arrives=True)
                worker.arrive()
            else:
                worker.update(new)

    def forget(self, worker: PodWorker) -> None:
        """A worker is done: nothing is left of its pod."""
        self.workers.pop(worker.uid, None)
        self.prober.remove(worker.uid)
        self.restarts.forget(f"{worker.uid}/")
        self.images.forget(worker.uid)
        self.static.ended(worker)

    def network_ready(self) -> None:
        """The node has its pod network: who waited for it goes on."""
        for worker in list(self.workers.values()):
            worker.wake("network")

    # The PLEG: what the runtime has, compared once a second, if something changed.

    def changed(self, pod_uid: str) -> None:
        """The runtime says that a container of a pod has ended."""
        self.changed_pods[pod_uid] = None
        self.eviction.changed = True
        worker = self.workers.get(pod_uid)
        self.note(pod=worker.key if worker else pod_uid)
        if not self.relisting:
            self.relisting = True
            since = (self.now - self.relist_phase_ns) % SECOND
            self.after((SECOND - since) / SECOND, "relist")

    def relist(self) -> None:
        """The next whole second of the PLEG: changed pods are synced."""
        self.relisting = False
        uids, self.changed_pods = list(self.changed_pods), {}
        self.note(pods=[self.workers[uid].key for uid in uids if uid in self.workers])
        for uid in uids:
            if uid in self.workers:
                self.workers[uid].sync()

    # Timers and answers, handed on to whom they concern.

    def wake(self, uid: str, why: str) -> None:
        """A pod worker's time to go on has come."""
        worker = self.workers.get(uid)
        if worker is not None:
            self.note(pod=worker.key, why=why)
            worker.wake(why)

    def worker_answer(self, response: Response, uid: str, reply: str, *context: Any) -> None:
        """The API server has answered a pod worker's request."""
        worker = self.workers.get(uid)
        if worker is not None:
            self.note(pod=worker.key, then=reply)
            worker.method(reply)(response, *context)

    def worker_retry(self, uid: str, reply: str) -> None:
        """A request of a pod worker is due once more."""
        worker = self.workers.get(uid)
        if worker is not None:
            self.note(pod=worker.key, then=reply)
            worker.method(reply)()

    def hook_over(self, uid: str, epoch: int, reply: str, context: tuple[Any, ...]) -> None:
        """A sleep hook is over, or a hook that takes too long is given up."""
        worker = self.workers.get(uid)
        if worker is not None:
            self.note(pod=worker.key)
            worker.answered(epoch, reply, Answer(True), *context)

    def probe(self, uid: str, container: str, kind: str) -> None:
        """The tick of a probe."""
        self.prober.tick((uid, container, kind))

    def probe_timeout(self, uid: str, container: str, kind: str, number: int) -> None:
        """A probe has had no answer in time."""
        self.prober.timeout((uid, container, kind), number)

    def answered(self, token: Any, outcome: Any) -> None:
        """The kernel has the outcome of a request that a probe or hook sent."""
        if token[0] == "forward":
            self.forwarded(token, outcome)
        elif token[0] == "hook":
            _, uid, epoch, reply, context = token
            worker = self.workers.get(uid)
            if worker is not None:
                worker.answered(epoch, reply, hooks.outcome(outcome), *context)
        else:
            self.prober.answered(token, outcome)

    def refetch(self, uid: str) -> None:
        """The resync of a pod whose mounted configuration may have changed."""
        worker = self.workers.get(uid)
        if worker is not None:
            self.note(pod=worker.key)
            worker.mounting.refresh()

    def pull_next(self) -> None:
        """The next image in line."""
        self.images.pull_next()

    def image_removed(self, answer: Answer) -> None:
        """An image that nobody used is gone."""

    # The node.

    def register(self) -> None:
        """Tries once more to register the node."""
        self.node.post()

    def renew_lease(self) -> None:
        """The heartbeat."""
        self.node.renew()

    def report_node(self) -> None:
        """A look at the node's status."""
        self.after(10.0, "report_node", background=True)
        self.eviction.look()
        self.image_gc.look()
        self.static.scan()
        self.node.report()

    def routine(self, verb: str, args: tuple[Any, ...]) -> Routine | None:
        if verb == "probe":
            return self.prober.routine(args)
        if verb == "refetch":
            return Routine(round(RESYNC_SECONDS * SECOND))
        return self.node.routine(verb)

    def passed(self, verb: str, args: tuple[Any, ...], turns: int, due: int) -> None:
        if verb == "probe":
            self.prober.probes[args].run += turns

    def file_changed(self, path: str) -> None:
        """A file on the node's disk was written or removed."""
        self.note(file=path)
        self.static.scan()

    def reflect(self, key: str) -> None:
        """Another try to show a static pod to the API server."""
        self.static.reflect(key)

    def shut_down(self, grace_seconds: int, critical_seconds: int) -> None:
        """The operating system is about to switch the machine off."""
        self.shutdown.begin(grace_seconds, critical_seconds)

    def end_critical(self, longest_seconds: int) -> None:
        """The ordinary pods have had their time: now the critical ones end."""
        self.shutdown.end(critical=True, longest_seconds=longest_seconds)

    @staticmethod
    def tell(event: Event) -> str:
        return words.tell(event)


def _age(pod: Obj) -> tuple[str, str]:
    return get(pod, "metadata", "creationTimestamp", default=""), name_of(pod)
