"""kubectl rollout: how far a change of a workload has come, what it was before, and back.

In Kubernetes: k8s.io/kubectl/pkg/cmd/rollout and pkg/polymorphichelpers.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds, selectors
from kubelab.api.errors import ApiError
from kubelab.api.objects import (
    Obj,
    annotations_of,
    controller_of,
    get,
    name_of,
    thaw,
    uid_of,
    without,
)
from kubelab.api.rest import JSON_PATCH, STRATEGIC_PATCH
from kubelab.kubectl import output
from kubelab.kubectl.applying import LAST_APPLIED
from kubelab.kubectl.change import only_client, send
from kubelab.kubectl.describe_template import template_text
from kubelab.kubectl.errors import Failed, fail, usage
from kubelab.kubectl.flags import seconds
from kubelab.kubectl.manifest import dry_run
from kubelab.kubectl.resources import Target, chosen, each
from kubelab.kubectl.session import FOREVER_SECONDS, Session
from kubelab.sim.kernel import timestamp

FLAGS = (
    "filename,f=* recursive,R selector,l= timeout= watch,w revision= to-revision= output,o= "
    "dry-run?unchanged field-manager= all"
)
REVISION = "deployment.kubernetes.io/revision"
CAUSE = "kubernetes.io/change-cause"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
HASH = "pod-template-hash"
ROLLED = ("Deployment", "DaemonSet", "StatefulSet")
REPLICA_SET = kinds.named("apps/v1/ReplicaSet")
CONTROLLER_REVISION = kinds.named("apps/v1/ControllerRevision")
BEHIND = (
    "Warning: resource {} was previously managed with 'kubectl apply'. Rolling back will not "
    "update the kubectl.kubernetes.io/last-applied-configuration annotation, which may cause "
    "unexpected behavior on future 'kubectl apply' operations. Consider using 'kubectl apply' with "
    "your previous configuration file instead."
)


def run(session: Session, args: list[str]) -> None:
    """Runs the command."""
    words = {
        "status": _status, "history": _history, "undo": _undo, "restart": _restart,
        "pause": _pause, "resume": _resume,
    }  # fmt: skip
    if args and args[0] not in words:
        raise fail(f"unknown command \"{args[0]}\"\nSee 'kubectl rollout -h' for help and examples")
    if not args:
        raise usage("rollout", f"Unexpected args: [{' '.join(args)}]")
    if len(args) < 2 and not session.flags.many("filename"):
        raise fail("required resource not specified")
    for target, obj in each(session, chosen(session, args[1:], everything=True)):
        try:
            words[args[0]](session, target, obj)
        except (ApiError, Failed) as error:
            session.fail(error)


# Status.


def _status(session: Session, target: Target, obj: Obj) -> None:
    if target.kind.kind not in ROLLED:
        raise fail(f"no status viewer has been implemented for {target.kind.kind}")
    _check_revision(session, target, obj)
    seen: list[str] = []
    failed: list[str] = []

    def finished(now: Obj | None) -> bool:
        if now is None:
            failed.append("object has been deleted")
            return True
        text, done = progress(target.kind.kind, now, failed)
        version = str(get(now, "metadata", "resourceVersion"))
        if text and version not in seen:
            session.print(text)
        seen[:] = [version]
        return done or bool(failed)

    limit = seconds(session.flags.text("timeout")) or FOREVER_SECONDS
    if not session.flags.on("watch", default=True):
        finished(obj)
    elif not session.wait(target.kind, target.namespace, target.name, finished, limit):
        raise fail("timed out waiting for the condition")
    if failed:
        raise fail(failed[0])


def _check_revision(session: Session, target: Target, obj: Obj) -> None:
    """Fails where a Deployment has another revision than the one that is watched for."""
    wished = session.flags.number("revision")
    running = annotations_of(obj).get(REVISION, "0")
    if wished and target.kind.kind == "Deployment" and str(wished) != running:
        raise fail(
            f"desired revision ({wished}) is different from the running revision ({running})"
        )


def progress(kind: str, obj: Obj, failed: list[str]) -> tuple[str, bool]:
    """How far a rollout has come, in kubectl's words, and whether it is done."""
    name, status = name_of(obj), obj.get("status") or {}
    generation = get(obj, "metadata", "generation", default=0)
    if status.get("observedGeneration", 0) < generation:
        waiting = {
            "Deployment": "Waiting for deployment spec update to be observed...",
            "DaemonSet": "Waiting for daemon set spec update to be observed...",
        }
        return waiting.get(kind, "Waiting for statefulset spec update to be observed..."), False
    if kind == "Deployment":
        return _deployment(name, obj, status, failed)
    if kind == "DaemonSet":
        return _daemon_set(name, obj, status)
    return _stateful_set(obj, status)


