"""kubectl apply, replace and diff: manifests against what the cluster has.

In Kubernetes: k8s.io/kubectl/pkg/cmd/apply, replace and diff.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from typing import Any

from kubelab.api.errors import ApiError
from kubelab.api.objects import Obj, annotations_of, freeze, get, name_of, with_, without
from kubelab.api.rest import APPLY_PATCH, JSON_PATCH, url
from kubelab.kubectl import applying, output
from kubelab.kubectl.delete import remove
from kubelab.kubectl.errors import Failed, fail, server_text
from kubelab.kubectl.resources import Target, each, from_files, kind_word, named
from kubelab.kubectl.session import Session
from kubelab.sim.kernel import timestamp

APPLY = (
    "filename,f=* recursive,R kustomize,k= dry-run?unchanged output,o= server-side "
    "force-conflicts field-manager= validate?strict prune selector,l= all force grace-period= "
    "overwrite wait timeout= show-managed-fields cascade?background create-annotation "
    "openapi-patch prune-allowlist=* "
)
REPLACE = (
    "filename,f=* recursive,R dry-run?unchanged output,o= force grace-period= cascade?background "
    "validate?strict field-manager= save-config timeout= wait subresource="
)
DIFF = "filename,f=* recursive,R server-side force-conflicts field-manager= selector,l="
LAST = ("metadata", "annotations", applying.LAST_APPLIED)
CLIENT_SIDE = "kubectl-client-side-apply"
MARK = f"f:{applying.LAST_APPLIED}"
MISSING = (
    "Warning: resource {} is missing the {} annotation which is required by kubectl apply. "
    "kubectl apply should only be used on resources created declaratively by either kubectl create "
    "--save-config or kubectl apply. The missing annotation will be patched automatically."
)
ADVICE = (
    "Please review the fields above--they currently have other managers. Here\n"
    "are the ways you can resolve this warning:\n"
    "* If you intend to manage all of these fields, please re-run the apply\n"
    "  command with the `--force-conflicts` flag.\n"
    "* If you do not intend to manage all of the fields, please edit your\n"
    "  manifest to remove references to the fields that should keep their\n"
    "  current managers.\n"
    "* You may co-own fields by updating your manifest to match the existing\n"
    "  value; in this case, you'll become the manager if the other manager(s)\n"
    "  stop managing the field (remove it from their configuration).\n"
    "See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts"
)


def query(session: Session, manager: str) -> str:
    """The query of a write: manager, level of validation, dry run."""
    flags = session.flags
    given = flags.text("validate", "strict").lower()
    level = {"false": "Ignore", "ignore": "Ignore", "warn": "Warn"}.get(given, "Strict")
    manager = flags.text("field-manager", manager)
    dry = "&dryRun=All" if flags.text("dry-run") == "server" else ""
    return f"fieldManager={manager}&fieldValidation={level}{dry}"


def dry_run(session: Session) -> str:
    """How a verb ends in a dry run. Raises Failed for an unknown strategy."""
    way = session.flags.text("dry-run", "none")
    if way not in ("none", "client", "server", "unchanged"):
        raise fail(f'Invalid dry-run value ({way}). Must be "none", "server", or "client".')
    return {"none": "", "server": " (server dry run)"}.get(way, " (dry run)")


def apply(session: Session, args: list[str]) -> None:
    """Runs `kubectl apply`, and `view-last-applied` and `set-last-applied`."""
    flags = session.flags
    if args[:1] == ["view-last-applied"]:
        _view(session, args[1:])
        return
    if args[:1] == ["set-last-applied"]:
        _set(session)
        return
    if args:
        raise fail(f"Unexpected args: [{' '.join(args)}]\nSee 'kubectl apply -h' for help and "
                   "examples")  # fmt: skip
    if not flags.many("filename"):
        raise fail("must specify one of -f and -k")
    ending = dry_run(session)
    targets = from_files(session, flags.many("filename"))
    if flags.on("prune"):
        raise fail("the built-in kubectl does not prune; delete what is left over by its label")
    for target in targets:
        try:
            if flags.on("server-side"):
                obj, word = _server_side(session, target), "serverside-applied"
            else:
                obj, word = _client_side(session, target)
        except ApiError as error:
            session.fail(error, _doing(error, target))
            continue
        except Failed as error:
            session.fail(error)
            continue
        shown = f"{kind_word(target.kind)}/{name_of(obj)}"
        session.out.append(output.printed(obj, shown, flags.text("output"), word + ending))


def _doing(error: ApiError, target: Target) -> str:
    """What kubectl says before a refusal that came while it wrote."""
    method = getattr(error, "method", "POST")
    if error.code == 404 and method == "GET":
        return ""
    if method == "PATCH":
        return f'error when applying patch:\nto:\n"{target.source}"'
    return f'error when creating "{target.source}"'


def _client_side(session: Session, target: Target) -> tuple[Obj, str]:
    """Three-way merge; in a dry run of the client's own only the wish is shown."""
    obj = _placed(target)
    live = session.find(target.kind, target.namespace, target.name) if target.name else None
    if live is not None and applying.LAST_APPLIED not in annotations_of(live):
        session.warn(MISSING.format(f"{target.kind.plural}/{target.name}", applying.LAST_APPLIED))
    if session.flags.text("dry-run") in ("client", "unchanged"):
        return obj, "created" if live is None else "configured"
    return applying.outcome(_writer(session, "kubectl-client-side-apply"), obj)


