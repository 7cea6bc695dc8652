"""The API server: a request's way through. Read this first.

A request passes its stations in order: authentication, authorization, then (in `_process`)
the object as it is now, admission, defaults, validation, store. Nothing waits: where the way needs
etcd (or a cache that is not filled yet), the request is kept in `pending`, and goes on when etcd's
answer arrives. All state is in etcd; what is kept here (watch caches, pending requests) is lost in
a crash without loss to anybody.

A write is one etcd transaction that succeeds only if the object is still what the decision was
based on (its mod_revision). That is first taken from the watch cache; if etcd knows better, the
request is worked once more with etcd's answer.

In Kubernetes: k8s.io/apiserver/pkg/endpoints and pkg/registry/generic/registry/store.go. Left out
so far: priority and fairness.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kubelab.api import errors, kinds
from kubelab.api.kinds import CustomKind
from kubelab.api.objects import EMPTY, Obj
from kubelab.api.rest import Request, Response
from kubelab.apiserver import (
    admission,
    aggregation,
    authentication,
    bootstrap,
    forms,
    modelled,
    rbac,
    reading,
    registry,
    routes,
    services,
    stored,
    tokens,
)
from kubelab.apiserver.cacher import WatchCache
from kubelab.apiserver.caching import BOOKMARK_SECONDS, Caching
from kubelab.apiserver.pending import Pending, Write
from kubelab.apiserver.webhooks import Call, Hooks
from kubelab.etcd import records
from kubelab.sim.kernel import Event

PATIENCE_SECONDS = 0.1


class APIServer(Caching, Hooks):
    """One replica of the API server (`apiserver-1`)."""

    def __init__(
        self,
        name: str,
        *,
        etcd: Sequence[str] = ("etcd-1",),
        address: str = "",
        allow_privileged: bool = True,
        issuer: str = tokens.ISSUER,
        service_cidrs: Sequence[str] = services.CIDRS,
    ) -> None:
        super().__init__(name)
        # The networks of cluster IPs, one of each family, the default one first.
        self.service_cidrs = tuple(service_cidrs)
        self.allow_privileged = allow_privileged
        self.issuer = issuer
        self.members = tuple(etcd)
        self.address = address
        self.last_call = 0

    def start(self) -> None:
        self.pending: dict[int, Pending] = {}
        self.calls: dict[int, tuple[str, Any, str, Any]] = {}
        self.caches: dict[str, WatchCache] = {}
        self.watches: dict[int, str] = {}
        # What is served beside the built-in kinds, by group, version and plural.
        self.custom: dict[tuple[str, str, str], CustomKind] = {}
        self.backends: aggregation.Backends = {}
        self.member = 0
        self.last_token = 0
        # The roles first: a watch that begins behind what etcd has must wait for its next round.
        self.seed_roles()
        for kind in kinds.ALL:
            if kind.stored:
                self.open_cache(kind.prefix)
        for obj in bootstrap.objects(self.address):
            self.send(self.name, "request", self.name, 0, bootstrap.creation(obj))
        self.settle_in()
        self.after(BOOKMARK_SECONDS, "bookmark", background=True)

    def stop(self) -> None:
        """The connections of all clients, and ours to etcd, break."""
        for member in self.members:
            self.send(member, "disconnect", self.name)
        for pending in self.pending.values():
            self.send(pending.client, "closed", pending.call_id)
        for cache in self.caches.values():
            for watcher in cache.watchers.values():
                self.send(watcher.client, "closed", watcher.call_id)
        self.stop_streams()

    # A request comes in.

    def request(self, client: str, call_id: int, request: Request) -> None:
        """A client asks; the answer goes back as `response`, events of a watch as `watched`."""
        self.note(method=request.method, path=request.path)
        route = routes.parse(request, self.custom) or aggregation.route(self, request)
        try:
            request = authentication.identify(self, client, request)
            self.note(user=request.user)
            if client == "you":
                rbac.authorize(self, request, route)
        except errors.ApiError as error:
            self.note(code=error.code, reason=error.reason, message=error.status["message"])
            self.send(client, "response", call_id, Response(error.code, EMPTY, error.status))
            return
        if route is None:
            self.send(client, "response", call_id, reading.elsewhere(self, request))
            return
        self.last_token += 1
        pending = Pending(self.last_token, client, call_id, request, route)
        self.pending[self.last_token] = pending
        pending.warnings += modelled.deprecations(route.kind)
        self.note(verb=route.verb, kind=route.kind.kind, namespace=route.namespace, name=route.name)
        if route.subresource:
            self.note(subresource=route.subresource)
        if not aggregation.forward(self, pending):
            self._process(pending)

    def cancel_request(self, client: str, call_id: int) -> bool:
        """A client closes a watch or a stream; whether it was open."""
        caches = self.caches.values()
        return self.end_stream(client, call_id) or any(c.forget(client, call_id) for c in caches)

    def _process(self, pending: Pending) -> None:
        """Works a request as far as it goes."""
        prefix = registry.home(pending.route)
        if prefix and not self.open_cache(prefix, pending):
            return
        for prefix in registry.needed(pending.route):
            if not self.open_cache(prefix, pending):
                return
        try:
            outcome = reading.READERS.get(pending.route.verb, registry.write)(self, pending)
        except admission.Wait as wait:
            self._wait(pending, wait)
            return
        except Call as call:
            self.call_webhook(pending, call)
            return
        except errors.ApiError as error:
            if pending.current is not None and not pending.fresh:
                self._refresh(pending)
            else:
                self._answer(pending, Response(error.code, EMPTY, error.status))
            return
        except (TypeError, KeyError, ValueError, AttributeError, RecursionError) as error:
            # A bug of ours must not end the world: as the real one, the server goes on.
            self.note(panic=f"{type(error).__name__}: {error}")
            panic = errors.internal_error("This request caused apiserver to panic.")
            self._answer(pending, Response(panic.code, EMPTY, panic.status))
            return
        if isinstance(outcome, Response):
            self._answer(pending, outcome)
        elif isinstance(outcome, Write):
            self._commit(pending, outcome)

    def _wait(self, pending: Pending, wait: admission.Wait) -> None:
        """What is about to appear is given a moment."""
        pending.tries += 1
        error = wait.error
        if pending.tries > wait.tries:
            self._answer(pending, Response(error.code, EMPTY, error.status))
        else:
            self.note(waits=error.status["message"])
            self.after(PATIENCE_SECONDS, "retry", pending.token)

    def retry(self, token: int) -> None:
        """The moment is over."""
        pending = self.pending.get(token)
        if pending is not None:
            self._process(pending)

    def _answer(self, pending: Pending, response: Response) -> None:
        del self.pending[pending.token]
        if pending.warnings:
            warnings = "\n".join(f"299 - {json.dumps(text)}" for text in pending.warnings)
            response = response._replace(headers=Obj({**response.headers, "Warning": warnings}))
        self.note(code=response.status)
        if not response.ok and isinstance(response.body, dict):
            self.note(reason=response.reason, message=response.message)
            if pending.gates:
                self.note(gates=list(pending.gates), compared=Obj(pending.compared))
        response = forms.encoded(pending.request, response)
        self.send(pending.client, "response", pending.call_id, response)

    # etcd.

    def etcd(self, method: str, request: Any, then: str, token: Any = 0) -> int:
        """Calls etcd; `then(result, token)` of ours is called with the answer."""
        self.last_call += 1
        self.calls[self.last_call] = (then, token, method, request)
        self.send(self.members[self.member], method, self.name, self.last_call, request)
        return self.last_call

    def answered(self, call_id: int, result: Any) -> None:
        """etcd's answer to one of our calls."""
        if call_id not in self.calls:
            return
        then, token, method, _ = self.calls.pop(call_id)
        self.note(method=method)
        getattr(self, then)(result, token)

    def undelivered(self, target: str, verb: str, args: tuple[Any, ...], reason: str) -> None:
        if target in self.members and len(args) == 3 and args[1] in self.calls:
            then, token, method, request = self.calls.pop(args[1])
            self.member = (self.member + 1) % len(self.members)
            pending = self.pending.get(token)
            if pending is not None:
                error = errors.internal_error("etcdserver: request timed out")
                self._answer(pending, Response(error.code, EMPTY, error.status))
            else:
                self.after(1, "recall", method, request, then, token)
        elif verb == "watched":
            self.cancel_request(target, args[0])
        elif verb == aggregation.VERB:
            aggregation.silent(self, args)
        elif target.startswith("kubelet/"):
            self.kubelet_silent(verb, args[1], reason)

    def recall(self, method: str, request: Any, then: str, token: int) -> None:
        """Calls etcd again for something of our own."""
        self.etcd(method, request, then, token)

    def _commit(self, pending: Pending, write: Write) -> None:
        """One transaction: if the object is still as it was when we decided, then write."""
        if pending.dry:
            self._answer(pending, Response(write.status, EMPTY, write.answer))
            return
        lease = 0
        if write.obj is not None and pending.route.kind.prefix == "/registry/events/":
            lease = self.lease_of(pending)
            if not lease:
                return
        pending.write = write
        if not stored.only_lives(pending.route.kind.kind, pending.current, write):
            # A write is work that follows from a periodic timer.
            self.promote()
        self.note(gates=list(pending.gates), compared=Obj(pending.compared), stores=write.key)
        self.etcd("txn", stored.transaction(write, lease), "committed", pending.token)

    def committed(self, result: Any, token: int) -> None:
        """etcd has decided a transaction."""
        pending = self.pending.get(token)
        if pending is None or pending.write is None:
            return
        write = pending.write
        if isinstance(result, records.Failure):
            error = errors.internal_error(result.message)
            self._answer(pending, Response(error.code, EMPTY, error.status))
        elif result.succeeded:
            revision = result.header.revision
            self.note(revision=revision, key=write.key)
            body = stored.with_revision(write.answer, revision) if write.stamp else write.answer
            self._answer(pending, registry.present(self, pending, write.status, body))
        elif write.expected == 0:
            error = errors.already_exists(pending.route.kind, write.name)
            self.note(exists=write.key)
            self._answer(pending, Response(error.code, EMPTY, error.status))
        else:
            self.note(conflict=write.key)
            pending.current = stored.from_range(result.responses[0].response_range)
            pending.fresh = True
            self._process(pending)

    def _refresh(self, pending: Pending) -> None:
        """Before a refusal that rests on the cache: what does etcd say?"""
        key = stored.key(pending.route.kind, pending.route.namespace, pending.route.name)
        self.etcd("range", records.RangeRequest(key=key), "refreshed", pending.token)

    def refreshed(self, result: Any, token: int) -> None:
        """etcd's own version of the object at hand."""
        pending = self.pending.get(token)
        if pending is None:
            return
        if isinstance(result, records.Failure):
            error = errors.internal_error(result.message)
            self._answer(pending, Response(error.code, EMPTY, error.status))
            return
        pending.current = stored.from_range(result)
        pending.fresh = True
        self._process(pending)

    def read(self, result: Any, token: int) -> None:
        """etcd's answer to a get or list."""
        pending = self.pending.get(token)
        if pending is None:
            return
        try:
            response = reading.answer(self, pending, result)
        except errors.ApiError as error:
            response = Response(error.code, EMPTY, error.status)
        self._answer(pending, response)

    def response(self, call_id: int, response: Response) -> None:
        """The answer to a request of our own (what every cluster begins with)."""
        self.note(code=response.status)

    @staticmethod
    def tell(event: Event) -> str:
        from kubelab.apiserver import sentences

        return sentences.tell(event)
