"""What the API server asks of a kubelet: logs, commands, attached output, forwarded ports.

Each verb's first two arguments are who asks and a token of theirs. The answer is the message
`kubelet_answered(token, answer)` to them; `answer` is an Obj with a `code` as in HTTP and
- for logs and attach: `text`, and `more: true` while a followed log goes on (each piece is an
  answer of its own);
- for a command: `exitCode`, `stdout`, `stderr`; if it is talked to, first of all the code 101;
- for a forwarded port: `payload`, what the program behind the port has sent back;
- for any failure: `message`, in the kubelet's words.
`stream_closed(reply_to, token)` ends a followed log from the other side.

In Kubernetes: pkg/kubelet/server/server.go (containerLogs, exec, attach, portForward) and
validateContainerLogStatus of pkg/kubelet/kubelet_pods.go. Left out: the streams themselves; input
is handed over as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from kubelab.api.objects import EMPTY, Obj, freeze, get
from kubelab.client.client import Client
from kubelab.kubelet import pages, usage
from kubelab.network.payloads import HttpRequest, Outcome
from kubelab.runtime.cri import EXITED, RUNNING, Answer, ContainerStatus, ExecResult
from kubelab.sim.kernel import SECOND, micro_timestamp, parse_timestamp

if TYPE_CHECKING:
    from kubelab.kubelet.kubelet import Kubelet
    from kubelab.kubelet.podworker import PodWorker
    from kubelab.network.kernel import Kernel
    from kubelab.runtime.service import Runtime

FOLLOW_SECONDS = 0.5
# The channels of a command's stream that come from the client.
INPUT, SIZE = 0, 4
WAITING = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


class Stream(NamedTuple):
    """A followed log: whose it is, and how many lines have been sent."""

    reply_to: str
    token: Any
    container_id: str
    sent: int
    timestamps: bool


class Serving(Client):
    """The kubelet's server; a part of `Kubelet`."""

    workers: dict[str, PodWorker]
    streams: dict[int, Stream]
    last_stream: int
    # Commands that are talked to: the number of the runtime's call.
    talks: dict[str, int]
    cri_calls: dict[int, Any]

    if TYPE_CHECKING:

        @property
        def runtime(self) -> Runtime: ...

        @property
        def kernel(self) -> Kernel: ...

        address: str

        def call_runtime(
            self,
            uid: str,
            epoch: int,
            reply: str,
            verb: str,
            args: tuple[Any, ...],
            context: tuple[Any, ...],
        ) -> int: ...

    # Answers.

    def serve_answer(self, reply_to: str, token: Any, **answer: Any) -> None:
        """Answers a request of the API server."""
        self.note(code=answer["code"])
        if "message" in answer:
            self.note(message=answer["message"][:200])
        self.send(reply_to, "kubelet_answered", token, freeze(answer))

    def _worker_of(self, namespace: str, pod: str) -> PodWorker | None:
        key = f"{namespace}/{pod}"
        self.note(pod=key)
        return next((worker for worker in self.workers.values() if worker.key == key), None)

    # Logs.

    def container_logs(
        self, reply_to: str, token: Any, namespace: str, pod: str, container: str, options: Obj
    ) -> None:
        """The log of a container; `options` are those of PodLogOptions."""
        self.note(container=container)
        worker = self._worker_of(namespace, pod)
        if worker is None:
            self.serve_answer(reply_to, token, code=404, message="pod does not exist")
            return
        found = log_source(worker, container, previous=bool(options.get("previous")))
        if isinstance(found, str):
            self.serve_answer(reply_to, token, code=400, message=found)
            return
        lines = self.runtime.logs(found.id)
        stamped = bool(options.get("timestamps"))
        text = render(lines, options, self.now)
        if options.get("follow") and found.state == RUNNING:
            self._follow(Stream(reply_to, token, found.id, len(lines), stamped), text)
        else:
            self.serve_answer(reply_to, token, code=200, text=text)

    def attach_to(
        self,
        reply_to: str,
        token: Any,
        namespace: str,
        pod: str,
        container: str,
        stdin: str | bool = "",
        tty: bool = False,
    ) -> None:
        """The streams of a container's first process: what it writes from now on, and its input."""
        self.note(container=container)
        worker = self._worker_of(namespace, pod)
        record = worker.newest().get(container) if worker is not None else None
        if record is None or record.state != RUNNING:
            self.serve_answer(
                reply_to, token, code=500, message=f'container not found ("{container}")'
            )
            return
        call = self.call_runtime("", 0, "attached", "attach", (record.id,), (reply_to, token))
        self.talks[f"{reply_to} {token}"] = call
        self.serve_answer(reply_to, token, code=101, more=True)

    def attached(self, answer: Answer, reply_to: str, token: Any) -> None:
        """The process has ended, or who was attached to it is no longer; its code is not told."""
        self.talks.pop(f"{reply_to} {token}", None)
        if answer.ok:
            self.serve_answer(reply_to, token, code=200)
        else:
            text = f"error attaching to container: {answer.error}"
            self.serve_answer(reply_to, token, code=500, message=text)

    def _follow(self, stream: Stream, text: str) -> None:
        self.last_stream += 1
        self.streams[self.last_stream] = stream
        self.serve_answer(stream.reply_to, stream.token, code=200, text=text, more=True)
        self.after(FOLLOW_SECONDS, "follow", self.last_stream, background=True)

    def follow(self, number: int) -> None:
        """A look at a followed log: what is new is sent; with the container it ends."""
        stream = self.streams.get(number)
        if stream is None:
            return
        lines = self.runtime.logs(stream.container_id)
        container = self.runtime.containers.get(stream.container_id)
        runs = container is not None and container.running
        new = lines[stream.sent :]
        self.note(lines=len(new))
        if runs:
            self.after(FOLLOW_SECONDS, "follow", number, background=True)
            self.streams[number] = stream._replace(sent=len(lines))
        else:
            del self.streams[number]
        text = "".join(one_line(row, stream.timestamps) for row in new)
        if text and runs:
            self.serve_answer(stream.reply_to, stream.token, code=200, text=text, more=True)
        elif not runs:
            self.serve_answer(stream.reply_to, stream.token, code=200, text=text)

    def usage(self, reply_to: str, round_ns: int) -> None:
        """What the containers of our pods use, for metrics-server."""
        held = self.runtime.containers
        rows = []
        for worker in self.workers.values():
            records = (held[record.id] for record in worker.records() if record.id in held)
            running = [container for container in records if container.running]
            if running:
                rows.append(usage.row(worker, running))
        self.note(pods=len(rows))
        node = self.name.partition("/")[2]
        self.send(reply_to, "measured", node, round_ns, tuple(rows))

    def stream_closed(self, reply_to: str, token: Any) -> None:
        """Who followed a log or talked to a command does so no longer."""
        key = f"{reply_to} {token}"
        self.forward_closed(key)
        call = self.talks.pop(key, None)
        if call is not None:
            self.cri_calls.pop(call, None)
            self.send(self.runtime.name, "exec_left", self.name, call)
        for number, stream in list(self.streams.items()):
            if (stream.reply_to, stream.token) == (reply_to, token):
                del self.streams[number]

    # Commands.

    def exec_in(
        self,
        reply_to: str,
        token: Any,
        namespace: str,
        pod: str,
        container: str,
        command: tuple[str, ...],
        stdin: str | bool = "",
        tty: bool = False,
    ) -> None:
        """Runs a command in a running container.

        Input is a text, or (True, False) what will or will not come by `stream_input`; then output
        is sent on as it comes.
        """
        self.note(container=container, command=" ".join(command)[:120])
        worker = self._worker_of(namespace, pod)
        record = worker.newest().get(container) if worker is not None else None
        if worker is None:
            self.serve_answer(reply_to, token, code=404, message="pod does not exist")
        elif record is None or record.state != RUNNING:
            self.serve_answer(
                reply_to, token, code=500, message=f'container not found ("{container}")'
            )
        elif isinstance(stdin, bool):
            args: tuple[Any, ...] = (record.id, tuple(command), stdin, tty)
            call = self.call_runtime("", 0, "executed", "exec_stream", args, (reply_to, token))
            self.talks[f"{reply_to} {token}"] = call
            self.serve_answer(reply_to, token, code=101, more=True)
        else:
            args = (record.id, tuple(command), stdin)
            self.call_runtime("", 0, "executed", "exec", args, (reply_to, token))

    def exec_output(self, call_id: int, stdout: str, stderr: str) -> None:
        """A running command has written something."""
        call = self.cri_calls.get(call_id)
        if call is not None:
            self.note(bytes=len(stdout) + len(stderr))
            reply_to, token = call.context
            self.serve_answer(reply_to, token, code=200, stdout=stdout, stderr=stderr, more=True)

    def stream_input(
        self, reply_to: str, token: Any, data: Any, end: bool, channel: int = 0
    ) -> None:
        """Input for a running command (channel 4: the size of its window), or for a port."""
        key = f"{reply_to} {token}"
        self.note(bytes=len(data), channel=channel)
        if key not in self.talks:
            self.forwarded_input(key, data, end, channel)
        elif channel in (INPUT, SIZE):
            text = data.decode(errors="surrogateescape") if isinstance(data, bytes) else data
            verb = "exec_input" if channel == INPUT else "exec_size"
            self.send(self.runtime.name, verb, self.name, self.talks[key], text, end)

    def forwarded_input(self, session: str, data: Any, end: bool, channel: int) -> None:
        """Hands on what came for a forwarded port; see `forwarding.py`."""
        raise NotImplementedError

    def forward_closed(self, session: str) -> None:
        """Who used forwarded ports has gone; see `forwarding.py`."""
        raise NotImplementedError

    def executed(self, answer: Answer, reply_to: str, token: Any) -> None:
        """The command has ended, or there is no such command."""
        self.talks.pop(f"{reply_to} {token}", None)
        if not answer.ok:
            message = f"error executing command in container: {answer.error}"
            self.serve_answer(reply_to, token, code=500, message=message)
            return
        result: ExecResult = answer.value
        self.serve_answer(
            reply_to, token, code=200, exitCode=result.exit_code, stdout=result.stdout,
            stderr=result.stderr,
        )  # fmt: skip

    # Pages, and ports.

    def page(self, reply_to: str, token: Any, request: HttpRequest) -> None:
        """A page of the kubelet's own server; see `pages.py`."""
        self.note(path=request.path[:120])
        answer = pages.page(cast("Kubelet", self), request)
        self.note(code=answer.status)
        self.send(reply_to, "kubelet_answered", token, Obj(code=200, payload=answer))

    def port_forward(
        self, reply_to: str, token: Any, namespace: str, pod: str, port: int, payload: Any
    ) -> None:
        """Hands a payload to whatever listens on a port inside a pod."""
        self.note(port=port)
        worker = self._worker_of(namespace, pod)
        if worker is None or not worker.ip:
            self.serve_answer(reply_to, token, code=404, message="pod does not exist")
            return
        self.kernel.open(
            self.address, worker.ip, port, "TCP", payload, self.name, ("forward", reply_to, token)
        )

    def forwarded(self, token: tuple[Any, ...], outcome: Outcome) -> None:
        """The program behind a forwarded port has answered, or nobody listens there."""
        _, reply_to, their_token = token
        if outcome.ok:
            self.note(code=200)
            answer = Obj(code=200, payload=outcome.payload)
            self.send(reply_to, "kubelet_answered", their_token, answer)
            return
        why = "connection refused" if outcome.error == "refused" else "i/o timeout"
        self.serve_answer(reply_to, their_token, code=500, message=f"connect: {why}")


