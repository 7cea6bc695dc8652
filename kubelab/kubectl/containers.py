"""kubectl exec, attach and port-forward: into a pod's containers and to its ports.

The built-in kubectl has no terminal and no sockets of its own. Input is what it is given; a port
that is forwarded is asked one request, and the answer is printed.

In Kubernetes: k8s.io/kubectl/pkg/cmd/exec, attach and portforward.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.errors import ApiError
from kubelab.api.objects import EMPTY, Obj, get, name_of, namespace_of
from kubelab.api.rest import url
from kubelab.kubectl import streaming
from kubelab.kubectl.errors import Failed, fail, usage
from kubelab.kubectl.resources import kind_of
from kubelab.kubectl.session import Session, quote

EXEC = "container,c= stdin,i tty,t quiet,q filename,f=* pod-running-timeout="
PORTS = "address=* pod-running-timeout="
RECORDED = (
    "All commands and output from this session will be recorded in container logs, including "
    "credentials and sensitive information passed through the command prompt."
)
ENTER = "If you don't see a command prompt, try pressing enter."
NO_TTY = "Unable to use a TTY - input is not a terminal or the right kind of file"
COMPLETED = ("Succeeded", "Failed")


def execute(session: Session, args: list[str]) -> None:
    """Runs `kubectl exec`."""
    flags = session.flags
    command = flags.rest or []
    if not args:
        raise fail("pod, type/name or --filename must be specified")
    if not command and len(args) > 1:
        raise usage("exec", "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- "
                    "[COMMAND] instead")  # fmt: skip
    if not command:
        raise fail("you must specify at least one command for the container")
    pod = streaming.found(session, args[0])
    phase = get(pod, "status", "phase")
    if phase in COMPLETED:
        raise fail(f"cannot exec into a container in a completed pod; current phase is {phase}")
    container = streaming.chosen(session, pod)
    if flags.on("tty"):
        session.warn(NO_TTY)
    query = streaming.asking(command, container, flags.on("stdin"))
    stream = streaming.opened(session, pod, "exec", query)
    if flags.on("stdin"):
        stream.write(session.stdin, end=True)
    stream.wait(streaming.LONGEST_SECONDS)
    streaming.finish(session, stream)


def attach(session: Session, args: list[str]) -> None:
    """Runs `kubectl attach`."""
    flags = session.flags
    if not args and not flags.many("filename"):
        raise fail("at least 1 argument is required for attach")
    if len(args) > 1:
        raise fail(f'the server doesn\'t have a resource type "{args[0]}"')
    pod = streaming.found(session, args[0])
    phase = get(pod, "status", "phase")
    if phase in COMPLETED:
        raise fail(f"cannot attach a container in a completed pod; current phase is {phase}")
    container = streaming.chosen(session, pod, doing="cannot attach to the container: ")
    attach_to(session, pod, container)


def attach_to(session: Session, pod: Obj, container: str, *, stay: bool = False) -> None:
    """Shows what a container writes, with input for it if there is some; `stay`: to its end."""
    flags = session.flags
    given = _containers(pod).get(container) or EMPTY
    stdin = flags.on("stdin") and bool(given.get("stdin"))
    if flags.on("tty") and not given.get("tty") and not flags.on("quiet"):
        session.warn(f"error: Unable to use a TTY - container {container} did not allocate one")
    elif flags.on("tty"):
        session.warn(NO_TTY)
    if not flags.on("quiet"):
        session.warn(RECORDED)
        session.warn(ENTER)
    stream = streaming.opened(session, pod, "attach", streaming.asking([], container, stdin))
    if stdin:
        stream.write(session.stdin, end=True)
    if stdin or stay:
        stream.wait(streaming.LONGEST_SECONDS)
    else:
        streaming.settled(session, stream)
    session.out.append(stream.text(1))
    if stream.text(2):
        session.err.append(stream.text(2))
    status = streaming.status_of(stream)
    stream.cancel()
    if status is not None and status.get("status") != "Success":
        raise fail(status.get("message", ""))


def awaited(session: Session, pod: Obj, container: str, limit_seconds: float) -> Obj:
    """Lets time pass until a container runs or has ended; its state."""

    def state(obj: Obj | None) -> Obj:
        rows = [
            row
            for field in ("containerStatuses", "ephemeralContainerStatuses")
            for row in get(obj or EMPTY, "status", field, default=())
            if row["name"] == container
        ]
        return rows[0].get("state", EMPTY) if rows else EMPTY

    def begun(obj: Obj | None) -> bool:
        return obj is None or not {"running", "terminated"}.isdisjoint(state(obj))

    where = (streaming.POD, namespace_of(pod), name_of(pod))
    if not session.wait(*where, begun, limit_seconds):
        raise fail("timed out waiting for the condition")
    return state(session.get(*where))


def show_log(session: Session, pod: Obj, container: str) -> None:
    """Prints what a container has written."""
    path = url(streaming.POD, namespace_of(pod), name_of(pod), "log")
    text = session.call("GET", f"{path}?container={quote(container)}", None, {"Accept": "*/*"})
    session.out.append(text.decode(errors="replace") if isinstance(text, bytes) else str(text))


def _containers(pod: Obj) -> dict[str, Obj]:
    return {c["name"]: c for field in streaming.FIELDS for c in get(pod, "spec", field, default=())}


# Ports.


def port_forward(session: Session, args: list[str]) -> None:
    """Runs `kubectl port-forward`: one request to each port."""
    if len(args) < 2:
        raise usage("port-forward", "TYPE/NAME and list of ports are required for port-forward")
    word, slash, name = args[0].partition("/")
    kind = kind_of(session, word).kind if slash else "Pod"
    pod = streaming.found(session, args[0])
    asked = pairs = [_pair(text) for text in args[1:]]
    if kind == "Service":
        service = session.get(kind_of(session, word), session.namespace, name)
        pairs = [(local, _target(service, pod, remote)) for local, remote in pairs]
    ports = [
        (str(number) if local == remote and not local.isdigit() else local, number)
        for (local, _), (_, remote) in zip(asked, pairs, strict=True)
        for number in [_number(pod, remote)]
    ]
    phase = get(pod, "status", "phase")
    if phase != "Running":
        raise fail(f"unable to forward port because pod is not running. Current status={phase}")
    shown: list[tuple[int, int]] = []
    for local, port in ports:
        number = _local(local, len(shown))
        for address in ("127.0.0.1", "[::1]"):
            session.print(f"Forwarding from {address}:{number} -> {port}")
        shown.append((number, port))
    session.warn("This kubectl has no sockets: it asks GET / of each port once, and ends.")
    for number, port in shown:
        _ask(session, pod, number, port)


def _pair(text: str) -> tuple[str, str]:
    local, colon, remote = text.partition(":")
    if ":" in remote:
        raise fail(f"invalid port format '{text}'")
    return (local, remote) if colon else (text, text)


def _target(service: Obj, pod: Obj, remote: str) -> str:
    """The port of the pod that a service's port leads to, by number or name."""
    for row in get(service, "spec", "ports", default=()):
        if remote in (str(row["port"]), row.get("name")):
            return str(row.get("targetPort") or row["port"])
    what = "port" if remote.isdigit() else "named port"
    shown = remote if remote.isdigit() else f"'{remote}'"
    if remote.isdigit():
        raise fail(f"Service {name_of(service)} does not have a service {what} {shown}")
    raise fail(f"Service '{name_of(service)}' does not have a {what} {shown}")


