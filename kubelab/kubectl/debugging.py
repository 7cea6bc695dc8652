"""kubectl debug: a container for a look inside, beside others, in a copy of a pod, or on a node.

In Kubernetes: k8s.io/kubectl/pkg/cmd/debug, with the profile `general`. Left out: other profiles
and those of one's own.
"""

from __future__ import annotations

import hashlib
from typing import Any

from kubelab.api import kinds
from kubelab.api.objects import Obj, freeze, get, merged, name_of, uid_of, without
from kubelab.api.rest import STRATEGIC_PATCH, url
from kubelab.kubectl import containers, streaming
from kubelab.kubectl.errors import fail
from kubelab.kubectl.resources import kind_of
from kubelab.kubectl.session import Session

DEBUG = (
    "image= target= container,c= stdin,i tty,t profile= copy-to= share-processes env=* attach "
    "quiet,q set-image=* replace same-node arguments-only image-pull-policy= filename,f=* "
    "keep-labels keep-annotations keep-liveness keep-readiness keep-startup keep-init-containers "
    "custom="
)
# What generated names are made of.
LETTERS = "bcdfghjklmnpqrstvwxz2456789"
PROFILES = ("", "general", "baseline", "restricted", "netadmin", "sysadmin")
RUNNING_SECONDS = 300


def debug(session: Session, args: list[str]) -> None:
    """Runs `kubectl debug`."""
    flags = session.flags
    _validate(session, args)
    for arg in args:
        word, slash, name = arg.partition("/")
        kind = kind_of(session, word) if slash else streaming.POD
        if kind.kind == "Node":
            pod, container = _on_node(session, session.get(kind, "", name))
        elif flags.has("copy-to"):
            pod, container = _copy(session, streaming.found(session, arg))
        else:
            pod, container = _beside(session, streaming.found(session, arg))
        if flags.on("attach", default=flags.on("stdin")):
            _attach(session, pod, container)


def _validate(session: Session, args: list[str]) -> None:
    flags = session.flags
    if flags.has("profile") and flags.text("profile") not in PROFILES:
        raise fail(f"unknown profile: {flags.text('profile')}")
    if flags.has("copy-to"):
        if not (flags.has("image") or flags.many("set-image") or flags.rest):
            raise fail("you must specify --image, --set-image or command arguments.")
        if flags.has("target"):
            raise fail("--target is incompatible with --copy-to. Use --share-processes instead.")
    else:
        for name in ("replace", "same-node"):
            if flags.on(name):
                raise fail(f"--{name} may only be used with --copy-to.")
        if flags.many("set-image"):
            raise fail("--set-image may only be used with --copy-to.")
        if not flags.has("image"):
            raise fail("you must specify --image when not using --copy-to.")
    if not args:
        raise fail("NAME or filename is required for debug")
    if flags.has("target") and not flags.on("quiet"):
        session.print(
            f'Targeting container "{flags.text("target")}". If you don\'t see processes from this '
            "container it may be because the container runtime doesn't support this feature."
        )
    if flags.on("tty") and not flags.on("stdin"):
        raise fail("-i/--stdin is required for containers with -t/--tty=true")


def _suffix(*words: str) -> str:
    """Five letters that are the same for the same words, as nothing here is left to chance."""
    digest = hashlib.sha256("/".join(words).encode()).digest()
    return "".join(LETTERS[byte % len(LETTERS)] for byte in digest[:5])


def _container(session: Session, name: str) -> dict[str, Any]:
    """The debugging container from the flags."""
    flags = session.flags
    made: dict[str, Any] = {"name": name, "image": flags.text("image"), "resources": {}}
    if flags.rest:
        made["args" if flags.on("arguments-only") else "command"] = list(flags.rest)
    if flags.many("env"):
        pairs = (text.partition("=")[::2] for text in flags.many("env"))
        made["env"] = [{"name": key, "value": value} for key, value in pairs]
    if flags.has("image-pull-policy"):
        made["imagePullPolicy"] = flags.text("image-pull-policy")
    for flag in ("stdin", "tty"):
        if flags.on(flag):
            made[flag] = True
    return made


def _named(session: Session, pod: Obj) -> str:
    """The name of the debugging container: as wished, or one that is new."""
    asked = session.flags.text("container")
    if asked:
        return asked
    count = len(streaming.containers_of(pod))
    name = f"debugger-{_suffix(uid_of(pod), str(count))}"
    if not session.flags.on("quiet"):
        session.print(f"Defaulting debug container name to {name}.")
    return name


