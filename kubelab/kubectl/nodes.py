"""kubectl taint, cordon, uncordon and drain: nodes that pods shall leave or not come to.

In Kubernetes: k8s.io/kubectl/pkg/cmd/taint and pkg/drain.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.api import kinds
from kubelab.api.errors import ApiError
from kubelab.api.objects import (
    Obj,
    annotations_of,
    controller_of,
    get,
    name_of,
    namespace_of,
    uid_of,
)
from kubelab.api.rest import STRATEGIC_PATCH, url
from kubelab.kubectl.change import only_client, send
from kubelab.kubectl.errors import Failed, fail, usage
from kubelab.kubectl.flags import seconds
from kubelab.kubectl.manifest import dry_run
from kubelab.kubectl.resources import Target, each, named
from kubelab.kubectl.session import FOREVER_SECONDS, Session
from kubelab.sim.kernel import SECOND

TAINT = "all selector,l= overwrite dry-run?unchanged output,o= field-manager= validate?strict"
CORDON = "selector,l= dry-run?unchanged output,o="
DRAIN = (
    "ignore-daemonsets force delete-emptydir-data grace-period= timeout= selector,l= "
    "pod-selector= dry-run?unchanged disable-eviction skip-wait-for-delete-timeout= chunk-size="
)
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
NODE = kinds.named("v1/Node")
POD = kinds.named("v1/Pod")


class Taint(NamedTuple):
    """A taint of the command line; an empty effect stands for all."""

    key: str
    value: str
    effect: str


def _taint(text: str) -> Taint:
    rest, colon, effect = text.partition(":")
    key, _, value = rest.partition("=")
    if colon and effect not in EFFECTS:
        raise usage("taint", f"invalid taint effect: {effect}, unsupported taint effect")
    return Taint(key, value, effect)


def taint(session: Session, args: list[str]) -> None:
    """Runs `kubectl taint`."""
    if not args:
        raise fail("one or more resources must be specified as <resource> <name> or "
                   "<resource>/<name>")  # fmt: skip
    if named(session, args[:1])[0].kind != NODE:
        word = args[0].partition("/")[0]
        raise fail(f"invalid resource type {word}, only node types are supported")
    names = [arg for arg in args[1:] if "=" not in arg and ":" not in arg and not arg.endswith("-")]
    changes = [arg for arg in args[1:] if arg not in names]
    if not changes:
        raise fail("at least one taint update is required")
    new = [_taint(arg) for arg in changes if not arg.endswith("-")]
    old = [_taint(arg[:-1]) for arg in changes if arg.endswith("-")]
    ending = dry_run(session)
    targets = named(session, [args[0], *names])
    if not names:
        targets = [Target(NODE, "", name_of(node)) for node in _selected(session)]
    for target, node in each(session, targets):
        held = list(get(node, "spec", "taints", default=()))
        try:
            left = _tainted(session, node, held, new, old)
        except Failed as error:
            session.fail(error)
            continue
        if not only_client(session):
            change = {"spec": {"taints": left}}
            send(session, target, change, "application/merge-patch+json", "kubectl-taint")
        replaced = any((i["key"], i["effect"]) == (t.key, t.effect) for t in new for i in held)
        word = "modified" if new and (old or replaced) else "tainted" if new else "untainted"
        session.print(f"{target.shown} {word}{ending}")


def _selected(session: Session) -> Any:
    if not session.flags.on("all") and not session.flags.has("selector"):
        raise fail("at least one resource name must be specified since 'all' parameter is not set")
    return session.list(NODE, labels=session.flags.text("selector"))


def _tainted(
    session: Session, node: Obj, held: list[Any], new: list[Taint], old: list[Taint]
) -> list[Any]:
    """The taints after the change."""
    for taint in old:
        kept = [
            item for item in held
            if item["key"] != taint.key or (taint.effect and item["effect"] != taint.effect)
        ]  # fmt: skip
        if len(kept) == len(held):
            effect = f":{taint.effect}" if taint.effect else ""
            raise fail(f'taint "{taint.key}{effect}" not found')
        held = kept
    taken = [
        taint.key for taint in new
        if any(i["key"] == taint.key and i["effect"] == taint.effect for i in held)
    ]  # fmt: skip
    if taken and not session.flags.on("overwrite"):
        raise fail(
            f"node {name_of(node)} already has {', '.join(taken)} taint(s) with same effect(s) and "
            "--overwrite is false"
        )
    for taint in new:
        held = [i for i in held if (i["key"], i["effect"]) != (taint.key, taint.effect)]
        item = {"key": taint.key, "effect": taint.effect}
        held.append({**item, "value": taint.value} if taint.value else item)
    return held


# Cordon.


def cordon(session: Session, args: list[str]) -> None:
    """Runs `kubectl cordon`."""
    _each_node(session, args, True)


def uncordon(session: Session, args: list[str]) -> None:
    """Runs `kubectl uncordon`."""
    _each_node(session, args, False)


def _nodes(session: Session, args: list[str]) -> list[tuple[Target, Obj]]:
    if session.flags.has("selector"):
        found = session.list(NODE, labels=session.flags.text("selector"))
        return [(Target(NODE, "", name_of(node)), node) for node in found]
    if not args:
        raise usage(
            session.flags.command, f"USAGE: {session.flags.command} NODE [flags]"
        )  # fmt: skip
    targets = [Target(NODE, "", arg.removeprefix("node/")) for arg in args]
    return each(session, targets)


def _each_node(session: Session, args: list[str], wished: bool) -> None:
    for target, node in _nodes(session, args):
        _cordoned(session, target, node, wished)


def _cordoned(session: Session, target: Target, node: Obj, wished: bool) -> None:
    word = "cordoned" if wished else "uncordoned"
    if bool(get(node, "spec", "unschedulable")) == wished:
        session.print(f"{target.shown} already {word}{dry_run(session)}")
        return
    if not only_client(session):
        change = {"spec": {"unschedulable": True if wished else None}}
        send(session, target, change, STRATEGIC_PATCH, "kubectl")
    session.print(f"{target.shown} {word}{dry_run(session)}")


# Drain.

REASONS = {
    "local": "cannot delete Pods with local storage (use --delete-emptydir-data to override)",
    "daemon": "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)",
    "alone": "cannot delete Pods that declare no controller (use --force to override)",
}


def drain(session: Session, args: list[str]) -> None:
    """Runs `kubectl drain`: no new pods, and the present ones evicted."""
    nodes = _nodes(session, args)
    for target, node in nodes:
        _cordoned(session, target, node, True)
        leaving, refused = _sorted_out(session, name_of(node))
        if refused:
            _refuse(session, name_of(node), refused)
            continue
        evicted = [pod for pod in leaving if _evict(session, pod)]
        for pod in evicted:
            _await_end(session, pod)
        session.print(f"{target.shown} drained{dry_run(session)}")


def _sorted_out(session: Session, node: str) -> tuple[list[Obj], dict[str, list[str]]]:
    """The pods that are to leave, and those that forbid it, by reason."""
    flags = session.flags
    leaving: list[Obj] = []
    refused: dict[str, list[str]] = {}
    ignored: list[str] = []
    for pod in session.list(POD, "", flags.text("pod-selector"), f"spec.nodeName={node}"):
        name, owner = f"{namespace_of(pod)}/{name_of(pod)}", controller_of(pod)
        ended = get(pod, "status", "phase") in ("Succeeded", "Failed")
        if "kubernetes.io/config.mirror" in annotations_of(pod):
            continue
        if owner is not None and owner["kind"] == "DaemonSet" and not ended:
            if flags.on("ignore-daemonsets"):
                ignored.append(name)
            else:
                refused.setdefault("daemon", []).append(name)
            continue
        scratch = any("emptyDir" in v for v in get(pod, "spec", "volumes", default=()))
        if scratch and not ended and not flags.on("delete-emptydir-data"):
            refused.setdefault("local", []).append(name)
        elif owner is None and not ended and not flags.on("force"):
            refused.setdefault("alone", []).append(name)
        else:
            leaving.append(pod)
    if ignored and not refused:
        session.warn(f"Warning: ignoring DaemonSet-managed Pods: {', '.join(ignored)}")
    return leaving, refused


def _refuse(session: Session, node: str, refused: dict[str, list[str]]) -> None:
    texts = [f"{REASONS[r]}: {', '.join(refused[r])}" for r in ("local", "daemon", "alone")
             if r in refused]  # fmt: skip
    shown = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    session.fail(
        Failed(
            f'error: unable to drain node "{node}" due to error: {shown}, continuing command...\n'
            f"There are pending nodes to be drained:\n {node}\n" + "\n".join(texts)
        )
    )


def _limit(session: Session) -> float:
    return seconds(session.flags.text("timeout")) or FOREVER_SECONDS


def _evict(session: Session, pod: Obj) -> bool:
    """Asks for the eviction of a pod until no budget stands in the way; whether it is granted."""
    namespace, name = namespace_of(pod), name_of(pod)
    if only_client(session):
        session.print(f"evicting pod {namespace}/{name} (dry run)")
        return False
    session.print(f"evicting pod {namespace}/{name}")
    body = {
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
    }  # fmt: skip
    began = session.now_ns
    while True:
        try:
            session.call("POST", url(POD, namespace, name, "eviction"), body)
            return True
        except ApiError as error:
            if error.code == 404:
                return True
            about = f'error when evicting pods/"{name}" -n "{namespace}"'
            if error.code != 429 or session.now_ns - began > _limit(session) * SECOND:
                session.fail(error, about)
                return False
            session.warn(f"{about} (will retry after 5s): {error.status.get('message')}")
            session.wait(POD, namespace, name, lambda found: found is None, 5)


def _await_end(session: Session, pod: Obj) -> None:
    uid = uid_of(pod)

    def gone(found: Obj | None) -> bool:
        return found is None or uid_of(found) != uid

    if session.wait(POD, namespace_of(pod), name_of(pod), gone, _limit(session)):
        session.print(f"pod/{name_of(pod)} evicted")
