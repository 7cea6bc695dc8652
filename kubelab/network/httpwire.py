"""HTTP as bytes: what a client outside the simulation writes on a forwarded port, and the answer.

In Kubernetes: no counterpart; there, bytes go through as they are. Here programs take requests as
records (`payloads.py`), so they are put together from the bytes and taken apart again.
"""

from __future__ import annotations

from http import HTTPStatus

from kubelab.network.payloads import HttpRequest, HttpResponse

METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"PATCH ", b"DELETE ", b"OPTIONS ")


def is_http(data: bytes) -> bool:
    """Whether bytes are, or may become, the beginning of a request."""
    return any(data.startswith(method[: len(data)]) for method in METHODS)


def parse(data: bytes) -> tuple[HttpRequest, bytes] | None:
    """The first request in bytes and what is behind it; None while it is not complete."""
    head, blank, rest = data.partition(b"\r\n\r\n")
    if not blank:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, _, target = first.partition(" ")
    headers = []
    for line in lines:
        name, _, value = line.partition(":")
        headers.append((name.strip(), value.strip()))
    known = {name.lower(): value for name, value in headers}
    length = known.get("content-length", "0")
    wanted = int(length) if length.isdigit() else 0
    if len(rest) < wanted:
        return None
    body = rest[:wanted].decode("utf-8", "replace")
    path = target.rpartition(" ")[0] or target
    request = HttpRequest(method, known.get("host", ""), path, tuple(headers), body)
    return request, rest[wanted:]


def is_last(data: bytes) -> bool:
    """Whether the first request in bytes asks that the connection be closed after its answer."""
    head = data.partition(b"\r\n\r\n")[0].lower()
    first, *lines = head.split(b"\r\n")
    said = [line.partition(b":")[2].strip() for line in lines if line.startswith(b"connection:")]
    return b"close" in said or (first.endswith(b" http/1.0") and b"keep-alive" not in said)


def render(response: HttpResponse, method: str = "GET") -> bytes:
    """An answer as bytes."""
    try:
        phrase = HTTPStatus(response.status).phrase
    except ValueError:
        phrase = ""
    body = response.body.encode()
    lines = [f"HTTP/1.1 {response.status} {phrase}".rstrip()]
    lines += [f"{name}: {value}" for name, value in response.headers]
    given = [name.lower() for name, _ in response.headers]
    if "content-type" not in given:
        lines.append("Content-Type: text/plain; charset=utf-8")
    if "content-length" not in given:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
    return head if method == "HEAD" else head + body
