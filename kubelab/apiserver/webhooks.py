"""Admission webhooks: programs in pods that are asked about a request before it is stored.

A webhook is called by a POST of an AdmissionReview to a Service; the server finds a ready endpoint
itself and sends the request to the pod by way of its node. The request waits meanwhile: `Call` is
raised where an answer is needed that is not there yet, and when it comes, the request is worked
once more from the start with the answers it has. What cannot be called counts as the webhook's
`failurePolicy` says.

In Kubernetes: k8s.io/apiserver/pkg/admission/plugin/webhook/{mutating,validating}. Left out: URLs,
which lead out of the simulated network (their hosts are not found), and TLS.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlsplit

from kubelab.api import errors, patch
from kubelab.api.objects import EMPTY, NOTHING, Obj, freeze, get, labels_of
from kubelab.apiserver import matching, policies
from kubelab.apiserver.cel_eval import CelError
from kubelab.apiserver.matching import Attributes
from kubelab.apiserver.pending import Pending
from kubelab.apiserver.streams import Streams
from kubelab.network.payloads import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

VALIDATING = "/registry/validatingwebhookconfigurations/"
MUTATING = "/registry/mutatingwebhookconfigurations/"
REVIEW = "admission.k8s.io/v1"


class Target(NamedTuple):
    """The pod that a webhook's call goes to."""

    node: str
    namespace: str
    pod: str
    port: int
    request: HttpRequest


class Call(Exception):
    """A webhook must be asked first; `key` names the question among those of the request."""

    def __init__(self, key: str, target: Target, seconds: float) -> None:
        super().__init__(key)
        self.key = key
        self.target = target
        self.seconds = seconds


class Unreachable(Exception):
    """A webhook cannot be called; the message says why in Go's words."""


def mutate(server: APIServer, pending: Pending, asked: Attributes) -> Obj:
    """The object as mutating webhooks want it. Raises Call or ApiError."""
    obj = asked.obj
    assert obj is not None
    for hook in _concerned(server, MUTATING, asked):
        now = asked._replace(obj=obj)
        answer = _asked(server, pending, hook, now, MUTATING)
        if answer is None:
            continue
        _judge(pending, hook, answer)
        change = answer.get("patch")
        if change:
            whole = Obj({**obj, "apiVersion": asked.kind.api_version, "kind": asked.kind.kind})
            try:
                operations = json.loads(base64.b64decode(change))
                obj = patch.json_patch(whole, freeze(operations))
            except (binascii.Error, ValueError, errors.ApiError) as error:
                raise errors.internal_error(str(error)) from None
            server.note(mutated_by_webhook=hook["name"])
        pending.passes(f"webhook {hook['name']}")
    return obj


def validate(server: APIServer, pending: Pending, asked: Attributes) -> None:
    """Raises Call, or ApiError where a validating webhook refuses."""
    for hook in _concerned(server, VALIDATING, asked):
        answer = _asked(server, pending, hook, asked, VALIDATING)
        if answer is not None:
            _judge(pending, hook, answer)
            pending.passes(f"webhook {hook['name']}")


def _concerned(server: APIServer, prefix: str, asked: Attributes) -> Iterator[Obj]:
    if matching.exempt(asked.kind):
        return
    for configuration in server.caches[prefix].all():
        for hook in configuration.get("webhooks") or NOTHING:
            if matching.matches(server, hook, asked, "rules") and _conditions(server, hook, asked):
                yield hook


def _conditions(server: APIServer, hook: Obj, asked: Attributes) -> bool:
    rows = hook.get("matchConditions")
    if not rows:
        return True
    turn = policies.Turn(EMPTY, EMPTY, None)
    closed = hook.get("failurePolicy", "Fail") == "Fail"
    try:
        return policies.conditions_hold(hook, policies.variables(server, asked, turn), closed)
    except CelError as error:
        raise errors.internal_error(str(error)) from None


def _asked(
    server: APIServer, pending: Pending, hook: Obj, asked: Attributes, prefix: str
) -> Obj | None:
    """A webhook's answer, or None where it fails and may fail. Raises Call or ApiError."""
    name = hook["name"]
    if asked.dry and hook.get("sideEffects") not in ("None", "NoneOnDryRun"):
        raise errors.bad_request(f'admission webhook "{name}" does not support dry run')
    key = f"{prefix}{name}/{asked.operation}"
    url = _url(hook)
    try:
        if key not in pending.answers:
            target = _target(server, hook, _review(server, asked))
            raise Call(key, target, hook.get("timeoutSeconds", 10))
        try:
            return _read(pending.answers[key])
        except Unreachable as error:
            raise Unreachable(f'failed to call webhook: Post "{url}": {error}') from None
    except Unreachable as error:
        why = str(error)
        if not why.startswith("failed to call webhook"):
            why = f'failed to call webhook: Post "{url}": {why}'
        server.note(webhook=name, failed=why)
        if hook.get("failurePolicy", "Fail") == "Ignore":
            pending.passes(f"webhook {name} (ignored)")
            return None
        raise errors.internal_error(f'failed calling webhook "{name}": {why}') from None


def _url(hook: Obj) -> str:
    client, timeout = hook["clientConfig"], f"timeout={hook.get('timeoutSeconds', 10)}s"
    service = client.get("service")
    if service is None:
        return f"{client.get('url', '')}?{timeout}"
    host = f"{service['name']}.{service['namespace']}.svc:{service.get('port', 443)}"
    return f"https://{host}/{(service.get('path') or '').lstrip('/')}?{timeout}"


