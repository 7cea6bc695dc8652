"""kubectl set: images, variables, resources and account of a workload; selectors and subjects.

In Kubernetes: k8s.io/kubectl/pkg/cmd/set.
"""

from __future__ import annotations

import re
from typing import Any

from kubelab.api.errors import ApiError
from kubelab.api.objects import Obj, get, thaw
from kubelab.api.rest import STRATEGIC_PATCH
from kubelab.kubectl.change import only_client, send
from kubelab.kubectl.errors import Failed, fail, usage
from kubelab.kubectl.manifest import dry_run
from kubelab.kubectl.resources import Target, chosen, each, named
from kubelab.kubectl.session import Session

FLAGS = (
    "filename,f=* recursive,R all selector,l= dry-run?unchanged output,o= field-manager= local "
    "containers,c= env,e=* list overwrite limits= requests= from= prefix= keys= resolve "
    "user=* group=* serviceaccount=*"
)
PATHS = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
TEMPLATE = ("spec", "template", "spec")


def run(session: Session, args: list[str]) -> None:
    """Runs the command."""
    words = {
        "image": _image, "env": _env, "resources": _resources, "serviceaccount": _account,
        "sa": _account, "selector": _selector, "subject": _subject,
    }  # fmt: skip
    if args and args[0] not in words:
        raise fail(f"unknown command \"{args[0]}\"\nSee 'kubectl set -h' for help and examples")
    if not args:
        raise usage("set", f"Unexpected args: [{' '.join(args)}]")
    words[args[0]](session, args[1:])


def _split(args: list[str]) -> tuple[list[str], list[str]]:
    """Arguments that name objects, and those that say what to set."""
    changes = [arg for arg in args if "=" in arg or (arg.endswith("-") and "/" not in arg)]
    return [arg for arg in args if arg not in changes], changes


def _change(session: Session, target: Target, pod: Any, word: str) -> None:
    """Sends what changes of a pod spec, and says so."""
    body: Any = pod
    for step in reversed(PATHS.get(target.kind.kind, TEMPLATE)):
        body = {step: body}
    if not only_client(session):
        send(session, target, body, STRATEGIC_PATCH, "kubectl-set")
    session.print(f"{target.shown} {word}{dry_run(session)}")


def _pod(target: Target, obj: Obj) -> Any:
    pod = get(obj, *PATHS.get(target.kind.kind, TEMPLATE))
    if not pod or "containers" not in pod:
        raise fail(f"{target.shown} has no pod template")
    return pod


def _each(session: Session, names: list[str], change: Any) -> None:
    for target, obj in each(session, chosen(session, names)):
        try:
            change(target, obj)
        except (ApiError, Failed) as error:
            session.fail(error)


def _image(session: Session, args: list[str]) -> None:
    names, changes = _split(args)
    if not names and not session.flags.many("filename"):
        raise fail("one or more resources must be specified as <resource> <name> or "
                   "<resource>/<name>")  # fmt: skip
    if not changes:
        raise fail("at least one image update is required")
    images = dict(change.partition("=")[::2] for change in changes)

    def change(target: Target, obj: Obj) -> None:
        pod = _pod(target, obj)
        updated: dict[str, list[Any]] = {}
        for name, image in images.items():
            found = False
            for field in ("containers", "initContainers"):
                for container in pod.get(field) or ():
                    if name not in ("*", container["name"]):
                        continue
                    found = True
                    if container.get("image") != image:
                        row = {"name": container["name"], "image": image}
                        updated.setdefault(field, []).append(row)
            if not found:
                raise fail(f'unable to find container named "{name}"')
        if updated:
            _change(session, target, updated, "image updated")

    _each(session, names, change)


def _env(session: Session, args: list[str]) -> None:
    flags = session.flags
    names, changes = _split(args)
    changes += flags.many("env")
    source = _variables_of(session, flags.text("from")) if flags.has("from") else []
    changes += [f"{name}={name}" for name, _ in source]
    taken = dict(source)

    def change(target: Target, obj: Obj) -> None:
        pod = _pod(target, obj)
        rows = []
        for container in pod["containers"]:
            if flags.text("containers", "*") not in ("*", container["name"]):
                continue
            if flags.on("list"):
                session.print(f"# {target.kind.kind} {target.name}, container {container['name']}")
                session.out += [_listed(item) for item in container.get("env") or ()]
                continue
            env = [
                {"name": item["name"], "value": None, "valueFrom": taken[item["name"]]}
                if item["name"] in taken else item
                for item in _variables(container, changes)
            ]  # fmt: skip
            if env != thaw(container.get("env") or []):
                rows.append({"name": container["name"], "env": _patch(container, env)})
        if rows and not flags.on("list"):
            _change(session, target, {"containers": rows}, "env updated")

    _each(session, names, change)


