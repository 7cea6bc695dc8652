"""What the fake images do: the lab's own, the well-known ones, and any other.

An image is chosen by the last element of its name, without registry and tag (`nginx`); the lab's
own by the last two (`kubelab/http`). `program_for` gives the program of a container; a command that
the small shell understands takes the place of the image's own behaviour. An image that nobody knows
runs for ever and answers on every port that its container declares, so that any real manifest comes
up.

In Kubernetes: no counterpart; there, images hold real programs.
"""

from __future__ import annotations

from typing import Any

from kubelab.network.payloads import HttpRequest, HttpResponse
from kubelab.runtime import bounded, commands
from kubelab.runtime.images import Reference
from kubelab.runtime.process import Process, Program, Refuse
from kubelab.runtime.shellprogram import ShellProgram

# What a client sends to ask for the standard health service of gRPC.
GRPC_HEALTH = "grpc.health.v1.Health/Check"


class CannotStart(Exception):
    """Raised when a container's command does not exist; the message is containerd's."""


class BadSetting(ValueError):
    """Raised for an environment variable that a program cannot read."""


def number(process: Process, name: str, default: float | None = None) -> float | None:
    """A number of seconds (or a count) from the environment. Raises BadSetting."""
    text = process.env.get(name, "")
    if text in ("", "never"):
        return default
    try:
        return float(text)
    except ValueError:
        raise BadSetting(f'{name} must be a number, not "{text}"') from None


class Server(Program):
    """A program that ends with exit code 0 as soon as it is asked to."""

    def signal(self, process: Process, name: str) -> None:
        if name in ("SIGTERM", "SIGQUIT", "SIGINT"):
            process.log(f"received {name}, exiting")
            process.exit(0)


class LabProgram(Program):
    """What the lab's own images have in common: how they take the signal to end."""

    def start(self, process: Process) -> None:
        try:
            self.begin(process)
        except BadSetting as error:
            process.log(str(error))
            process.exit(1)

    def begin(self, process: Process) -> None:
        """The image's own beginning."""

    def timer(self, process: Process, name: str) -> None:
        if name == "terminate":
            process.exit(0)
        elif name == "crash":
            process.log("crashing")
            process.exit(1)

    def signal(self, process: Process, name: str) -> None:
        if name != "SIGTERM" or process.env.get("IGNORE_SIGTERM") == "true":
            return
        process.log("received SIGTERM")
        try:
            delay = number(process, "TERM_DELAY", 0) or 0
        except BadSetting:
            delay = 0
        if delay:
            process.after(delay, "terminate")
        else:
            process.exit(0)


class Http(LabProgram):
    """`kubelab/http`: an HTTP server that starts late, fails or crashes as it is told."""

    def begin(self, process: Process) -> None:
        self.port = int(number(process, "PORT", 8080) or 8080)
        self.fail_after = number(process, "FAIL_AFTER")
        self.recover_after = number(process, "RECOVER_AFTER")
        self.steady = self.fail_after is None
        crash_after = number(process, "CRASH_AFTER")
        start_delay = number(process, "START_DELAY", 0)
        if crash_after is not None:
            process.after(crash_after, "crash")
        if start_delay:
            process.after(start_delay, "listen")
        else:
            self.timer(process, "listen")

    def timer(self, process: Process, name: str) -> None:
        if name == "listen":
            process.listen(self.port)
            process.log(f"listening on port {self.port}")
        else:
            super().timer(process, name)

    def failing(self, process: Process) -> bool:
        """Whether every path is answered with 500 now."""
        elapsed = process.elapsed_seconds()
        if self.fail_after is None or elapsed < self.fail_after:
            return False
        return self.recover_after is None or elapsed < self.recover_after

    def request(self, process: Process, port: int, protocol: str, payload: Any) -> Any:
        if not isinstance(payload, HttpRequest):
            return Refuse
        path = payload.path.partition("?")[0]
        if self.failing(process):
            return HttpResponse(500, "Internal Server Error\n")
        if path == "/":
            return HttpResponse(200, f"{process.pod_name}\n")
        if path in ("/healthz", "/ready"):
            return HttpResponse(200, "ok")
        if path == "/env":
            lines = [f"{key}={process.env[key]}\n" for key in sorted(process.env)]
            return HttpResponse(200, "".join(lines))
        return HttpResponse(404, "404 page not found\n")


class Crash(LabProgram):
    """`kubelab/crash`: exits EXIT_CODE after CRASH_AFTER."""

    def begin(self, process: Process) -> None:
        self.code = int(number(process, "EXIT_CODE", 1) or 0)
        delay = number(process, "CRASH_AFTER", 0)
        if delay:
            process.after(delay, "crash")
        else:
            self.timer(process, "crash")

    def timer(self, process: Process, name: str) -> None:
        if name == "crash":
            process.log(f"exiting with code {self.code}")
            process.exit(self.code)
        else:
            super().timer(process, name)


class Sleep(LabProgram):
    """`kubelab/sleep`: runs for ever."""


class Job(LabProgram):
    """`kubelab/job`: runs DURATION, then exits EXIT_CODE, or 1 where it is told to fail."""

    def begin(self, process: Process) -> None:
        self.code = int(number(process, "EXIT_CODE", 0) or 0)
        fail_times = int(number(process, "FAIL_TIMES", 0) or 0)
        if "FAIL_TIMES" in process.env:
            self.code = 1 if process.attempt < fail_times else 0
        fail_index = process.env.get("FAIL_INDEX")
        if fail_index and process.env.get("JOB_COMPLETION_INDEX") == fail_index:
            self.code = 1
        duration = number(process, "DURATION", 1)
        process.log(f"working for {duration:g}s")
        process.after(duration or 0, "done")

    def timer(self, process: Process, name: str) -> None:
        if name == "done":
            process.log("done" if self.code == 0 else f"failed with code {self.code}")
            process.exit(self.code)
        else:
            super().timer(process, name)


