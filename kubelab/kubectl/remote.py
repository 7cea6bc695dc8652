"""kubectl over HTTP: the same commands against a server far away.

A server is named by `--server`, or by a kubeconfig: `--kubeconfig`, the variable KUBECONFIG, or
`~/.kube/config`. What kubectl needs of a cluster is here: `request`, `now`, and waiting, which is
done with short watches so that the server's clock decides.

In Kubernetes: client-go's rest and tools/clientcmd. Client certificates and plugins are left out.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import yaml

from kubelab.api.objects import EMPTY, Obj, freeze
from kubelab.api.rest import Response
from kubelab.kubectl import commands, remote_streams

# How long one watch stays open while something is waited for.
WATCH_SECONDS = 1


class Remote:
    """An API server behind a URL."""

    def __init__(self, url: str, token: str = "", authority: bytes | None = None) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self.authority = authority
        self.date = "Thu, 01 Jan 1970 00:00:00 GMT"

    @property
    def now(self) -> datetime:
        """The server's time, as its last answer says."""
        self.request("GET", "/version")
        return parsedate_to_datetime(self.date)

    def request(self, method: str, path: str, body: Any = None, headers: Any = None) -> Response:
        """A request with its answer. Raises OSError where nobody answers."""
        from urllib.error import HTTPError
        from urllib.request import Request, urlopen

        sent = dict(headers or {})
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        if "Upgrade" in sent:
            return remote_streams.upgrade(self.url, path, sent, self._trust())
        request = Request(self.url + path, data=data, headers=sent, method=method)
        try:
            answer = urlopen(request, context=self._trust())
        except HTTPError as error:
            answer = error
        if answer.status == 200 and "follow=true" in path.partition("?")[2].split("&"):
            return Response(200, EMPTY, remote_streams.RemoteLog(answer))
        with answer:
            self.date = answer.headers.get("Date") or self.date
            text = answer.read()
            warnings = answer.headers.get_all("Warning") or ()
            return Response(answer.status, Obj(Warning="\n".join(warnings)), _decoded(text))

    def _trust(self) -> Any:
        """What certificates are trusted; None for plain HTTP."""
        if not self.url.startswith("https"):
            return None
        from ssl import CERT_NONE, create_default_context

        context = create_default_context()
        if self.authority is None:
            context.check_hostname, context.verify_mode = False, CERT_NONE
        else:
            context.load_verify_locations(cadata=self.authority.decode())
        return context

    def wait_for(
        self, path: str, holds: Callable[[Obj | None], bool], timeout_seconds: float
    ) -> bool:
        """Watches an object until something holds of it."""
        began = self.now
        collection, _, name = path.rpartition("/")
        watch = (
            f"{collection}?watch=true&timeoutSeconds={WATCH_SECONDS}"
            f"&fieldSelector=metadata.name%3D{name}"
        )
        while True:
            response = self.request("GET", path)
            if holds(response.body if response.ok else None):
                return True
            if (self.now - began).total_seconds() >= timeout_seconds:
                return False
            self.request("GET", watch)


def _decoded(text: bytes) -> Any:
    try:
        return freeze(json.loads(text)) if text.lstrip()[:1] in (b"{", b"[") else text.decode()
    except ValueError:
        return text.decode(errors="replace")


def from_kubeconfig(path: str) -> tuple[Remote, str]:
    """The server and the namespace of a kubeconfig's current context. Raises KeyError, OSError."""
    with open(path, encoding="utf-8") as file:
        config = yaml.safe_load(file)

    def named(field: str, name: str) -> Any:
        rows = config.get(field) or ()
        return next(row for row in rows if row["name"] == name).get(field[:-1]) or EMPTY

    context = named("contexts", config.get("current-context"))
    cluster, user = named("clusters", context["cluster"]), named("users", context["user"])
    authority = cluster.get("certificate-authority-data")
    held = base64.b64decode(authority) if authority else None
    if held is None and cluster.get("certificate-authority"):
        with open(cluster["certificate-authority"], "rb") as bundle:
            held = bundle.read()
    remote = Remote(cluster["server"], user.get("token") or "", held)
    return remote, context.get("namespace") or ""


def main(argv: Sequence[str]) -> int:
    """`kubelab kubectl ARGS…`: prints what kubectl prints; returns its exit code."""
    words = list(argv)
    server, kubeconfig = _value(words, "--server", "-s"), _value(words, "--kubeconfig")
    kubeconfig = kubeconfig or os.environ.get("KUBECONFIG", "").partition(os.pathsep)[0]
    kubeconfig = kubeconfig or os.path.expanduser("~/.kube/config")
    namespace = ""
    try:
        if server:
            remote = Remote(server, _value(words, "--token"))
        else:
            remote, namespace = from_kubeconfig(kubeconfig)
    except (OSError, KeyError, TypeError, AttributeError, StopIteration, yaml.YAMLError):
        sys.stderr.write(
            f"error: no server: give --server or KUBECONFIG (looked in {kubeconfig})\n"
        )
        return 1
    stdin = sys.stdin.read() if _reads(words) and not sys.stdin.isatty() else ""
    try:
        code, out, err = commands.execute(remote, words, stdin, namespace)
    except OSError as error:
        sys.stderr.write(
            f"The connection to the server {remote.url.partition('://')[2]} was refused - did you "
            f"specify the right host or port? ({error})\n"
        )
        return 1
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code


def _reads(words: list[str]) -> bool:
    """Whether a command line asks for our input: as a file, or for a container."""
    ours = words[: words.index("--")] if "--" in words else words
    return any(word in ("-", "--stdin", "-i", "-it", "-ti") for word in ours)


def _value(words: list[str], *names: str) -> str:
    """The value of a flag of the command line."""
    for at, word in enumerate(words):
        for name in names:
            if word == name and at + 1 < len(words):
                return words[at + 1]
            if word.startswith(f"{name}="):
                return word[len(name) + 1 :]
    return ""
