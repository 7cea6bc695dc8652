"""kubectl auth: who one is, and what one may do.

In Kubernetes: k8s.io/kubectl/pkg/cmd/auth. Left out: reconcile.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds
from kubelab.api.objects import Obj
from kubelab.api.rest import url
from kubelab.kubectl import output, tabwriter
from kubelab.kubectl.describe_policy import rule_rows
from kubelab.kubectl.errors import Failed, fail
from kubelab.kubectl.page import words
from kubelab.kubectl.resources import kind_of
from kubelab.kubectl.session import Session

AUTH = "list all-namespaces,A quiet,q subresource= no-headers output,o="
REVIEWS = "authorization.k8s.io/v1"


def auth(session: Session, args: list[str]) -> None:
    """Runs `kubectl auth can-i` and `whoami`."""
    if args[:1] == ["whoami"]:
        _who(session)
    elif args[:1] == ["can-i"]:
        _can(session, args[1:])
    else:
        raise fail(
            f"unknown command \"{' '.join(args[:1])}\"\nSee 'kubectl auth -h' for help and examples"
        )


def _review(session: Session, api_version: str, kind: str, spec: Any) -> Obj:
    row = kinds.by_kind(api_version, kind)
    body: dict[str, Any] = {"apiVersion": api_version, "kind": kind, "metadata": {}}
    if spec:
        body["spec"] = spec
    answer: Obj = session.call("POST", url(row), body)
    return answer


def _who(session: Session) -> None:
    review = _review(session, "authentication.k8s.io/v1", "SelfSubjectReview", {})
    form = session.flags.text("output")
    if form:
        session.out.append(output.render(review, form, as_sent=True))
        return
    user = (review.get("status") or {}).get("userInfo") or {}
    rows = [["ATTRIBUTE", "VALUE"], ["Username", user.get("username", "")]]
    if user.get("uid"):
        rows.append(["UID", user["uid"]])
    if user.get("groups"):
        rows.append(["Groups", f"[{' '.join(user['groups'])}]"])
    session.out.append(tabwriter.rows(rows))


def _can(session: Session, args: list[str]) -> None:
    flags = session.flags
    if flags.on("list"):
        _rules(session)
        return
    if len(args) != 2:
        raise Failed(
            "error: you must specify two arguments: verb resource or verb resource/resourceName.\n"
            "See 'kubectl auth can-i -h' for help and examples."
        )
    verb, what = args[0], args[1]
    spec: dict[str, Any]
    if what.startswith("/"):
        spec = {"nonResourceAttributes": {"path": what, "verb": verb}}
    else:
        word, _, name = what.partition("/")
        attributes = {"verb": verb, "resource": word, "name": name}
        try:
            kind = kind_of(session, word) if word != "*" else None
        except Failed:
            kind = None
            session.warn(f"Warning: the server doesn't have a resource type '{word}'\n")
        if kind is not None:
            attributes.update(group=kind.group, resource=kind.plural)
        if kind is None or kind.namespaced:
            attributes["namespace"] = "" if flags.on("all-namespaces") else session.namespace
        else:
            session.warn(
                f"Warning: resource '{kind.plural}' is not namespace scoped"
                + (f" in group '{kind.group}'" if kind.group else "") + "\n"
            )  # fmt: skip
        if flags.has("subresource"):
            attributes["subresource"] = flags.text("subresource")
        spec = {"resourceAttributes": {key: value for key, value in attributes.items() if value}}
    review = _review(session, REVIEWS, "SelfSubjectAccessReview", spec)
    status = review.get("status") or {}
    allowed = bool(status.get("allowed"))
    if not flags.on("quiet"):
        why = f" - {status['reason']}" if status.get("reason") and not allowed else ""
        session.print("yes" if allowed else f"no{why}")
    session.failed = 0 if allowed else 1


def _rules(session: Session) -> None:
    spec = {"namespace": session.namespace}
    review = _review(session, REVIEWS, "SelfSubjectRulesReview", spec)
    status = review.get("status") or {}
    head = ["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]
    rows = [] if session.flags.on("no-headers") else [head]
    granted = [*(status.get("resourceRules") or ()), *(status.get("nonResourceRules") or ())]
    for resource, urls, names, verbs in rule_rows(granted):
        rows.append([resource, words(urls), words(names), words(verbs)])
    session.out.append(tabwriter.rows(rows))
