"""The recorder of Events: what a component tells people about an object.

An Event names the object, a reason in one word and a message. Repeats of the same one are one Event
object whose count grows. From the tenth message on that differs from those before in nothing but
its words, within ten minutes, such messages share one Event too. Recording never fails the work
that it tells of.

In Kubernetes: k8s.io/client-go/tools/record (EventAggregator, eventLogger) and tools/events. Left
out: the spam filter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

from kubelab.api.objects import Obj, freeze, get, merged, name_of, namespace_of, uid_of
from kubelab.api.rest import Response
from kubelab.sim.kernel import SECOND, micro_timestamp

if TYPE_CHECKING:
    from kubelab.client.client import Client

REMEMBERED = 4096
SIMILAR, SIMILAR_NS = 10, 600 * SECOND
COMBINED = "(combined from similar events): "


class Recorder:
    """Records Events for one source component (`kubelet`, `deployment-controller`)."""

    def __init__(
        self, client: Client, component: str, host: str = "", *, series: bool = False
    ) -> None:
        self.client = client
        self.component = component
        self.host = host
        # The newer form (events.k8s.io), as the scheduler writes it: eventTime and a series.
        self.series = series
        self.seen: dict[tuple[str, ...], tuple[str, str, int]] = {}
        # For each object and reason, the last messages, and when the last of them came.
        self.similar: dict[tuple[str, ...], tuple[int, tuple[str, ...]]] = {}
        self.last_ns = 0
        self.offset_ns = crc32(f"{component}/{client.name}".encode()) % 50_000

    def event(
        self,
        obj: Obj,
        type_: str,
        reason: str,
        message: str,
        *,
        field_path: str = "",
        action: str = "",
    ) -> None:
        """Records that something happened to `obj`; `type_` is `Normal` or `Warning`."""
        client = self.client
        client.note(event=f"{reason}: {message}")
        about = (uid_of(obj) or name_of(obj), type_, reason, field_path)
        combined = not self.series and self._is_one_of_many(about, message)
        if combined:
            message = COMBINED + message
        identity = (*about, COMBINED if combined else message)
        seen = self.seen.get(identity)
        if seen is not None:
            namespace, name, count = seen
            self.seen[identity] = (namespace, name, count + 1)
            patch: dict[str, Any]
            if self.series:
                patch = {
                    "series": {"count": count + 1, "lastObservedTime": micro_timestamp(client.now)}
                }
            else:
                patch = {"count": count + 1, "lastTimestamp": client.timestamp}
                if combined:
                    patch["message"] = message
            client.amend("v1/Event", namespace, name, patch)
            return
        # Two recorders may speak of one object in the same nanosecond: each has its own offset, so
        # that the names of their Events differ.
        self.last_ns = max(client.now + self.offset_ns, self.last_ns + 1)
        namespace = namespace_of(obj) or "default"
        name = f"{name_of(obj)}.{self.last_ns:x}"
        if len(self.seen) >= REMEMBERED:
            del self.seen[next(iter(self.seen))]
        self.seen[identity] = (namespace, name, 1)
        made = self._make(obj, namespace, name, type_, reason, message, field_path, action)
        # Such an Event is made anew from its parts, without the fields of the newer form.
        client.create(merged(made, reportingComponent="") if combined else made)

    def _is_one_of_many(self, about: tuple[str, ...], message: str) -> bool:
        """Whether so many messages of this kind came lately that they are told together."""
        now = self.client.now
        last_ns, messages = self.similar.pop(about, (now, ()))
        if now - last_ns > SIMILAR_NS:
            messages = ()
        if message not in messages:
            messages = (*messages, message)
        many = len(messages) >= SIMILAR
        if len(self.similar) >= REMEMBERED:
            del self.similar[next(iter(self.similar))]
        self.similar[about] = (now, messages[:-1] if many else messages)
        return many

    def _make(
        self,
        obj: Obj,
        namespace: str,
        name: str,
        type_: str,
        reason: str,
        message: str,
        field_path: str,
        action: str,
    ) -> Obj:
        involved = {
            "kind": obj["kind"],
            "namespace": namespace_of(obj),
            "name": name_of(obj),
            "uid": uid_of(obj),
            "apiVersion": obj["apiVersion"],
            "resourceVersion": get(obj, "metadata", "resourceVersion", default=""),
            "fieldPath": field_path,
        }
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {key: value for key, value in involved.items() if value},
            "reason": reason,
            "message": message,
            "type": type_,
            "reportingComponent": self.component,
        }
        if self.series:
            body |= {
                "eventTime": micro_timestamp(self.client.now),
                "reportingInstance": f"{self.component}-{self.client.name}",
                "action": action,
                "firstTimestamp": None,
                "lastTimestamp": None,
                "source": {},
            }
        else:
            source = {"component": self.component}
            if self.host:
                source["host"] = self.host
            body |= {
                "source": source,
                "firstTimestamp": self.client.timestamp,
                "lastTimestamp": self.client.timestamp,
                "count": 1,
                "eventTime": None,
                "reportingInstance": self.host,
            }
        return freeze(body)  # type: ignore[no-any-return]

    def recorded(self, response: Response) -> None:
        """The answer to an Event is of no interest."""
