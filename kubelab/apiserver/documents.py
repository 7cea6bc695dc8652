"""Documents that seldom change: their tags, and answers that spare what the client has already.

A document has a hash. A client that has it says so (`If-None-Match`) and hears 304; one that names
the hash in the URL may keep the answer for ever, and is sent to the right URL where the hash is an
old one.

In Kubernetes: k8s.io/kube-openapi/pkg/handler3 and
k8s.io/apiserver/pkg/endpoints/discovery/aggregated/etag.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from kubelab.api.objects import Obj
from kubelab.api.rest import SHARED, Request, Response
from kubelab.sim.kernel import to_datetime

YEAR = timedelta(days=365)


def digest(text: str) -> str:
    """A hash in the form that is shown."""
    return hashlib.sha512(text.encode()).hexdigest().upper()


def header(request: Request, name: str) -> str:
    """A header, however its name is spelt."""
    return next((str(v) for k, v in request.headers.items() if k.lower() == name), "")


def media(request: Request) -> Iterator[tuple[str, dict[str, str]]]:
    """What the client would like, best first: media types with their parameters."""
    choices = []
    for at, choice in enumerate(header(request, "accept").split(",")):
        type_, *rest = (part.strip() for part in choice.split(";"))
        parameters = dict(part.partition("=")[::2] for part in rest)
        type_ = "*/*" if type_ in ("", SHARED) else type_
        choices.append((-_weight(parameters.pop("q", "1")), at, type_, parameters))
    for _, _, type_, parameters in sorted(choices, key=lambda choice: choice[:2]):
        yield type_, parameters


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0


def answer(
    request: Request, tag: str, headers: dict[str, str], body: Any, now_ns: int = 0, again: str = ""
) -> Response:
    """The document with its tag, or 304; `again` is the URL (less its hash) that it is kept by."""
    headers = {**headers, "ETag": f'"{tag}"', "Vary": "Accept"}
    asked = request.query.get("hash")
    if again and asked:
        if asked != tag:
            where = f"{again}?hash={tag}"
            text = f'<a href="{where}">Moved Permanently</a>.\n\n'
            return Response(
                301, Obj({"Content-Type": "text/html; charset=utf-8", "Location": where}), text
            )
        headers["Cache-Control"] = "public, immutable"
        headers["Expires"] = format_datetime(to_datetime(now_ns) + YEAR, usegmt=True)
    held = [word.strip().removeprefix("W/") for word in header(request, "if-none-match").split(",")]
    if f'"{tag}"' in held or "*" in held:
        del headers["Content-Type"]
        return Response(304, Obj(headers), b"")
    return Response(200, Obj(headers), body)
