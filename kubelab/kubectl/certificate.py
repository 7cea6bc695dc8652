"""kubectl certificate: approve or deny requests for certificates.

In Kubernetes: k8s.io/kubectl/pkg/cmd/certificates.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds
from kubelab.api.errors import ApiError
from kubelab.api.objects import Arr, Obj, get, with_
from kubelab.api.rest import url
from kubelab.kubectl.errors import fail
from kubelab.kubectl.resources import Target, chosen, each, from_files
from kubelab.kubectl.session import Session
from kubelab.sim.kernel import timestamp

FLAGS = "filename,f=* recursive,R force output,o= all selector,l="
REQUEST = kinds.named("certificates.k8s.io/v1/CertificateSigningRequest")
WORDS = {
    "approve": ("Approved", "KubectlApprove",
                "This CSR was approved by kubectl certificate approve."),
    "deny": ("Denied", "KubectlDeny", "This CSR was denied by kubectl certificate deny."),
}  # fmt: skip


def run(session: Session, args: list[str]) -> None:
    """Runs the command."""
    if not args or args[0] not in WORDS:
        raise fail(
            f'unknown command "{" ".join(args[:1])}"\n'
            "See 'kubectl certificate -h' for help and examples"
        )
    type_, reason, message = WORDS[args[0]]
    flags = session.flags
    if flags.many("filename"):
        targets = from_files(session, flags.many("filename"))
    elif len(args) > 1:
        targets = [_target(session, name) for name in args[1:]]
    else:
        raise fail("one or more CSRs must be specified as <name> or -f <filename>")
    for target, obj in each(session, targets):
        if target.kind.kind != REQUEST.kind:
            raise fail("can only handle certificates.k8s.io/v1 certificate signing requests")
        conditions = list(get(obj, "status", "conditions", default=()))
        if flags.on("force") or not any(row["type"] == type_ for row in conditions):
            conditions = [row for row in conditions if row["type"] != type_]
            now = timestamp(session.now_ns)
            row: dict[str, Any] = {
                "type": type_, "status": "True", "reason": reason, "message": message,
                "lastUpdateTime": now,
            }  # fmt: skip
            changed = with_(obj, ("status", "conditions"), Arr([*conditions, Obj(row)]))
            try:
                session.call("PUT", url(REQUEST, "", target.name, "approval"), changed)
            except ApiError as error:
                session.fail(error)
                continue
        session.print(f"{target.shown} {type_.lower()}")


def _target(session: Session, name: str) -> Target:
    if "/" in name:
        return chosen(session, [name])[0]
    return Target(REQUEST, "", name)
