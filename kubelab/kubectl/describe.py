"""kubectl describe: all about an object, what belongs to it, and what has been reported of it.

Kinds that have a page of their own stand in the tables of the files beside this one; any other is
shown field by field.

In Kubernetes: k8s.io/kubectl/pkg/describe and pkg/cmd/describe.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kubelab.api import kinds
from kubelab.api.errors import ApiError
from kubelab.api.objects import Obj, name_of, namespace_of, uid_of
from kubelab.kubectl import (
    describe_certificate,
    describe_cluster,
    describe_network,
    describe_policy,
    describe_storage,
    describe_workloads,
)
from kubelab.kubectl.errors import Failed
from kubelab.kubectl.events import EVENT, last_seen
from kubelab.kubectl.page import Page
from kubelab.kubectl.resources import Target, from_files, named
from kubelab.kubectl.session import Session

FLAGS = "all-namespaces,A selector,l= filename,f=* recursive,R show-events chunk-size="
NO_TYPE = (
    'You must specify the type of resource to describe. Use "kubectl api-resources" for a complete '
    "list of supported resources."
)
AUTOSCALER = kinds.named("autoscaling/v2/HorizontalPodAutoscaler")
Maker = Callable[[Session, Page, Obj, Any], None]
PAGES: dict[str, Maker] = {
    **describe_workloads.PAGES, **describe_network.PAGES, **describe_cluster.PAGES,
    **describe_policy.PAGES, **describe_storage.PAGES,
    **describe_certificate.PAGES,
}  # fmt: skip


def run(session: Session, args: list[str]) -> None:
    """Runs the command."""
    flags = session.flags
    if flags.many("filename"):
        targets = from_files(session, flags.many("filename"))
    elif args:
        targets = named(session, args)
    else:
        raise Failed(f"error: {NO_TYPE}")
    found: list[tuple[Target, Obj]] = []
    for target in targets:
        try:
            found += [(target, obj) for obj in _found(session, target)]
        except ApiError as error:
            if error.code == 404 and len(args) == 2 and len(targets) == 1:
                _begun(session, target, error)
                return
            session.fail(error)
    # Of several objects no events are shown, unless they are asked for.
    alone = len(found) == 1 and not session.failed
    pages = [_page(session, target, obj, events=alone) for target, obj in found]
    if pages:
        session.out.append("\n\n".join(pages))
    elif not session.failed:
        everywhere = flags.on("all-namespaces") or not targets[0].kind.namespaced
        where = "" if everywhere else f" in {session.namespace} namespace."
        session.warn(f"No resources found{where}")


def _found(session: Session, target: Target) -> list[Obj]:
    """The object, or all of a kind."""
    flags = session.flags
    namespace = "" if flags.on("all-namespaces") else target.namespace
    if not target.name:
        found: list[Obj] = session.list(target.kind, namespace, flags.text("selector"))
        return found
    return [session.get(target.kind, target.namespace, target.name)]


def _begun(session: Session, target: Target, error: ApiError) -> None:
    """The objects whose names begin like the one that is not there."""
    alike = session.list(target.kind, target.namespace)
    begun = [obj for obj in alike if name_of(obj).startswith(target.name)]
    if not begun:
        raise error
    session.out += [_page(session, target, obj, events=False) + "\n" for obj in begun]


def _page(session: Session, target: Target, obj: Obj, *, events: bool) -> str:
    page = Page(session.now_ns)
    if target.kind.kind == "HorizontalPodAutoscaler" and target.kind.version != AUTOSCALER.version:
        obj = session.get(AUTOSCALER, namespace_of(obj), name_of(obj))
    shown = session.flags.on("show-events", default=events)
    reported = _events(session, obj) if shown else None
    maker = PAGES.get(obj.get("kind", target.kind.kind), generic)
    maker(session, page, obj, reported)
    return page.text()


def _events(session: Session, obj: Obj) -> Any:
    fields = [f"involvedObject.name={name_of(obj)}", f"involvedObject.kind={obj.get('kind')}"]
    if namespace_of(obj):
        fields.append(f"involvedObject.namespace={namespace_of(obj)}")
    found = []
    # A kubelet gives its node's name for the uid in what it reports of the node.
    for uid in (uid_of(obj), name_of(obj)) if obj.get("kind") == "Node" else (uid_of(obj),):
        asked = ",".join([*fields, f"involvedObject.uid={uid}"])
        try:
            found += session.list(EVENT, namespace_of(obj), "", asked)
        except ApiError:
            return []
    found.sort(key=last_seen)
    return found


# A kind without a page.

HIDDEN = ("name", "namespace", "labels", "annotations", "managedFields")
UPPER = ("API", "URL", "UID", "OSB", "GUID")


def generic(session: Session, page: Page, obj: Obj, events: Any) -> None:
    """Every field of an object."""
    page.head(obj)
    page.marks(obj)
    rest: dict[str, Any] = {key: value for key, value in obj.items() if key != "metadata"}
    metadata = obj.get("metadata") or {}
    rest["metadata"] = {key: value for key, value in metadata.items() if key not in HIDDEN}
    _fields(page, 0, rest)
    page.events(events)


def _fields(page: Page, level: int, fields: Any) -> None:
    for key in sorted(fields):
        value = fields[key]
        if isinstance(value, dict):
            page.write(level, f"{_title(key)}:")
            _fields(page, level + 1, value)
        elif isinstance(value, list):
            page.write(level, f"{_title(key)}:")
            for item in value:
                if isinstance(item, dict):
                    _fields(page, level + 1, item)
                else:
                    page.write(level + 1, _shown(item))
        else:
            page.write(level, f"{_title(key)}:\t{_shown(value)}")


def _shown(value: Any) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _title(key: str) -> str:
    """`creationTimestamp` as `Creation Timestamp`; a key that is more than letters stays."""
    if not all(letter.isalpha() or letter == "-" for letter in key):
        return key
    shown = []
    for part in re.findall(
        r"(?:API|URL|UID)s(?![a-z])|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|-+", key
    ):
        upper = part.upper()
        shown.append(upper if upper in UPPER else part[:1].upper() + part[1:])
    return " ".join(shown)
