"""kubectl run, expose and autoscale: an object from a few words.

In Kubernetes: k8s.io/kubectl/pkg/cmd/run, expose and autoscale.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import selectors
from kubelab.api.errors import ApiError
from kubelab.api.objects import Obj, freeze, get, labels_of, name_of
from kubelab.kubectl import running
from kubelab.kubectl.create import make
from kubelab.kubectl.errors import fail, usage
from kubelab.kubectl.resources import Target, chosen, each, named
from kubelab.kubectl.session import Session

_COMMON = "dry-run?unchanged output,o= field-manager= save-config labels,l= overrides= "
RUN = _COMMON + (
    "image= restart= env=* port= command stdin,i tty,t rm attach quiet,q expose annotations=* "
    "image-pull-policy= grace-period= privileged pod-running-timeout= leave-stdin-open "
    "override-type= cascade?background force wait timeout="
)
EXPOSE = _COMMON + (
    "name= port= target-port= protocol= type= selector= filename,f=* external-ip= cluster-ip= "
    "session-affinity= load-balancer-ip= all recursive,R override-type="
)
AUTOSCALE = _COMMON + (
    "name= min= max= cpu= cpu-percent= memory= filename,f=* all selector= recursive,R"
)


def pairs(text: str) -> dict[str, str]:
    """`a=b,c=d` as a map."""
    return dict(pair.partition("=")[::2] for pair in text.split(",") if pair)


def run(session: Session, args: list[str]) -> None:
    """Runs `kubectl run`."""
    flags = session.flags
    flags.require("image")
    if not args:
        raise usage("run", "NAME is required for run")
    attached = running.check(flags)
    name, command = args[0], [*args[1:], *(flags.rest or ())]
    container: dict[str, Any] = {"image": flags.text("image"), "name": name, "resources": {}}
    if flags.many("env"):
        container["env"] = [_variable(text) for text in flags.many("env")]
    if flags.has("port"):
        container["ports"] = [{"containerPort": flags.number("port")}]
    if flags.has("image-pull-policy"):
        container["imagePullPolicy"] = flags.text("image-pull-policy")
    if command:
        container["command" if flags.on("command") else "args"] = command
    container.update(running.input_of(flags))
    metadata: dict[str, Any] = {"name": name}
    metadata["labels"] = pairs(flags.text("labels")) or {"run": name}
    if flags.many("annotations"):
        metadata["annotations"] = pairs(",".join(flags.many("annotations")))
    restart = flags.text("restart", "Always")
    if restart not in ("Always", "OnFailure", "Never"):
        raise fail(f"invalid restart policy: {restart}")
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {
            "containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": restart
        },
        "status": {},
    }  # fmt: skip
    before = len(session.out)
    made = make(session, freeze(pod), manager="kubectl-run")
    if attached:
        # Nothing is said of the pod that is made: what it writes is what is asked for.
        del session.out[before:]
    if flags.on("expose"):
        if not flags.has("port"):
            raise fail("--port must be set when exposing a service")
        port = flags.number("port")
        make(session, freeze(_service(name, dict(labels_of(made)), [(port, "TCP")], {})))
    if attached:
        running.follow(session, made, restart)


def _variable(text: str) -> dict[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise fail(f"invalid env: {text}")
    return {"name": key, "value": value}


def _service(
    name: str, selector: dict[str, str], ports: list[tuple[int, str]], more: dict[str, Any]
) -> dict[str, Any]:
    rows = [
        {
            **({"name": f"port-{at}"} if len(ports) > 1 else {}), "port": port,
            "protocol": protocol, "targetPort": more.get("target", port),
        }
        for at, (port, protocol) in enumerate(ports, 1)
    ]  # fmt: skip
    spec: dict[str, Any] = {"ports": rows, "selector": selector}
    if more.get("type"):
        spec["type"] = more["type"]
    if more.get("clusterIP"):
        spec["clusterIP"] = more["clusterIP"]
    metadata: dict[str, Any] = {"name": name}
    if more.get("labels"):
        metadata["labels"] = more["labels"]
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec,
        "status": {"loadBalancer": {}},
    }  # fmt: skip


def expose(session: Session, args: list[str]) -> None:
    """Runs `kubectl expose`."""
    for target, obj in each(session, _named(session, args)):
        made = freeze(_exposed(session, target, obj))
        make(session, made, manager="kubectl-expose", done="exposed")


def _named(session: Session, args: list[str]) -> list[Target]:
    if session.flags.many("filename"):
        return chosen(session, args)
    targets = named(session, args)
    if not targets or not all(target.name for target in targets):
        raise usage(session.flags.command, "You must provide one or more resources by argument or "
                    "filename.")  # fmt: skip
    return targets


def _exposed(session: Session, target: Target, obj: Obj) -> dict[str, Any]:
    flags = session.flags
    if target.kind.kind not in (
        "Pod", "Service", "Deployment", "ReplicaSet", "ReplicationController"
    ):  # fmt: skip
        raise fail(f"cannot expose a {target.kind.kind}")
    if flags.has("port"):
        try:
            ports = [int(port) for port in flags.text("port").split(",")]
        except ValueError:
            raise fail(f"invalid port {flags.text('port')}") from None
    else:
        ports = _ports(obj)
    if not ports:
        raise fail("couldn't find port via --port flag or introspection")
    protocol = flags.text("protocol", "TCP").upper()
    more: dict[str, Any] = {"type": flags.text("type"), "clusterIP": flags.text("cluster-ip")}
    if flags.has("target-port"):
        aim = flags.text("target-port")
        more["target"] = int(aim) if aim.isdigit() else aim
    more["labels"] = pairs(flags.text("labels")) or dict(labels_of(obj))
    name = flags.text("name") or name_of(obj)
    return _service(name, _selector(session, obj), [(port, protocol) for port in ports], more)


def _ports(obj: Obj) -> list[int]:
    template = get(obj, "spec", "template", "spec") or obj.get("spec") or {}
    containers = template.get("containers") or ()
    found = [port["containerPort"] for c in containers for port in c.get("ports") or ()]
    return found or [port["port"] for port in get(obj, "spec", "ports", default=())]


def _selector(session: Session, obj: Obj) -> dict[str, str]:
    if session.flags.has("selector"):
        return pairs(session.flags.text("selector"))
    held = get(obj, "spec", "selector")
    if obj.get("kind") == "Pod":
        if not labels_of(obj):
            raise fail("couldn't retrieve selectors via --selector flag or introspection: the pod "
                       "has no labels and cannot be exposed")  # fmt: skip
        return dict(labels_of(obj))
    if held and held.get("matchExpressions"):
        shown = selectors.compile_selector(held)
        raise fail(f'couldn\'t convert expressions - "{shown}" to map-based selector format')
    return dict((held or {}).get("matchLabels") or held or {})


def autoscale(session: Session, args: list[str]) -> None:
    """Runs `kubectl autoscale`."""
    flags = session.flags
    flags.require("max")
    least, most = flags.number("min", -1), flags.number("max")
    if most < 1:
        raise fail("--max=MAXPODS is required and must be at least 1, max: " + str(most))
    if least > most:
        raise fail("--max=MAXPODS must be larger or equal to --min=MINPODS, max: "
                   f"{most}, min: {least}")  # fmt: skip
    metrics = [
        _metric(name, flags.text(flag))
        for name, flag in (("cpu", "cpu"), ("cpu", "cpu-percent"), ("memory", "memory"))
        if flags.has(flag)
    ]
    for target, obj in each(session, _named(session, args)):
        spec: dict[str, Any] = {
            "maxReplicas": most,
            "scaleTargetRef": {
                "apiVersion": target.kind.api_version, "kind": target.kind.kind,
                "name": name_of(obj),
            },
        }  # fmt: skip
        if metrics:
            spec["metrics"] = metrics
        if least > 0:
            spec["minReplicas"] = least
        autoscaler = {
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": flags.text("name") or name_of(obj)}, "spec": spec,
            "status": {"currentMetrics": None, "desiredReplicas": 0},
        }  # fmt: skip
        try:
            _autoscaled(session, autoscaler)
        except ApiError as error:
            session.fail(error)


def _autoscaled(session: Session, autoscaler: dict[str, Any]) -> None:
    made = freeze(autoscaler)
    shadow = len(session.out)
    make(session, made, manager="kubectl-autoscale")
    if not session.flags.text("output"):
        session.out[shadow:] = [line.replace(" created", " autoscaled")
                                for line in session.out[shadow:]]  # fmt: skip


def _metric(name: str, text: str) -> dict[str, Any]:
    share = text.removesuffix("%")
    target: dict[str, Any] = {"type": "AverageValue", "averageValue": text}
    if text.endswith("%") or (name == "cpu" and text.isdigit()):
        target = {"type": "Utilization", "averageUtilization": int(share)}
    return {"type": "Resource", "resource": {"name": name, "target": target}}