class Web(Server):
    """nginx and httpd: the welcome page on port 80."""

    steady = True

    def start(self, process: Process) -> None:
        process.listen(80)
        process.log("ready for start up")

    def request(self, process: Process, port: int, protocol: str, payload: Any) -> Any:
        if not isinstance(payload, HttpRequest):
            return HttpResponse(400, "Bad Request\n")
        if not dict(payload.headers).get("User-Agent", "").startswith("kube-probe/"):
            process.log(f'"{payload.method} {payload.path} HTTP/1.1" {self.code(payload)}')
        if self.code(payload) == 404:
            return HttpResponse(404, "<h1>404 Not Found</h1>\n")
        if self.is_nginx(process):
            return HttpResponse(200, "<h1>Welcome to nginx!</h1>\n")
        return HttpResponse(200, "<html><body><h1>It works!</h1></body></html>\n")

    @staticmethod
    def code(payload: HttpRequest) -> int:
        """The status that a path is answered with."""
        return 200 if payload.path in ("/", "/index.html") else 404

    @staticmethod
    def is_nginx(process: Process) -> bool:
        """Which of the two it is."""
        return "nginx" in process.config.image


class Tcp(Server):
    """A database or queue: it accepts connections on its port and answers whatever is sent."""

    steady = True

    ports = {
        "redis": 6379, "postgres": 5432, "mysql": 3306, "mariadb": 3306, "mongo": 27017,
        "memcached": 11211, "rabbitmq": 5672, "etcd": 2379,
    }  # fmt: skip
    passwords = {
        "postgres": ("POSTGRES_PASSWORD", "POSTGRES_HOST_AUTH_METHOD"),
        "mysql": (
            "MYSQL_ROOT_PASSWORD",
            "MYSQL_ALLOW_EMPTY_PASSWORD",
            "MYSQL_RANDOM_ROOT_PASSWORD",
        ),
    }
    refusals = {
        "postgres": "Error: Database is uninitialized and superuser password is not specified.",
        "mysql": "[ERROR] Database is uninitialized and password option is not specified",
    }

    def __init__(self, name: str) -> None:
        self.name = name

    def start(self, process: Process) -> None:
        wanted = self.passwords.get(self.name)
        if wanted and not any(process.env.get(key) for key in wanted):
            process.log(self.refusals[self.name])
            process.exit(1)
            return
        process.listen(self.ports[self.name])
        process.log(f"{self.name}: ready to accept connections on port {self.ports[self.name]}")

    def request(self, process: Process, port: int, protocol: str, payload: Any) -> Any:
        return "+PONG\r\n" if self.name == "redis" else "ok"


class Anything(Sleep):
    """An image that is not known: it answers on every port that its container declares."""

    steady = True

    def begin(self, process: Process) -> None:
        for port, protocol in process.config.ports:
            process.listen(port, protocol)

    def request(self, process: Process, port: int, protocol: str, payload: Any) -> Any:
        if isinstance(payload, HttpRequest):
            return HttpResponse(200, f"{process.pod_name}\n")
        return "SERVING" if payload == GRPC_HEALTH else f"{process.pod_name}\n"


class Agnhost(Server):
    """The test image of Kubernetes: `netexec` serves HTTP on 8080, `pause` sleeps."""

    steady = True

    def start(self, process: Process) -> None:
        if process.argv[:1] == ("netexec",):
            process.listen(8080)

    def request(self, process: Process, port: int, protocol: str, payload: Any) -> Any:
        if not isinstance(payload, HttpRequest):
            return Refuse
        path = payload.path.partition("?")[0]
        if path == "/hostname":
            return HttpResponse(200, process.pod_name)
        return HttpResponse(200 if path in ("/", "/healthz") else 404, "")


class Hello(Program):
    """hello-world: prints, exits 0."""

    def start(self, process: Process) -> None:
        process.log("Hello from Docker!")
        process.exit(0)


class Nothing(Program):
    """A shell without a terminal: its input is at its end, so it exits 0 at once."""

    def start(self, process: Process) -> None:
        process.exit(0)


TOOLBOXES = ("busybox", "alpine", "ubuntu", "debian", "curl")
LAB = {"http": Http, "crash": Crash, "sleep": Sleep, "job": Job}


def program_for(
    reference: Reference,
    command: tuple[str, ...],
    args: tuple[str, ...],
    registered: dict[str, type],
    *,
    stdin: bool = False,
) -> Program:
    """The program of a container. Raises CannotStart for a command that does not exist."""
    argv = command + args
    name = reference.last
    own = registered.get(f"{reference.path}") or registered.get(name)
    if argv and commands.understood(argv):
        return ShellProgram(argv)
    if own is not None:
        return bounded.call(own)  # type: ignore[no-any-return]
    if name in TOOLBOXES:
        if argv:
            raise CannotStart(argv[0])
        # Their own command is a shell, which reads its commands from its input.
        return (
            ShellProgram(("bash" if name in ("ubuntu", "debian") else "sh",))
            if stdin
            else (Nothing())
        )
    if reference.path.endswith(f"kubelab/{name}") and name in LAB:
        return LAB[name]()
    if name in ("nginx", "httpd"):
        return Web()
    if name in Tcp.ports:
        return Tcp(name)
    if name == "pause":
        return Server()
    if name == "hello-world":
        return Hello()
    return Agnhost() if name == "agnhost" else Anything()