def _placed(target: Target) -> Obj:
    """The object of a manifest with its namespace."""
    assert target.obj is not None
    if not target.namespace:
        return target.obj
    placed: Obj = with_(target.obj, ("metadata", "namespace"), target.namespace)
    return placed


def _writer(session: Session, manager: str) -> Callable[..., Any]:
    """`call` with this run's query in place of the usual one."""

    def call(method: str, path: str, body: Any = None, headers: Any = None) -> Any:
        head, _, _ = path.partition("?")
        asked = f"{head}?{query(session, manager)}" if method != "GET" else path
        try:
            return session.call(method, asked, body, headers)
        except ApiError as error:
            error.method = method  # type: ignore[attr-defined]
            raise

    return call


def _server_side(session: Session, target: Target) -> Obj:
    """Server-side apply; what was applied by the client before is taken over first."""
    live = session.find(target.kind, target.namespace, target.name)
    if live is not None and not dry_run(session):
        _take_over(session, target, live)
    force = "true" if session.flags.on("force-conflicts") else "false"
    obj = _placed(target)
    try:
        applied = _applied(session, target, obj, f"{query(session, 'kubectl')}&force={force}")
    except ApiError as error:
        if error.reason == "Conflict":
            raise Failed(f"error: {error.status.get('message')}\n{ADVICE}") from None
        raise
    ours = session.flags.text("field-manager", "kubectl") == "kubectl"
    if ours and applying.LAST_APPLIED in annotations_of(applied) and not dry_run(session):
        annotations = {applying.LAST_APPLIED: _remembered(obj)}
        metadata = {"name": target.name, "annotations": annotations}
        if target.namespace:
            metadata["namespace"] = target.namespace
        head = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}
        asked = "fieldManager=kubectl-last-applied&force=true"
        applied = _applied(session, target, head, asked)
    return applied


def _remembered(obj: Obj) -> str:
    """An object as text for the annotation, without annotations where it has none."""
    plain = json.loads(annotations_of(applying.annotated(obj))[applying.LAST_APPLIED])
    if not plain["metadata"]["annotations"]:
        del plain["metadata"]["annotations"]
    return output.compact_json(plain) + "\n"


def _applied(session: Session, target: Target, obj: Any, asked: str) -> Obj:
    path = f"{url(target.kind, target.namespace, target.name)}?{asked}"
    body = json.dumps(obj).encode()
    applied: Obj = session.call("PATCH", path, body, {"Content-Type": APPLY_PATCH})
    return applied


def _take_over(session: Session, target: Target, live: Obj) -> None:
    """The fields of client-side apply become fields of `kubectl`'s server-side apply."""
    manager = session.flags.text("field-manager", "kubectl")
    entries = list(get(live, "metadata", "managedFields", default=()))
    client = [
        entry for entry in entries
        if entry["operation"] == "Update"
        and get(entry, "fieldsV1", "f:metadata", "f:annotations", MARK) is not None
    ]  # fmt: skip
    if manager != "kubectl" or not client:
        return
    fields: Any = {}
    for entry in client:
        owned = without(entry.get("fieldsV1") or {}, ("f:metadata", "f:annotations", MARK))
        fields = _union(fields, owned)
    rest = [entry for entry in entries if entry not in client]
    for at, entry in enumerate(rest):
        if entry["manager"] == manager and entry["operation"] == "Apply":
            rest[at] = {**entry, "fieldsV1": _union(entry.get("fieldsV1") or {}, fields)}
            break
    else:
        rest.append({**client[0], "manager": manager, "operation": "Apply", "fieldsV1": fields})
    change = [
        {"op": "replace", "path": "/metadata/managedFields", "value": rest},
        {"op": "replace", "path": "/metadata/resourceVersion",
         "value": live["metadata"]["resourceVersion"]},
    ]  # fmt: skip
    path = url(target.kind, target.namespace, target.name)
    session.call("PATCH", path, freeze(change), {"Content-Type": JSON_PATCH})


