"""What the events of a stream say: each step of it in a plain sentence with its cause."""

from __future__ import annotations

from typing import Any

from kubelab import Cluster
from tests.nodes.test_streams import ASKING, NEWEST, PODS, UPGRADE, pod


def test_a_copy_goes_on_as_the_original_does() -> None:
    """In the midst of a command, of attached input and of a request to a port."""
    c = Cluster(nodes=1, dns=False)
    c.apply(pod("web", {"name": "c", "image": "nginx"}))
    c.apply(pod("ask", ASKING))
    c.run(20)

    def opened(path: str, headers: dict[str, str] = NEWEST) -> Any:
        return c.request("GET", f"{PODS}/{path}", headers=headers).body

    talk = opened("web/exec?command=sh&stdin=true")
    talk.write("f() { echo $1; sleep 5; }; for i in 1 2 3; do f $i; done > /tmp/x; cat /tmp/x\n")
    port, seen = opened("web/portforward?ports=80", UPGRADE), opened("ask/attach?stdin=true")
    port.write(b"GET / HT")
    seen.write("read v; echo got $v\n")
    c.run(1)
    first, twin = len(c.trace), c.fork()
    for world in (c, twin):
        world.act("you", "write", seen._token, "hello\n", False)
        world.act("you", "write", port._token, b"TP/1.0\r\n\r\n", False)
        world.run(30)
    assert (seen.text(), talk.text()) == ("got hello\n", "1\n2\n3\n")
    assert port.text(0).endswith("<h1>Welcome to nginx!</h1>\n")
    assert [str(event) for event in c.trace[first:]] == [str(event) for event in twin.trace[first:]]


def test_each_step_of_a_stream_has_its_sentence() -> None:
    """Commands, attached input, ports, logs and proxies: at most thirty words, and a cause."""
    c = Cluster(nodes=1, dns=False)
    c.apply(pod("web", {"name": "c", "image": "nginx"}))
    c.apply(pod("ask", ASKING))
    c.run(20)
    first = len(c.trace)

    def opened(path: str, headers: dict[str, str] = NEWEST) -> Any:
        return c.request("GET", f"{PODS}/{path}", headers=headers).body

    stream = opened("web/exec?command=sh&stdin=true&tty=true")
    stream.write(b'{"Width":80,"Height":20}', channel=4)
    stream.write("echo hi\rexit 3\r")
    assert stream.wait()
    stream = opened("ask/attach?stdin=true")
    stream.write("echo x\n")
    c.run(1)
    stream.cancel()
    stream = opened("web/portforward?ports=80,81", UPGRADE)
    stream.write(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert stream.wait()
    stream = opened("ask/log?follow=true", {})
    c.run(1)
    stream.cancel()
    c.run(1)
    c.request("GET", f"{PODS}/web/proxy/")
    c.request("GET", "/api/v1/nodes/node-1/proxy/pods")
    told = {}
    for event in c.trace[first:]:
        sentence = c.tell(event)
        assert len(sentence.split()) <= 30, sentence
        assert sentence.endswith("."), sentence
        told[f"{event.target.partition('/')[0]} {event.verb}"] = sentence
        if event.verb in ("exec_in", "stream_input", "exec_output", "forward_connect", "page"):
            assert c.trace[event.cause - 1].verb != event.verb or event.actor != event.target
    assert not [text for text in told.values() if "handles" in text or ": watched" in text]
    assert told["runtime exec_size"] == (
        "Runtime node-1 tells a command that its window has 80 columns and 20 lines."
    )
    assert (
        told["kubelet forward_connect"] == "Kubelet node-1 connects to port 81 inside default/web."
    )
    assert "you closed" in told
    asked = [c.tell(event) for event in c.trace[first:] if event.verb == "ask"]
    assert asked == [
        "You ask for `sh` to be run in pod web.",
        "You ask for the streams of pod ask.",
        "You ask for connections to ports of pod web.",
        "You ask for the log of pod ask.",
        "You ask for an answer of pod web through the API server's proxy.",
        "You ask for an answer of node node-1 through the API server's proxy.",
    ]