def log_source(worker: PodWorker, name: str, *, previous: bool) -> ContainerStatus | str:
    """The container whose log is meant, or why there is none, in the kubelet's words."""
    where = f'container "{name}" in pod "{worker.key.partition("/")[2]}"'
    records = [record for record in worker.records() if record.name == name]
    ended = [record for record in records if record.state == EXITED]
    if previous:
        older = ended if records and records[-1].state == RUNNING else ended[:-1]
        waiting = worker.waiting.get(name)
        older = ended if waiting is not None else older
        if older:
            return older[-1]
        return f"previous terminated {where} not found"
    if records and records[-1].state in (RUNNING, EXITED):
        return records[-1]
    reason = worker.waiting.get(name, ("", ""))[0] or _reason(worker, name)
    if not reason:
        return f"{where} is not available"
    return f"{where} is waiting to start: {WAITING.get(reason, reason)}"


def _reason(worker: PodWorker, name: str) -> str:
    """The waiting reason that the status shows of a container."""
    for field in ("containerStatuses", "initContainerStatuses"):
        for row in get(worker.writer.status, field, default=()):
            if row["name"] == name:
                return str(get(row, "state", default=EMPTY).get("waiting", EMPTY).get("reason", ""))
    return ""


def render(lines: list[tuple[int, str]], options: Obj, now_ns: int) -> str:
    """The lines that PodLogOptions choose, as one text."""
    since_ns = 0
    if options.get("sinceSeconds") is not None:
        since_ns = now_ns - int(options["sinceSeconds"]) * SECOND
    elif options.get("sinceTime"):
        since_ns = parse_timestamp(options["sinceTime"])
    chosen = [row for row in lines if row[0] >= since_ns]
    tail = options.get("tailLines")
    if tail is not None:
        chosen = chosen[max(0, len(chosen) - int(tail)) :]
    text = "".join(one_line(row, bool(options.get("timestamps"))) for row in chosen)
    limit = options.get("limitBytes")
    return text if limit is None else text.encode()[: int(limit)].decode("utf-8", "ignore")


def one_line(row: tuple[int, str], stamped: bool) -> str:
    """A line of a log, with its time if that is wished."""
    when, text = row
    if not stamped:
        return f"{text}\n"
    return f"{micro_timestamp(when)[:-1]}{when % 1000:03d}Z {text}\n"
