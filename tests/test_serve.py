"""The server as its clients see it: HTTPS with its own authority, a token, one line, an end."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64decode
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from kubelab import Cluster
from tests.tidy import ROOT

pytestmark = pytest.mark.native


@pytest.fixture(scope="module")
def server():
    """A small cluster, served over HTTPS."""
    cluster = Cluster(nodes=1, dns=False)
    cluster.settle()
    with cluster.serve(speed=0) as running:
        yield running


def config(server) -> dict:
    """The kubeconfig that a server wrote."""
    return json.loads(Path(server.kubeconfig).read_text("utf-8"))


def ask(server, path: str, method: str = "GET", body: bytes | None = None, **headers: str):
    """One request over HTTPS: status and JSON body."""
    context = ssl.create_default_context(cadata=server.authority.pem.decode())
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(server.url + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, context=context) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def bearer(server) -> str:
    """The header that shows the server's own token."""
    return f"Bearer {server.token}"


def test_the_kubeconfig_is_enough(server):
    """The authority and the token of the kubeconfig let a client in."""
    cluster, user = config(server)["clusters"][0]["cluster"], config(server)["users"][0]["user"]
    pem = b64decode(cluster["certificate-authority-data"]).decode()
    request = urllib.request.Request(
        cluster["server"] + "/api/v1/nodes", headers={"Authorization": f"Bearer {user['token']}"}
    )
    with urllib.request.urlopen(request, context=ssl.create_default_context(cadata=pem)) as answer:
        assert [node["metadata"]["name"] for node in json.load(answer)["items"]] == ["node-1"]


def test_only_its_owner_reads_the_kubeconfig(server):
    """The file with the token has mode 0600."""
    assert os.stat(server.kubeconfig).st_mode & 0o777 == 0o600


def test_the_server_stands_on_loopback(server):
    """Nothing listens elsewhere unless it is told to."""
    assert server._http.server_address[0] == "127.0.0.1"


def test_another_authority_is_not_believed(server):
    """A client that does not know the authority refuses the server."""
    connection = HTTPSConnection("127.0.0.1", server.port, context=ssl.create_default_context())
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/api")


def test_the_token_is_no_part_of_the_world(server):
    """The real secret is nowhere in the trace, so that the trace does not depend on it."""
    ask(server, "/api/v1/nodes", Authorization=bearer(server))
    assert server.token not in repr(server.cluster.trace)


def test_plain_http_is_there_when_asked_for():
    """With http=True nobody needs a token."""
    with Cluster(nodes=1, dns=False).serve(speed=0, http=True) as running:
        assert running.url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(running.url + "/api/v1/nodes") as answer:
            assert answer.status == 200


@pytest.mark.parametrize("ends", [signal.SIGINT, signal.SIGTERM])
def test_the_command_says_one_line_and_ends_with_0(ends, tmp_path):
    """`kubelab serve` prints where the API is, writes the kubeconfig, and ends well on a signal."""
    file = tmp_path / "kubeconfig"
    command = [sys.executable, "-m", "kubelab", "serve", "--nodes", "1", "--kubeconfig", str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        url = json.loads(file.read_text("utf-8"))["clusters"][0]["cluster"]["server"]
        assert line == f"Kubernetes API: {url}\n"
        assert url.startswith("https://127.0.0.1:")
        process.send_signal(ends)
        assert process.wait(20) == 0
        assert process.stdout.read() == ""
