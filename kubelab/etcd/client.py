"""The user's own etcd client: what `etcdctl` is to an etcd of one's own.

A call from outside enters the world as an event of the actor `you` and goes on to a member; its
answer waits here until the caller takes it, and the responses of watches gather here.

In Kubernetes: go.etcd.io/etcd/client/v3, as etcdctl uses it.
"""

from __future__ import annotations

from typing import Any

from kubelab.etcd import explain
from kubelab.etcd.records import Failure, WatchResponse
from kubelab.sim.kernel import Component, Event

NAME = "you/etcd"


class EtcdClient(Component):
    """Sends calls and keeps their answers by call id."""

    def __init__(self, name: str = NAME) -> None:
        super().__init__(name)
        self.last_call = 0
        self.calls: dict[int, str] = {}
        self.answers: dict[int, Any] = {}
        self.streams: dict[int, list[WatchResponse]] = {}

    def call(self, call_id: int, member: str, method: str, request: Any, *extra: Any) -> None:
        """Passes a call of the user's on to a member."""
        self.last_call = max(self.last_call, call_id)
        self.calls[call_id] = method
        if method == "watch":
            self.streams[call_id] = []
        self.note(method=method, member=member)
        if getattr(request, "key", None):
            self.note(key=explain.span(request.key, getattr(request, "range_end", b"")))
        self.send(member, method, self.name, call_id, request, *extra)

    def answered(self, call_id: int, result: Any) -> None:
        """The answer to a call."""
        method = self.calls.pop(call_id, "")
        self.note(method=method)
        if isinstance(result, Failure):
            self.note(error=result.message)
        self.answers[call_id] = result

    def watch_response(self, call_id: int, response: WatchResponse) -> None:
        """News from a watch."""
        self.note(events=len(response.events), revision=response.header.revision)
        if response.canceled:
            self.note(canceled=True)
        self.streams.setdefault(call_id, []).append(response)

    def undelivered(self, target: str, verb: str, args: tuple[Any, ...], reason: str) -> None:
        """A member could not be reached."""
        words = "connect: connection refused" if reason == "refused" else "i/o timeout"
        text = f'connection error: desc = "transport: Error while dialing: dial tcp {target}:2379: '
        self.note(unanswered=target)
        self.answers[args[1]] = Failure(14, f'{text}{words}"')

    @staticmethod
    def tell(event: Event) -> str:
        detail = event.detail
        method = str(detail.get("method", "call")).replace("_", " ")
        if event.verb == "call":
            what = f" of {detail['key']}" if "key" in detail else ""
            return f"You send a {method}{what} to {detail.get('member')}."
        if event.verb == "answered":
            outcome = f"it is refused: {detail['error']}" if "error" in detail else "it is done"
            return f"You hear from {event.actor} about your {method}: {outcome}."
        if event.verb == "watch_response":
            count = detail.get("events", 0)
            news = "one change" if count == 1 else f"{count} changes"
            return f"You hear {news} from your watch, at revision {detail.get('revision')}."
        if "unanswered" in detail:
            return f"You get no answer from {detail['unanswered']}."
        return "Your etcd client starts."