def _deployment(name: str, obj: Obj, status: Any, failed: list[str]) -> tuple[str, bool]:
    for condition in status.get("conditions") or ():
        if condition.get("reason") == "ProgressDeadlineExceeded":
            failed.append(f'deployment "{name}" exceeded its progress deadline')
            return "", False
    wished = get(obj, "spec", "replicas", default=1)
    held, updated = status.get("replicas", 0), status.get("updatedReplicas", 0)
    available = status.get("availableReplicas", 0)
    head = f'Waiting for deployment "{name}" rollout to finish:'
    if updated < wished:
        return f"{head} {updated} out of {wished} new replicas have been updated...", False
    if held > updated:
        return f"{head} {held - updated} old replicas are pending termination...", False
    if available < updated:
        return f"{head} {available} of {updated} updated replicas are available...", False
    return f'deployment "{name}" successfully rolled out', True


def _daemon_set(name: str, obj: Obj, status: Any) -> tuple[str, bool]:
    if get(obj, "spec", "updateStrategy", "type") == "OnDelete":
        return "rollout status is only available for RollingUpdate strategy type", True
    wished = status.get("desiredNumberScheduled", 0)
    updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    head = f'Waiting for daemon set "{name}" rollout to finish:'
    if updated < wished:
        return f"{head} {updated} out of {wished} new pods have been updated...", False
    if available < wished:
        return f"{head} {available} of {wished} updated pods are available...", False
    return f'daemon set "{name}" successfully rolled out', True


def _stateful_set(obj: Obj, status: Any) -> tuple[str, bool]:
    wished = get(obj, "spec", "replicas", default=1)
    ready, updated = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    if get(obj, "spec", "updateStrategy", "type") == "OnDelete":
        return "rollout status is only available for RollingUpdate strategy type", True
    if ready < wished:
        return f"Waiting for {wished - ready} pods to be ready...", False
    rolling = get(obj, "spec", "updateStrategy", "rollingUpdate")
    if rolling is not None:
        partition = rolling.get("partition") or 0
        if updated < wished - partition:
            return (
                f"Waiting for partitioned roll out to finish: {updated} out of "
                f"{wished - partition} new pods have been updated..."
            ), False
        return f"partitioned roll out complete: {updated} new pods have been updated...", True
    if status.get("updateRevision") != status.get("currentRevision"):
        return (
            f"waiting for statefulset rolling update to complete {updated} pods at revision "
            f"{status.get('updateRevision')}..."
        ), False
    return (
        f"statefulset rolling update complete {status.get('currentReplicas', 0)} pods at revision "
        f"{status.get('currentRevision')}..."
    ), True


# History.


def revisions(session: Session, target: Target, obj: Obj) -> dict[int, Obj]:
    """What a workload was: revision number → replica set or ControllerRevision."""
    kind = REPLICA_SET if target.kind.kind == "Deployment" else CONTROLLER_REVISION
    selector = str(selectors.compile_selector(get(obj, "spec", "selector")))
    found = {}
    for held in session.list(kind, target.namespace, selector):
        owner = controller_of(held)
        if owner is None or owner["uid"] != uid_of(obj):
            continue
        if kind is REPLICA_SET:
            number = int(annotations_of(held).get(REVISION, 0))
        else:
            number = held.get("revision", 0)
        found[number] = held
    return found


def _history(session: Session, target: Target, obj: Obj) -> None:
    if target.kind.kind not in ROLLED:
        kind = target.kind
        raise fail(
            f'error retrieving history for "{kind.kind}", no visitor method exists for '
            f"{{{kind.group} {kind.kind}}}"
        )
    found = revisions(session, target, obj)
    wished = session.flags.number("revision")
    form = session.flags.text("output")
    if form:
        for shown in [wished] if wished in found else sorted(found):
            session.out.append(output.render(found[shown], form))
        return
    if wished:
        if wished not in found:
            raise fail("unable to find the specified revision")
        template = thaw(template_of(found[wished]))
        held = found[wished]
        if CAUSE in annotations_of(held):
            metadata = template.setdefault("metadata", {})
            metadata.setdefault("annotations", {})[CAUSE] = annotations_of(held)[CAUSE]
        session.print(f"{target.shown} with revision #{wished}")
        session.print(template_text(template).rstrip("\n") + "\n")
        return
    session.print(f"{target.shown} ")
    rows = [["REVISION", "CHANGE-CAUSE"]]
    rows += [
        [str(number), annotations_of(found[number]).get(CAUSE) or "<none>"]
        for number in sorted(found)
    ]
    for number, cause in rows:
        session.print(f"{number.ljust(10)}{cause}")
    session.print()