def _number(pod: Obj, remote: str) -> int:
    """A port by number, or by its name in the pod."""
    if remote.isdigit():
        if not 0 < int(remote) < 65536:
            words = f'strconv.ParseUint: parsing "{remote}": value out of range'
            raise fail("remote port must be > 0" if remote == "0" else
                       f"error parsing remote port '{remote}': {words}")  # fmt: skip
        return int(remote)
    for container in get(pod, "spec", "containers", default=()):
        for row in container.get("ports") or ():
            if row.get("name") == remote:
                return int(row["containerPort"])
    raise fail(f"Pod '{name_of(pod)}' does not have a named port '{remote}'")


def _local(text: str, place: int) -> int:
    """The port on this side; a free one is a number of the same kind each time."""
    if text in ("", "0"):
        return 40000 + place
    if text.isdigit() and int(text) < 65536:
        return int(text)
    why = "value out of range" if text.isdigit() else "invalid syntax"
    raise fail(f"error parsing local port '{text}': strconv.ParseUint: parsing \"{text}\": {why}")


def _ask(session: Session, pod: Obj, number: int, port: int) -> None:
    """One request through the forwarded port; what the pod answers is printed as it comes."""
    session.print(f"Handling connection for {number}")
    try:
        stream: Any = streaming.opened(
            session, pod, "portforward", [f"ports={port}"], streaming.PORTS
        )
    except ApiError as error:
        raise fail(f"error upgrading connection: {error.status.get('message', '')}") from None
    head = f"GET / HTTP/1.1\r\nHost: localhost:{number}\r\nConnection: close\r\n\r\n"
    stream.write(head.encode())
    stream.wait(streaming.LONGEST_SECONDS)
    answer, wrong = stream.text(0), stream.text(1)
    stream.cancel()
    if wrong:
        session.warn(f"an error occurred forwarding {number} -> {port}: {wrong}")
        raise Failed("error: lost connection to pod")
    session.out.append(answer.replace("\r\n", "\n"))
