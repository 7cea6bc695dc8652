"""Certificate signing requests: approved, signed, and cleared away.

Three loops. The approver lets kubelets have their client certificates without anybody's word. The
signer gives every approved request for one of Kubernetes' own signers a certificate, or says why it
cannot. The cleaner deletes requests an hour after they were answered, and a day after they were
made if nobody answers.

In Kubernetes: pkg/controller/certificates (approver, signer, cleaner). Left out: the review of
whether a kubelet may ask for itself.
"""

from __future__ import annotations

import base64
from typing import Any

from kubelab.api.objects import NOTHING, Obj, freeze, get, key_of, name_of, with_
from kubelab.client.controller import Controller
from kubelab.controllers import conditions, signing
from kubelab.sim.kernel import SECOND, parse_timestamp

REQUEST = "certificates.k8s.io/v1/CertificateSigningRequest"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
APPROVES = "Auto approving kubelet client certificate after SubjectAccessReview."
ANSWERED_SECONDS, PENDING_SECONDS = 3600, 24 * 3600
POLL_SECONDS = 60.0
CLEAN = "(all)"


def _word(request: Obj) -> str:
    """Approved, Denied or Failed; empty while nobody has answered."""
    for type_ in ("Denied", "Failed", "Approved"):
        if conditions.find(conditions.of(request), type_) is not None:
            return type_
    return ""


class CertificateApprover(Controller):
    """Approves the client certificates of kubelets."""

    name = "csrapproving"

    def begin(self) -> None:
        self.requests = self.watch(REQUEST, "on_request")

    def on_request(self, old: Obj | None, new: Obj | None) -> None:
        """A request is new, or has changed."""
        if new is not None and get(new, "spec", "signerName") == KUBELET_CLIENT and not _word(new):
            self.enqueue(key_of(new))

    def sync(self, key: str) -> None:
        """One request."""
        request = self.requests.get(key)
        if request is None or _word(request) or get(request, "status", "certificate"):
            return
        asker, groups = request["spec"].get("username", ""), request["spec"].get("groups") or ()
        wanted = signing.subject(_pem(request))
        trusted = "system:bootstrappers" in groups or asker == wanted
        self.note(wish="Approved" if trusted else "", seen="", act="—", asker=asker, subject=wanted)
        if not trusted or not wanted.startswith("system:node:"):
            return
        self.note(act="approve")
        self.update(
            _with(request, "Approved", "AutoApproved", APPROVES, self.process.timestamp),
            subresource="approval",
        )


class CertificateSigner(Controller):
    """Signs what was approved."""

    name = "csrsigning"

    def begin(self) -> None:
        self.requests = self.watch(REQUEST, "on_request")

    def on_request(self, old: Obj | None, new: Obj | None) -> None:
        """A request has changed: is it approved?"""
        if new is not None and _word(new) == "Approved":
            self.enqueue(key_of(new))

    def sync(self, key: str) -> None:
        """One request."""
        request = self.requests.get(key)
        if request is None or _word(request) != "Approved" or get(request, "status", "certificate"):
            return
        spec = request["spec"]
        usages = tuple(spec.get("usages") or NOTHING)
        problem = signing.usage_problem(spec["signerName"], usages)
        if problem is None:
            return
        self.note(wish="a certificate", seen="", act="sign")
        stream = self.process.world.stream("certificate-authority")
        try:
            if problem:
                raise signing.Refused(problem)
            pem = signing.sign(
                _pem(request), usages, self.process.now, spec.get("expirationSeconds"),
                self.process.world.seed, stream.bits(),
            )  # fmt: skip
        except signing.Refused as error:
            self.note(act="refuse", why=str(error))
            changed = _with(
                request, "Failed", "SignerValidationFailure", str(error), self.process.timestamp
            )
        else:
            text = base64.b64encode(pem).decode()
            changed = with_(request, ("status", "certificate"), text)
        self.update_status(changed)


class CertificateCleaner(Controller):
    """Deletes requests that are old."""

    name = "csrcleaner"

    def begin(self) -> None:
        self.polls = False
        self.requests = self.watch(REQUEST, "on_request")

    def on_request(self, old: Obj | None, new: Obj | None) -> None:
        """As long as there are requests they are looked at once a minute."""
        if new is not None and not self.polls:
            self.polls = True
            self.enqueue_after(CLEAN, POLL_SECONDS, background=True)

    def sync(self, key: str) -> None:
        """All requests."""
        self.polls = len(self.requests) > 0
        if self.polls:
            self.enqueue_after(CLEAN, POLL_SECONDS, background=True)
        old = [request for request in self.requests if self._is_old(request)]
        self.note(wish=0, seen=len(old), act=f"delete {len(old)}" if old else "—")
        for request in old:
            self.delete(REQUEST, "", name_of(request))

    def _is_old(self, request: Obj) -> bool:
        now, longest = self.process.now, PENDING_SECONDS
        since = request["metadata"]["creationTimestamp"]
        for row in conditions.of(request):
            if row["type"] in ("Approved", "Denied", "Failed"):
                since, longest = row.get("lastUpdateTime") or since, ANSWERED_SECONDS
        return now - parse_timestamp(since) > longest * SECOND


def _pem(request: Obj) -> bytes:
    return base64.b64decode(request["spec"].get("request", ""))


def _with(request: Obj, type_: str, reason: str, message: str, now: str) -> Obj:
    """The request with one more condition."""
    new: dict[str, Any] = {
        "type": type_, "status": "True", "reason": reason, "message": message,
        "lastUpdateTime": now, "lastTransitionTime": now,
    }  # fmt: skip
    changed: Obj = with_(request, ("status", "conditions"), [*conditions.of(request), freeze(new)])
    return changed