TRACING = {"capabilities": {"add": ["SYS_PTRACE"]}}


def _beside(session: Session, pod: Obj) -> tuple[Obj, str]:
    """An ephemeral container in the pod itself."""
    name = _named(session, pod)
    made = {**_container(session, name), "securityContext": TRACING,
            "terminationMessagePolicy": "File"}  # fmt: skip
    if session.flags.has("target"):
        made["targetContainerName"] = session.flags.text("target")
    known = get(pod, "spec", "ephemeralContainers", default=())
    order = [{"name": row["name"]} for row in (*known, made)]
    patch = {"spec": {"$setElementOrder/ephemeralContainers": order,
                      "ephemeralContainers": [made]}}  # fmt: skip
    path = url(streaming.POD, session.namespace, name_of(pod), "ephemeralcontainers")
    new = session.call("PATCH", path, patch, {"Content-Type": STRATEGIC_PATCH})
    return new, name


def _copy(session: Session, pod: Obj) -> tuple[Obj, str]:
    """A copy of the pod, with another container or other images in it."""
    flags = session.flags
    spec = without(pod["spec"], ("nodeName",)) if not flags.on("same-node") else pod["spec"]
    spec = without(spec, ("ephemeralContainers",))
    images = dict(text.split("=", 1) for pairs in flags.many("set-image")
                  for text in pairs.split(","))  # fmt: skip
    rows: list[Any] = []
    asked = flags.text("container")
    for row in spec["containers"]:
        image = images.get(row["name"], images.get("*", row["image"]))
        change: dict[str, Any] = {"image": image}
        if row["name"] == asked and flags.rest:
            change["command"] = list(flags.rest)
        if row["name"] == asked and flags.has("image"):
            change["image"] = flags.text("image")
        rows.append(merged(row, **change))
    names = [row["name"] for row in rows]
    if flags.has("image") and asked not in names:
        asked = _named(session, pod)
        rows.append({**_container(session, asked), "securityContext": TRACING})
        spec = merged(spec, shareProcessNamespace=flags.on("share-processes", default=True))
    metadata: dict[str, Any] = {"name": flags.text("copy-to"), "namespace": session.namespace}
    if not flags.has("image") or flags.on("keep-labels"):
        metadata["labels"] = get(pod, "metadata", "labels", default={})
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {**spec, "containers": rows}}  # fmt: skip
    made = session.call("POST", url(streaming.POD, session.namespace), freeze(body))
    if flags.on("replace"):
        session.call("DELETE", url(streaming.POD, session.namespace, name_of(pod)))
    return made, asked or names[0]


def _on_node(session: Session, node: Obj) -> tuple[Obj, str]:
    """A pod on the node, in the machine's own network, with its disk at /host."""
    kind, name = kinds.named("v1/Pod"), name_of(node)
    known = len(session.list(kind, session.namespace, "app.kubernetes.io/managed-by=kubectl-debug"))
    pod_name = f"node-debugger-{name}-{_suffix(uid_of(node), str(known))}"
    container = session.flags.text("container", "debugger")
    if not session.flags.on("quiet"):
        session.print(f"Creating debugging pod {pod_name} with container {container} on node "
                      f"{name}.")  # fmt: skip
    row = _container(session, container)
    row["volumeMounts"] = [{"mountPath": "/host", "name": "host-root"}]
    body = {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": pod_name, "namespace": session.namespace,
                     "labels": {"app.kubernetes.io/managed-by": "kubectl-debug"}},
        "spec": {
            "containers": [row], "nodeName": name, "restartPolicy": "Never", "hostIPC": True,
            "hostNetwork": True, "hostPID": True, "tolerations": [{"operator": "Exists"}],
            "volumes": [{"name": "host-root", "hostPath": {"path": "/"}}],
        },
    }  # fmt: skip
    return session.call("POST", url(kind, session.namespace), freeze(body)), container


def _attach(session: Session, pod: Obj, container: str) -> None:
    """Waits for the container, then as `kubectl attach`; of one that has ended its log is shown."""
    state = containers.awaited(session, pod, container, RUNNING_SECONDS)
    if "terminated" in state:
        containers.show_log(session, pod, container)
        return
    new = session.get(streaming.POD, session.namespace, name_of(pod))
    containers.attach_to(session, new, container)
