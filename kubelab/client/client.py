"""A component that talks to the API server by request and answer.

A component never waits: a request names the method that gets the answer (`reply`), with what else
that method needs to know (`context`). Of several API servers one is used until it no longer
answers; then the request goes to the next. Where none answers, the reply gets a 503 of our own
making.

In Kubernetes: k8s.io/client-go/rest. Left out: rate limits of the client's own, HTTP/2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from kubelab.api import kinds
from kubelab.api.objects import EMPTY, Obj, freeze, name_of, namespace_of
from kubelab.api.rest import MERGE_PATCH, SHARED, STRATEGIC_PATCH, Request, Response, url
from kubelab.client import sentences
from kubelab.client.informer import Informer
from kubelab.sim.kernel import Component, Event


class Call(NamedTuple):
    """A request under way: who gets the answer, and how many servers have failed it."""

    request: Request
    reply: str
    context: tuple[Any, ...]
    failures: int
    watch: bool


# Under which names the components of the cluster are known to the API server.
_USERS = {
    "scheduler": "system:kube-scheduler", "controller-manager": "system:kube-controller-manager",
    "kube-proxy": "system:serviceaccount:kube-system:kube-proxy",
    "coredns": "system:serviceaccount:kube-system:coredns",
}  # fmt: skip


def user_of(component: str) -> str:
    """The name that a component shows: a certificate's, or its service account's."""
    kind, _, rest = component.partition("/")
    if kind == "kubelet":
        return f"system:node:{rest}"
    return _USERS.get(kind) or f"system:{component.replace('/', ':')}"


class Client(Component):
    """Sends requests, receives answers and watch events.

    `agent` is the user agent (`kubelet`), from which the field manager follows.
    """

    def __init__(
        self,
        name: str,
        *,
        servers: Sequence[str] = ("apiserver-1",),
        agent: str = "",
        user: str = "",
    ) -> None:
        super().__init__(name)
        self.servers = tuple(servers)
        self.agent = agent or name.partition("/")[0]
        self.user = user or user_of(name)
        self.uid = ""
        self.groups: tuple[str, ...] = ()
        # Never set back: an answer to an earlier incarnation must not be taken for ours.
        self.last_call = 0
        self.server = 0
        self.headers = Obj({"User-Agent": self.agent, "Accept": SHARED})
        self.patch_headers = {
            style: Obj({"User-Agent": self.agent, "Content-Type": style})
            for style in (MERGE_PATCH, STRATEGIC_PATCH)
        }

    def start(self) -> None:
        self.calls: dict[int, Call] = {}
        self.informers: dict[str, Informer] = {}
        self.amending: dict[str, Obj] = {}

    # Requests.

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Obj = EMPTY,
        body: Any = None,
        headers: Obj | None = None,
        reply: str = "",
        context: tuple[Any, ...] = (),
        watch: bool = False,
    ) -> int:
        """Sends a request; `reply(response, *context)` is called with the answer.

        `reply` is the name of a method of ours, or a path to one through attributes and dicts
        (`informers.pods.listed`); empty means that the answer does not matter.
        """
        sent = headers or self.headers
        request = Request(method, path, query, sent, body, self.user, self.groups, self.uid)
        return self._dispatch(Call(request, reply, context, 0, watch))

    def _dispatch(self, call: Call) -> int:
        self.last_call += 1
        self.calls[self.last_call] = call
        self.send(self.servers[self.server], "request", self.name, self.last_call, call.request)
        return self.last_call

    def response(self, call_id: int, response: Response) -> None:
        """The answer to one of our requests."""
        call = self.calls.get(call_id)
        if call is None:
            return
        if not (call.watch and response.ok and response.body is None):
            del self.calls[call_id]
        request = call.request
        self.note(method=request.method, path=request.path, code=response.status)
        if not response.ok:
            self.note(reason=response.reason, message=response.message)
        if call.reply:
            self.method(call.reply)(response, *call.context)

    def undelivered(self, target: str, verb: str, args: tuple[Any, ...], reason: str) -> None:
        if verb == "request":
            self._failed(args[0] if reason == "timeout" and len(args) == 2 else args[1], reason)

    def _failed(self, call_id: int, reason: str) -> None:
        """A server did not answer: try the next, or give up when none is left."""
        call = self.calls.pop(call_id, None)
        if call is None:
            return
        self.server = (self.server + 1) % len(self.servers)
        if call.failures + 1 < len(self.servers):
            self._dispatch(call._replace(failures=call.failures + 1))
            return
        self.note(unanswered=call.request.path, why=reason)
        if call.reply:
            text = "connection refused" if reason == "refused" else "context deadline exceeded"
            body = freeze({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": f"the API server does not answer: {text}",
                "reason": "ServiceUnavailable", "code": 503,
            })  # fmt: skip
            self.method(call.reply)(Response(503, EMPTY, body), *call.context)

    def method(self, path: str) -> Any:
        """The method that a reply path names."""
        part: Any = self
        for step in path.split("."):
            part = part[step] if type(part) is dict else getattr(part, step)
        return part

    # The verbs of the API, by object.

    def get(self, kind: str, namespace: str, name: str, **options: Any) -> int:
        """GET of one object; `kind` is `v1/Pod` or `apps/v1/Deployment`."""
        return self.request("GET", url(kinds.named(kind), namespace, name), **options)

    def create(self, obj: Obj, **options: Any) -> int:
        """POST of an object to its collection."""
        kind = kinds.by_kind(obj["apiVersion"], obj["kind"])
        return self.request("POST", url(kind, namespace_of(obj)), body=obj, **options)

    def update(self, obj: Obj, subresource: str = "", **options: Any) -> int:
        """PUT of an object as a whole; refused with 409 if it was changed since it was read."""
        kind = kinds.by_kind(obj["apiVersion"], obj["kind"])
        path = url(kind, namespace_of(obj), name_of(obj), subresource)
        return self.request("PUT", path, body=obj, **options)

    def patch(
        self,
        kind: str,
        namespace: str,
        name: str,
        patch: Any,
        subresource: str = "",
        *,
        style: str = STRATEGIC_PATCH,
        **options: Any,
    ) -> int:
        """PATCH of one object; `kind` as for `get`."""
        path = url(kinds.named(kind), namespace, name, subresource)
        headers = self.patch_headers[style]
        return self.request("PATCH", path, body=freeze(patch), headers=headers, **options)

    def amend(self, kind: str, namespace: str, name: str, patch: dict[str, Any]) -> None:
        """PATCH of what changes often: one at a time, and of those that wait the latest counts."""
        key = f"{kind} {namespace}/{name}"
        if key in self.amending:
            self.amending[key] = freeze({**self.amending[key], **patch})
            return
        self.amending[key] = EMPTY
        context = (key, kind, namespace, name)
        self.patch(kind, namespace, name, patch, reply="amended", context=context)

    def amended(self, response: Response, key: str, kind: str, namespace: str, name: str) -> None:
        """One such PATCH is answered: what waited is sent."""
        waiting = self.amending.pop(key, EMPTY)
        if waiting:
            self.amend(kind, namespace, name, waiting)

    def delete(
        self, kind: str, namespace: str, name: str, *, body: Any = None, **options: Any
    ) -> int:
        """DELETE of one object; `body` is DeleteOptions, `kind` as for `get`."""
        path = url(kinds.named(kind), namespace, name)
        return self.request("DELETE", path, body=freeze(body), **options)

    # Watches.

    def inform(
        self, kind: str, *, key: str = "", namespace: str = "", selector: str = ""
    ) -> Informer:
        """Begins to list and watch a kind; the informer's cache fills by and by.

        `selector` is a field selector (`spec.nodeName=node-1`); `key` names the informer where one
        component has several of a kind, else the plural does (`pods`).
        """
        row = kinds.named(kind)
        informer = Informer(self, key or row.plural, row, namespace, selector)
        self.informers[informer.key] = informer
        informer.begin()
        return informer

    def informed(self, informer: str) -> None:
        """An informer of ours holds its first list."""

    def relisted(self, informer: str) -> None:
        """An informer of ours has been filled by a list, the first or a later one."""

    def watched(self, call_id: int, type_: str, obj: Obj) -> None:
        """One event of a watch of ours."""
        call = self.calls.get(call_id)
        if call is not None:
            self.method(call.context[0])(type_, obj)

    def closed(self, call_id: int) -> None:
        """The server has ended the connection of a request or watch of ours."""
        call = self.calls.get(call_id)
        if call is not None and call.watch:
            del self.calls[call_id]
            self.method(call.context[1])()
        elif call is not None:
            self._failed(call_id, "refused")

    @staticmethod
    def tell(event: Event) -> str:
        return sentences.tell(event)

    def reconnect(self, informer: str) -> None:
        """The pause after a broken watch is over."""
        if informer in self.informers:
            self.informers[informer].resume()
