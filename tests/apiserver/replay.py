"""Replays recorded requests against our API server and compares the answers.

The recordings (`tests/golden_data`) were made from a real Kubernetes API server. What differs from
run to run (UIDs, times, versions, generated names, addresses) is masked in both answers; what a
request itself says is not. Entries of a file are one sequence: later ones need what earlier ones
made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kubelab.apiserver.server import APIServer
from kubelab.client.controller import Controller
from kubelab.controllers.manager import CONTROLLERS, ControllerManager
from kubelab.etcd.member import Member
from kubelab.sim.history import History
from kubelab.sim.kernel import World
from kubelab.sim.tree import thaw
from kubelab.user import You, make_request

DATA = Path(__file__).parent.parent / "golden_data"
PATTERNS = (
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uid>"),
    (r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "<time>"),
    (r"\beyJ[\w-]+\.[\w-]+\.[\w-]+", "<jwt>"),
    # How many certificates an authority has is its own affair.
    (r"(-----BEGIN [A-Z ]+-----[\s\S]*?-----END [A-Z ]+-----\n?|<pem>)+", "<pem>"),
    (r"too old resource version: \d+ \(\d+\)", "too old resource version: <rv> (<rv>)"),
    (r"(Too large resource version: \d+, current:) \d+", r"\1 <rv>"),
    (r"(ResourceVersion in record) \(\d+\)", r"\1 (<rv>)"),
    (r'resourceVersion\\":\\"\d+', "resourceVersion <rv>"),
    (r'resourceVersion: "\d+"', "resourceVersion: <rv>"),
    (r"continue: \S+", "continue: <continue>"),
    (r"\bX_[bcdfghjklmnpqrstvwxz2456789]{5}", "X_<rand>"),
    (r"kube-api-access-[bcdfghjklmnpqrstvwxz2456789]{5}", "kube-api-access-<rand>"),
)


class Server:
    """A control plane without nodes, and a user who sends requests."""

    def __init__(
        self, seed: int = 0, controllers: Sequence[type[Controller]] = CONTROLLERS
    ) -> None:
        world = World(seed)
        self.history = History(world)
        world.add(Member("etcd-1"))
        # As the recorded server was set up.
        world.add(
            APIServer(
                "apiserver-1", address="192.168.0.2", allow_privileged=False,
                issuer="https://kubernetes.default.svc",
            )
        )  # fmt: skip
        world.add(ControllerManager(controllers=controllers))
        world.add(You(servers=("apiserver-1",)))
        self.token = 0
        self.history.settle(60)

    def send(self, request: dict[str, Any]) -> Any:
        """The answer to a request of a recording."""
        headers = {"User-Agent": "golden/1", "Accept": "application/json"}
        for key, value in (request.get("headers") or {}).items():
            if value is None:
                headers.pop(key, None)
            else:
                headers[key] = value
        self.token += 1
        body = request.get("body")
        made = make_request(request["method"], request["path"], body, headers)
        if "Authorization" in (request.get("headers") or {}):
            made = made._replace(user="")
        else:
            made = made._replace(user="admin", groups=("system:masters",), uid="admin")
        watch = made.query.get("watch") in ("true", "1")
        self.history.inject("you", "ask", self.token, made, watch)
        you = self.history.world.components["you"]
        assert isinstance(you, You)
        while self.token not in you.answers:
            if self.history.step() is None:
                raise AssertionError(f"no answer to {request}")
        return you.answers.pop(self.token)


class Mask:
    """Replaces what differs from run to run."""

    def __init__(self, request: Any) -> None:
        self.known: list[Any] = list(self._leaves(request))
        self.generated: dict[str, str] = {}

    def _leaves(self, value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            for item in value.values():
                yield from self._leaves(item)
        elif isinstance(value, list):
            for item in value:
                yield from self._leaves(item)
        elif not isinstance(value, bool):
            yield value

    def learn(self, value: Any) -> None:
        """Notes the generated names of an answer."""
        if isinstance(value, dict):
            metadata = value.get("metadata")
            if isinstance(metadata, dict) and metadata.get("generateName"):
                prefix, name = metadata["generateName"], metadata.get("name", "")
                if name.startswith(prefix):
                    self.generated[name] = prefix + "<rand>"
            for item in value.values():
                self.learn(item)
        elif isinstance(value, list):
            for item in value:
                self.learn(item)

    def text(self, text: str) -> str:
        if text in self.known:
            return text
        for name, masked in self.generated.items():
            text = text.replace(name, masked)
        for pattern, masked in PATTERNS:
            text = re.sub(pattern, masked, text)
        return text

    def value(self, key: str, value: Any) -> Any:
        if isinstance(value, dict):
            kept = {k: v for k, v in value.items() if k != "managedFields"}
            return {self.text(k): self.value(k, v) for k, v in kept.items()}
        if isinstance(value, list):
            items = [self.value(key, item) for item in value]
            # The real server takes these out of a map, in whatever order comes.
            free = key in ("resourceRules", "nonResourceRules") or (
                key == "causes" and any("conflict with" in str(item) for item in items)
            )
            return sorted(items, key=str) if free else items
        if key == "resourceVersion" and value and value not in self.known:
            return "<rv>"
        if key == "continue" and value:
            return "<continue>"
        if key == "serverAddress":
            return "<serverAddress>"
        if key in ("clusterIP", "clusterIPs") and value not in ("", "None", None):
            return value if value in self.known else "<clusterIP>"
        if key in ("nodePort", "healthCheckNodePort") and value and value not in self.known:
            return "<nodePort>"
        return self.text(value) if isinstance(value, str) else value


def dig(value: Any, path: str) -> Any:
    """The value at a dotted path (`\\.` is a dot within a key), or None."""
    for step in (part.replace("\0", ".") for part in path.replace("\\.", "\0").split(".")):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return value


def fill(value: Any, variables: dict[str, Any]) -> Any:
    """The value with `${name}` replaced."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda m: str(variables.get(m[1], m[0])), value)
    if isinstance(value, list):
        return [fill(item, variables) for item in value]
    if isinstance(value, dict):
        return {key: fill(item, variables) for key, item in value.items()}
    return value


