"""The loop that all controllers share: observe, queue, compare, act.

A controller subscribes to informers; a change of an object puts the key of the object concerned
into the controller's queue; `sync(key)` compares what is wished with what the caches show and
sends the requests that bring the world nearer. It is level-triggered: the key says only where to
look, never what happened, so that a missed or doubled event does no harm.

A key stays open until all requests sent for it are answered and the caches show what they wrote
(`echoes.py` tells why). A change that arrives meanwhile works the key once more afterwards, a
failed request works it again after a back-off.

In Kubernetes: the controllers of k8s.io/kubernetes/pkg/controller and k8s.io/sample-controller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubelab.api import kinds
from kubelab.api.kinds import Kind
from kubelab.api.objects import Obj, key_of, name_of
from kubelab.api.rest import Response
from kubelab.client.client import Client
from kubelab.client.echoes import Echoes
from kubelab.client.events import Recorder
from kubelab.client.informer import Informer
from kubelab.client.workqueue import WorkQueue
from kubelab.sim.kernel import Routine


def custom_key(row: Kind) -> str:
    """The name of a custom resource's informer; dots have a meaning in reply paths."""
    return f"{row.plural}_{row.group.replace('.', '_')}"


class Process(Client):
    """A process that runs several controllers over shared informers (`controller-manager`)."""

    def __init__(
        self,
        name: str,
        controllers: Sequence[type[Controller]],
        *,
        servers: Sequence[str] = ("apiserver-1",),
        agent: str = "",
    ) -> None:
        super().__init__(name, servers=servers, agent=agent)
        self.kinds = tuple(controllers)

    def start(self) -> None:
        super().start()
        self.echoes = Echoes()
        self.controllers: dict[str, Controller] = {}
        self.run_controllers()

    def run_controllers(self) -> None:
        """Starts the loops."""
        for kind in self.kinds:
            controller = kind(self)
            self.controllers[controller.name] = controller
            controller.begin()

    def informer(self, kind: str) -> Informer:
        """The shared informer of a kind (`v1/Pod`), begun when first asked for."""
        known = self.informers.get(kinds.named(kind).plural)
        return known if known is not None else self.inform(kind)

    def custom_informer(self, row: Kind) -> Informer:
        """The shared informer of a custom resource, begun when first asked for."""
        key = custom_key(row)
        known = self.informers.get(key)
        if known is None:
            known = self.informers[key] = Informer(self, key, row)
            known.begin()
        return known

    def drop_informer(self, key: str) -> None:
        """Ends the informer of a kind that is no more."""
        if self.informers.pop(key, None) is None:
            return
        for call_id, call in list(self.calls.items()):
            if f"informers.{key}." in f"{call.reply} {call.context}":
                del self.calls[call_id]
                self.send(self.servers[self.server], "cancel_request", self.name, call_id)

    def informed(self, informer: str) -> None:
        """An informer is filled: controllers that waited for all of theirs may begin to work."""
        for controller in self.controllers.values():
            controller.queue.open_up()

    def watched(self, call_id: int, type_: str, obj: Obj) -> None:
        """One event of a watch; keys that waited for it to show their own writes may close."""
        call = self.calls.get(call_id)
        super().watched(call_id, type_, obj)
        if call is not None and name_of(obj):
            informer = self.informers[call.context[0].split(".")[1]]
            self._heard(self.echoes.heard(informer, [key_of(obj)]))

    def relisted(self, informer: str) -> None:
        """An informer was filled by a list, which shows all that was written before."""
        self._heard(self.echoes.relisted(self.informers[informer]))

    def _heard(self, waiters: list[tuple[str, str]]) -> None:
        for controller, key in waiters:
            self.controllers[controller].queue.release(key)

    def sync(self, controller: str, key: str) -> None:
        """Works one key of one controller."""
        self.controllers[controller].work(key)

    def requeue(self, controller: str, key: str) -> None:
        """A key that was put off is due."""
        self.note(controller=controller, key=key)
        self.controllers[controller].queue.due(key)

    def routine(self, verb: str, args: tuple[Any, ...]) -> Routine | None:
        return self.controllers[args[0]].routine(args[1]) if verb == "requeue" else None

    def passed(self, verb: str, args: tuple[Any, ...], turns: int, due: int) -> None:
        self.controllers[args[0]].passed(args[1], due)