def _review(server: APIServer, asked: Attributes) -> Obj:
    """The AdmissionReview that a webhook gets."""
    bound = policies.variables(server, asked, policies.Turn(EMPTY, EMPTY, None))
    request = {**bound["request"], "uid": server.chance.uid()}
    request |= {"object": bound["object"], "oldObject": bound["oldObject"]}
    return freeze(  # type: ignore[no-any-return]
        {"kind": "AdmissionReview", "apiVersion": REVIEW, "request": request}
    )


def _target(server: APIServer, hook: Obj, review: Obj) -> Target:
    """A ready endpoint of the webhook's Service. Raises Unreachable."""
    service = hook["clientConfig"].get("service")
    if service is None:
        host = urlsplit(hook["clientConfig"].get("url", "")).hostname or ""
        raise Unreachable(f"dial tcp: lookup {host}: no such host")
    namespace, name, port = service["namespace"], service["name"], service.get("port", 443)
    found = server.cached("/registry/services/specs/", f"{namespace}/{name}")
    if found is None:
        raise Unreachable(f'service "{name}" not found')
    row = next((p for p in get(found, "spec", "ports", default=()) if p["port"] == port), None)
    if row is None:
        raise Unreachable(f'no service port {port} found for service "{name}"')
    for held in server.caches["/registry/endpointslices/"].all(namespace):
        if labels_of(held).get("kubernetes.io/service-name") != name:
            continue
        ports = [p for p in held.get("ports") or () if (p.get("name") or "") == row.get("name", "")]
        for endpoint in held.get("endpoints") or ():
            pod = get(endpoint, "targetRef", "name")
            if ports and pod and get(endpoint, "conditions", "ready", default=True):
                body = json.dumps(review, ensure_ascii=False, separators=(",", ":"))
                path = f"/{(service.get('path') or '').lstrip('/')}"
                headers = (("Content-Type", "application/json"),)
                request = HttpRequest("POST", f"{name}.{namespace}.svc", path, headers, body)
                node = endpoint.get("nodeName") or ""
                return Target(node, namespace, pod, ports[0]["port"], request)
    raise Unreachable(f'no endpoints available for service "{name}"')


def _read(answer: Any) -> Obj:
    """The response in what came back. Raises Unreachable."""
    if isinstance(answer, str):
        raise Unreachable(answer)
    if not isinstance(answer, HttpResponse) or answer.status >= 400:
        raise Unreachable("the server could not find the requested resource")
    try:
        review = freeze(json.loads(answer.body))
    except ValueError as error:
        raise Unreachable(str(error)) from None
    said = review.get("response") if isinstance(review, dict) else None
    if not isinstance(said, dict):
        raise Unreachable("webhook response is absent")
    return Obj(said)


def _judge(pending: Pending, hook: Obj, answer: Obj) -> None:
    """Warns as the webhook says, and refuses where it does not allow the request."""
    for text in answer.get("warnings") or NOTHING:
        pending.warn(str(text))
    if answer.get("allowed") is True:
        return
    result = answer.get("status") or EMPTY
    said = f'admission webhook "{hook["name"]}" denied the request'
    why = result.get("message") or result.get("reason")
    said += f": {why}" if why else " without explanation"
    code = int(result.get("code") or 400)
    head = {"kind": "Status", "apiVersion": "v1", "metadata": EMPTY, "status": "Failure"}
    status = {**result, **head, "message": said, "code": code if code >= 400 else 400}
    raise errors.ApiError(freeze(status))


class Hooks(Streams):
    """The part of an `APIServer` that calls webhooks and hears their answers."""

    def _process(self, pending: Pending) -> None:
        """Works a request; see `APIServer`."""
        raise NotImplementedError

    def call_webhook(self, pending: Pending, call: Call) -> None:
        """Sends the question on its way to the pod."""
        pending.calling = call.key
        target = call.target
        self.note(calls=call.key, pod=f"{target.namespace}/{target.pod}")
        pending.node = target.node
        self.send(f"kubelet/{target.node}", "port_forward", self.name, pending.token,
                  target.namespace, target.pod, target.port, target.request)  # fmt: skip
        self.after(call.seconds, "webhook_late", pending.token, call.key)

    def webhook_late(self, token: int, key: str) -> None:
        """The time that a webhook has is over."""
        pending = self.pending.get(token)
        if pending is not None and pending.calling == key:
            self._heard(pending, "context deadline exceeded")

    def _heard(self, pending: Pending, answer: Any) -> None:
        key, pending.calling = pending.calling, ""
        self.note(webhook=key)
        pending.answers[key] = answer
        self._process(pending)

    def kubelet_answered(self, token: int, answer: Obj) -> None:
        pending = self.pending.get(token)
        if pending is None or not pending.calling:
            super().kubelet_answered(token, answer)
        elif answer["code"] == 200:
            self._heard(pending, answer.get("payload"))
        else:
            address = cast(str, answer.get("message", "")) or "connect: connection refused"
            self._heard(pending, f"dial tcp: {address}")

    def kubelet_silent(self, verb: str, token: int, reason: str) -> None:
        pending = self.pending.get(token)
        if pending is None or not pending.calling or verb != "port_forward":
            super().kubelet_silent(verb, token, reason)
        else:
            why = "connect: connection refused" if reason == "refused" else "i/o timeout"
            self._heard(pending, f"dial tcp: {why}")