def _variables_of(session: Session, text: str) -> list[tuple[str, Any]]:
    """Variables that are taken from each key of a ConfigMap or Secret."""
    [target] = named(session, [text])
    if target.kind.kind not in ("ConfigMap", "Secret"):
        raise fail(f"unsupported resource specified in --from: {target.kind.kind}")
    held = session.get(target.kind, target.namespace, target.name)
    field = "configMapKeyRef" if target.kind.kind == "ConfigMap" else "secretKeyRef"
    prefix, found = session.flags.text("prefix"), []
    wished = session.flags.text("keys").split(",") if session.flags.has("keys") else None
    for key in sorted(held.get("data") or {}):
        if wished is not None and key not in wished:
            continue
        name = prefix + re.sub("[^A-Za-z0-9_]", "_", key).upper()
        if name != key:
            session.warn(f"Warning: key {key} transferred to {name}")
        found.append((name, {field: {"key": key, "name": target.name}}))
    return found


def _listed(item: Obj) -> str:
    if "valueFrom" in item:
        return f"# {item['name']} from {next(iter(item['valueFrom']))}\n"
    return f"{item['name']}={item.get('value', '')}\n"


def _variables(container: Obj, changes: list[str]) -> list[Any]:
    env = thaw(container.get("env") or [])
    for text in changes:
        key, equals, value = text.partition("=")
        if not equals:
            env = [item for item in env if item["name"] != key.removesuffix("-")]
            continue
        held = [item for item in env if item["name"] == key]
        if held:
            held[0].pop("valueFrom", None)
            held[0]["value"] = value
        else:
            env.append({"name": key, "value": value})
    return list(env)


def _patch(container: Obj, env: list[Any]) -> list[Any]:
    """What a strategic patch of the variables says: those that stay, and which ones go."""
    kept = [item["name"] for item in env]
    gone = [
        {"name": item["name"], "$patch": "delete"}
        for item in container.get("env") or ()
        if item["name"] not in kept
    ]
    return [*env, *gone]


def _resources(session: Session, args: list[str]) -> None:
    flags = session.flags
    wished = {
        field: dict(pair.partition("=")[::2] for pair in flags.text(field).split(","))
        for field in ("limits", "requests")
        if flags.has(field)
    }
    if not wished:
        raise fail("you must specify an update to requests or limits (in the form of --requests/"
                   "--limits)")  # fmt: skip

    def change(target: Target, obj: Obj) -> None:
        rows = [
            {"name": container["name"], "resources": wished}
            for container in _pod(target, obj)["containers"]
            if flags.text("containers", "*") in ("*", container["name"])
        ]
        _change(session, target, {"containers": rows}, "resource requirements updated")

    _each(session, args, change)


def _selector(session: Session, args: list[str]) -> None:
    """Which pods a Service is for."""
    names, changes = _split(args)
    wished = dict(pair.partition("=")[::2] for text in changes for pair in text.split(","))

    def change(target: Target, obj: Obj) -> None:
        held = get(obj, "spec", "selector", default={})
        body = {"spec": {"selector": {**dict.fromkeys(held), **wished}}}
        if not only_client(session):
            send(session, target, body, STRATEGIC_PATCH, "kubectl-set")
        session.print(f"{target.shown} selector updated{dry_run(session)}")

    _each(session, names, change)


def _subject(session: Session, args: list[str]) -> None:
    """Who has the role of a binding as well."""
    flags, rbac = session.flags, "rbac.authorization.k8s.io"
    wished: list[Any] = [
        {"apiGroup": rbac, "kind": kind, "name": name}
        for kind, flag in (("User", "user"), ("Group", "group"))
        for name in flags.many(flag)
    ]
    for account in flags.many("serviceaccount"):
        namespace, _, name = account.partition(":")
        wished.append({"kind": "ServiceAccount", "name": name, "namespace": namespace})
    if not wished:
        raise fail("you must specify at least one value of user, group or serviceaccount")

    def change(target: Target, obj: Obj) -> None:
        held = thaw(obj.get("subjects") or [])
        body = {"subjects": [*held, *(row for row in wished if row not in held)]}
        if not only_client(session):
            send(session, target, body, STRATEGIC_PATCH, "kubectl-set")
        session.print(f"{target.shown} subjects updated{dry_run(session)}")

    _each(session, args, change)


def _account(session: Session, args: list[str]) -> None:
    if len(args) < 2:
        raise fail("serviceaccount is required")
    *names, account = args

    def change(target: Target, obj: Obj) -> None:
        _pod(target, obj)
        _change(session, target, {"serviceAccountName": account}, "serviceaccount updated")

    _each(session, names, change)