class Controller:
    """One control loop. Subclasses set `name`, subscribe in `begin` and write `sync`."""

    name = ""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.queue = WorkQueue(process, self.name)
        self.recorder = Recorder(process, self.event_source())
        self.needs: list[Informer] = []
        # The key being worked, while sync or one of its replies runs.
        self.key = ""

    def event_source(self) -> str:
        """The component that our Events name as their source."""
        return f"{self.name}-controller"

    # For subclasses.

    def begin(self) -> None:
        """Subscribes: `self.pods = self.watch("v1/Pod", "on_pod")`."""

    def sync(self, key: str) -> None:
        """Compares wish and world for one key, and acts."""
        raise NotImplementedError

    def routine(self, key: str) -> Routine | None:
        """What is regular about a key that comes again and again (`kubelab/sim/lapse.py`)."""
        return None

    def passed(self, key: str, due: int) -> None:
        """Turns of such a key were passed over; the next one is at `due`."""

    def watch(self, kind: str, handler: str = "") -> Informer:
        """The shared informer of a kind; `handler(old, new)` of ours is told of changes.

        No key is worked before all informers that we asked for have been filled once.
        """
        informer = self.process.informer(kind)
        self.needs.append(informer)
        if handler:
            informer.subscribe(f"controllers.{self.name}.{handler}")
        return informer

    def enqueue(self, key: str) -> None:
        """This key is to be looked at, now."""
        self.queue.add(key)

    def enqueue_after(self, key: str, seconds: float, *, background: bool | None = None) -> None:
        """This key is to be looked at after so long."""
        self.queue.add_after(key, seconds, background=background)

    def note(self, **detail: Any) -> None:
        """Adds to the detail of the event being handled."""
        self.process.note(**detail)

    # Requests that keep the key open.

    def create(self, obj: Obj, reply: str = "", *context: Any, **options: Any) -> None:
        """POST; `reply(response, *context)` of ours gets the answer."""
        plural = kinds.by_kind(obj["apiVersion"], obj["kind"]).plural
        self.process.create(obj, **self._open(reply, context, plural), **options)

    def update(
        self, obj: Obj, reply: str = "", *context: Any, subresource: str = "", **options: Any
    ) -> None:
        """PUT."""
        plural = kinds.by_kind(obj["apiVersion"], obj["kind"]).plural
        self.process.update(obj, subresource, **self._open(reply, context, plural), **options)

    def update_status(self, obj: Obj, reply: str = "", *context: Any) -> None:
        """PUT of the status subresource."""
        self.update(obj, reply, *context, subresource="status")

    def patch(
        self,
        kind: str,
        namespace: str,
        name: str,
        patch: Any,
        reply: str = "",
        *context: Any,
        subresource: str = "",
        **options: Any,
    ) -> None:
        """PATCH (a strategic merge patch, unless `style` says otherwise)."""
        opened = self._open(reply, context, kinds.named(kind).plural)
        self.process.patch(kind, namespace, name, patch, subresource, **opened, **options)

    def delete(
        self, kind: str, namespace: str, name: str, reply: str = "", *context: Any, **options: Any
    ) -> None:
        """DELETE; that the object is gone already is no failure."""
        key = f"{namespace}/{name}" if namespace else name
        opened = self._open(reply, context, kinds.named(kind).plural, key)
        self.process.delete(kind, namespace, name, **opened, **options)

    def request(
        self, method: str, path: str, reply: str = "", *context: Any, **options: Any
    ) -> None:
        """Any other request."""
        self.process.request(method, path, **self._open(reply, context), **options)

    def _open(
        self, reply: str, context: tuple[Any, ...], informer: str = "", doomed: str = ""
    ) -> dict[str, Any]:
        """Where the answer goes; `informer` and `doomed` say which cache is to echo the write."""
        if self.key:
            self.queue.hold(self.key)
        return {
            "reply": f"controllers.{self.name}.answered",
            "context": (self.key, reply, context, informer, doomed),
        }

    def answered(
        self,
        response: Response,
        key: str,
        reply: str,
        context: tuple[Any, ...],
        informer: str = "",
        doomed: str = "",
    ) -> None:
        """An answer: to the method that asked for it, then the key may close.

        A reply that returns True has dealt with a failure itself; else the key is tried again.
        """
        self.key = key
        handled = getattr(self, reply)(response, *context) if reply else None
        gone = response.status == 404
        if key:
            if informer and (response.ok or (gone and doomed)):
                self._await(response, key, informer, doomed)
            self.queue.release(key, failed=not (response.ok or handled or gone))
        self.key = ""

    def _await(self, response: Response, key: str, informer: str, doomed: str) -> None:
        """Keeps the key open until the cache shows the write that was just answered."""
        cache, echoes = self.process.informers.get(informer), self.process.echoes
        if cache is None or not cache.synced:
            return
        waiter = (self.name, key)
        if doomed:
            waits = echoes.await_end(cache, doomed, waiter)
        else:
            waits = echoes.await_write(cache, response.body, waiter)
        if waits:
            self.queue.hold(key)

    def work(self, key: str) -> None:
        """Called by the queue: one key's turn."""
        self.key = key
        self.queue.hold(key)
        self.note(controller=self.name, key=key)
        self.sync(key)
        self.queue.release(key)
        self.key = ""

    def ready(self) -> bool:
        """Whether all caches that we read have been filled."""
        return all(informer.synced for informer in self.needs)