def template_of(held: Obj) -> Any:
    """The pod template of a replica set or a ControllerRevision."""
    template = get(held, "spec", "template") or get(held, "data", "spec", "template")
    return template or {}


# Undo.


def _undo(session: Session, target: Target, obj: Obj) -> None:
    if target.kind.kind not in ROLLED:
        raise fail(f'no rollbacker has been implemented for "{target.kind.kind}"')
    if LAST_APPLIED in annotations_of(obj):
        session.warn(BEHIND.format(f"{target.kind.plural}/{target.name}"))
    if get(obj, "spec", "paused"):
        raise fail("you cannot rollback a paused deployment; resume it first with 'kubectl rollout "
                   "resume' and try again")  # fmt: skip
    found, wished = revisions(session, target, obj), session.flags.number("to-revision")
    if wished:
        if wished not in found:
            raise fail(f"unable to find specified revision {wished} in history")
    else:
        older = sorted(found)[:-1]
        if not older:
            raise fail("no rollout history found for " + f'{target.kind.singular} "{target.name}"')
        wished = older[-1]
    template = without(template_of(found[wished]), ("metadata", "labels", HASH))
    # What a ControllerRevision holds is written as a patch.
    template = without(template, ("$patch",))
    if session.flags.text("dry-run") in ("client", "unchanged"):
        session.print(f"{target.shown} {template_text(template)}")
        return
    present = without(get(obj, "spec", "template"), ("metadata", "labels", HASH))
    if template == present:
        session.print(f"{target.shown} skipped rollback (current template already matches "
                      f"revision {wished})")  # fmt: skip
        return
    change = [{"op": "replace", "path": "/spec/template", "value": thaw(template)}]
    if target.kind.kind == "Deployment":
        change.append(_old_annotations(found[wished], obj))
    send(session, target, change, JSON_PATCH, "kubectl-rollout")
    session.print(f"{target.shown} rolled back{dry_run(session)}")


def _old_annotations(held: Obj, obj: Obj) -> dict[str, Any]:
    """The annotations of the old replica set come back, but for the deployment's own."""
    own = (LAST_APPLIED, REVISION, "deployment.kubernetes.io/revision-history",
           "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas",
           "deprecated.deployment.rollback.revision")  # fmt: skip
    kept = {key: value for key, value in annotations_of(obj).items() if key in own}
    old = {key: value for key, value in annotations_of(held).items() if key not in own}
    return {"op": "replace", "path": "/metadata/annotations", "value": {**kept, **old}}


# Restart, pause, resume.


def _restart(session: Session, target: Target, obj: Obj) -> None:
    if target.kind.kind not in ROLLED:
        kind = target.kind
        raise fail(f'{kind.plural} "{target.name}" restarting is not supported')
    if get(obj, "spec", "paused"):
        raise fail(
            f'{target.kind.resource} "{target.name}" can\'t restart paused deployment (run rollout '
            "resume first)"
        )
    annotations = {RESTARTED: timestamp(session.now_ns)}
    change = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    _change(session, target, change, "restarted")


def _pause(session: Session, target: Target, obj: Obj) -> None:
    _only_deployments(target, "pausing")
    if get(obj, "spec", "paused"):
        raise fail(f'{target.kind.resource} "{target.name}" is already paused')
    _change(session, target, {"spec": {"paused": True}}, "paused")


def _resume(session: Session, target: Target, obj: Obj) -> None:
    _only_deployments(target, "resuming")
    if not get(obj, "spec", "paused"):
        raise fail(f'{target.kind.resource} "{target.name}" is not paused')
    _change(session, target, {"spec": {"paused": None}}, "resumed")


def _only_deployments(target: Target, doing: str) -> None:
    if target.kind.kind != "Deployment":
        raise fail(f'{target.kind.resource} "{target.name}" {doing} is not supported')


def _change(session: Session, target: Target, change: Any, word: str) -> None:
    if not only_client(session):
        send(session, target, change, STRATEGIC_PATCH, "kubectl-rollout")
    session.print(f"{target.shown} {word}{dry_run(session)}")