def replay(entries: list[Any], server: Server) -> Iterator[tuple[str, Any, Any]]:
    """For each entry that counts: its name, the recorded answer and ours, both masked."""
    variables: dict[str, Any] = {}
    aged = False
    for entry in entries:
        if entry["name"].startswith("compacted history") and not aged:
            # The recorded server had been up for longer than its history lasts.
            server.history.run(660)
            aged = True
        request = fill(entry["request"], variables)
        response = server.send(request)
        wanted = entry.get("until") or {}
        for _ in range(50):
            held = response.body if isinstance(response.body, dict) else {}
            seen = {"code": response.status, **held}
            if all(dig(seen, path) == value for path, value in wanted.items()):
                break
            server.history.run(entry.get("patience", 60) / 50)
            response = server.send(request)
        if entry.get("sleep"):
            server.history.run(entry["sleep"])
        body = thaw(response.body)
        if body is None and isinstance(entry["response"].get("body"), str):
            body = ""
        for name, path in (entry.get("save") or {}).items():
            variables[name] = dig(body, path)
        if entry.get("setup") or entry.get("stream"):
            continue
        mask = Mask(request)
        mask.learn(body)
        recorded = entry["response"]
        ours = {"code": response.status, "body": mask.value("", body)}
        theirs = {"code": recorded["code"], "body": Mask(request).value("", recorded.get("body"))}
        if "Warning" in (recorded.get("headers") or {}):
            said = recorded["headers"]["Warning"]
            theirs["warning"] = ", ".join(said) if isinstance(said, list) else said
            ours["warning"] = response.headers.get("Warning", "").replace("\n", ", ")
        yield entry["name"], theirs, ours


def load(name: str) -> list[Any]:
    """The entries of a recording."""
    return json.loads((DATA / name).read_text(encoding="utf-8"))  # type: ignore[no-any-return]