def _union(one: Any, other: Any) -> Any:
    """Both sets of fields."""
    keys = dict.fromkeys([*one, *other])
    return {key: _union(one.get(key) or {}, other.get(key) or {}) for key in keys}


def _view(session: Session, args: list[str]) -> None:
    for _, obj in each(session, named(session, args)):
        text = annotations_of(obj).get(applying.LAST_APPLIED)
        if text is None:
            continue
        applied = json.loads(text)
        if session.flags.text("output", "yaml") == "json":
            session.print(json.dumps(applied, indent=2, sort_keys=True))
        else:
            session.out.append(output.to_yaml(applied))


def _set(session: Session) -> None:
    for target in from_files(session, session.flags.many("filename")):
        text = _remembered(_placed(target))
        body = {"metadata": {"annotations": {applying.LAST_APPLIED: text}}}
        path = url(target.kind, target.namespace, target.name)
        headers = {"Content-Type": "application/merge-patch+json"}
        session.call("PATCH", f"{path}?fieldManager=kubectl", body, headers)
        session.print(f"{target.shown} configured")


# Replace and diff.


def replace(session: Session, args: list[str]) -> None:
    """Runs `kubectl replace`."""
    if not session.flags.many("filename"):
        raise fail("must specify one of -f and -k")
    ending = dry_run(session)
    for target in from_files(session, session.flags.many("filename")):
        try:
            obj = _replaced(session, target)
        except ApiError as error:
            session.fail(error, f'error when replacing "{target.source}"')
            continue
        session.out.append(
            output.printed(obj, target.shown, session.flags.text("output"), "replaced" + ending)
        )


def _replaced(session: Session, target: Target) -> Obj:
    obj = _placed(target)
    asked = query(session, "kubectl-replace")
    if session.flags.on("force"):
        if session.find(target.kind, target.namespace, target.name) is not None:
            remove(session, [target], told=False)
        made: Obj = session.call("POST", f"{url(target.kind, target.namespace)}?{asked}", obj)
        return made
    live = session.get(target.kind, target.namespace, target.name)
    if not get(obj, "metadata", "resourceVersion"):
        version = get(live, "metadata", "resourceVersion")
        obj = with_(obj, ("metadata", "resourceVersion"), version)
    path = f"{url(target.kind, target.namespace, target.name)}?{asked}"
    stored: Obj = session.call("PUT", path, obj)
    return stored


def diff(session: Session, args: list[str]) -> None:
    """Runs `kubectl diff`: exit code 1 where something differs, above where it fails."""
    if not session.flags.many("filename"):
        raise Failed("error: must specify one of -f and -k", 2)
    session.flags.values["dry-run"] = "server"
    try:
        targets = from_files(session, session.flags.many("filename"))
        for target in targets:
            live = session.find(target.kind, target.namespace, target.name)
            merged, _ = applying.outcome(_writer(session, "kubectl-client-side-apply"),
                                         _placed(target))  # fmt: skip
            _show(session, target, live, merged)
    except Failed as error:
        raise Failed(error.text, 2) from None
    except ApiError as error:
        raise Failed(server_text(error), 2) from None


def _show(session: Session, target: Target, live: Obj | None, merged: Obj) -> None:
    """The difference, but for what moves in any write."""
    before = output.to_yaml(output.unmanaged(live)) if live else ""
    for path in (("metadata", "resourceVersion"), LAST) if live else ():
        held = get(live, *path)
        merged = without(merged, path) if held is None else with_(merged, path, held)
    after = output.to_yaml(output.unmanaged(merged))
    if before == after:
        return
    kind = target.kind
    parts = (kind.group, kind.version, kind.kind, target.namespace, target.name)
    name = ".".join(part for part in parts if part)
    stamp = timestamp(session.now_ns).replace("T", " ").replace("Z", ".000000000 +0000")
    session.print(f"diff -u -N LIVE/{name} MERGED/{name}")
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"LIVE/{name}", f"MERGED/{name}", stamp, stamp,
        lineterm="",
    )  # fmt: skip
    session.out += [line + "\n" for line in lines]
    session.failed = 1
