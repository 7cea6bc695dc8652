"""A request on its way, and the write that it comes to.

`Pending` is what the server remembers of a request while etcd has the word; `Write` is what the
registry has decided to write, with all that must hold for it.

In Kubernetes: the goroutine that serves a request holds this on its stack.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.api.objects import Obj
from kubelab.api.rest import Request
from kubelab.apiserver.routes import Route


class Write(NamedTuple):
    """One object put or deleted, if it is still as it was.

    `obj` None deletes; `expected` is the mod_revision that the key must have (0: absent). `extra`
    are further keys written along, `answer` is what the client gets, with the new resourceVersion
    in it if `stamp` is set. `beside` are other objects that change along, each only if it is still
    at its revision.
    """

    name: str
    key: str
    obj: Obj | None
    expected: int
    answer: Obj
    status: int = 200
    extra: tuple[tuple[str, Obj | None], ...] = ()
    stamp: bool = True
    beside: tuple[tuple[str, Obj, int], ...] = ()


class Pending:
    """A request that is not answered yet."""

    __slots__ = (
        "answers", "call_id", "calling", "client", "compared", "container", "current", "dry",
        "fresh", "gates", "node", "node_object", "request", "route", "token", "tries", "warnings",
        "write",
    )  # fmt: skip

    def __init__(
        self, token: int, client: str, call_id: int, request: Request, route: Route
    ) -> None:
        self.token = token
        self.client = client
        self.call_id = call_id
        self.request = request
        self.route = route
        # The object as it is now: from the cache, or (`fresh`) from etcd itself.
        self.current: tuple[Obj, int] | None = None
        self.fresh = False
        # Whether all is done but the writing.
        self.dry = bool(request.query.get("dryRun"))
        self.tries = 0
        self.gates: list[str] = []
        self.compared: dict[str, str] = {}
        self.warnings: list[str] = []
        self.write: Write | None = None
        # What webhooks have said, by question, and the question that one is being asked now.
        self.answers: dict[str, Any] = {}
        self.calling = ""
        # Of a stream: the container that is meant, and the node whose kubelet is asked.
        self.container = ""
        self.node = ""
        self.node_object: Obj | None = None

    def passes(self, gate: str, compared: str = "") -> None:
        """Notes that the request got past a gate, and what was compared there."""
        if gate not in self.gates:
            self.gates.append(gate)
        if compared:
            self.compared[gate] = compared

    def passed(self, gates: dict[str, str]) -> None:
        """Notes several gates in their order."""
        self.gates += [gate for gate in gates if gate not in self.gates]
        self.compared |= gates

    def warn(self, text: str) -> None:
        """A warning for the client (header `Warning`)."""
        if text not in self.warnings:
            self.warnings.append(text)
