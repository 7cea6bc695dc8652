"""How a stream ends: the Status that a client gets, and what a kubelet's refusal is to it.

The words depend on who put them down. Of a command, containerd writes the Status; with the newest
protocol over WebSocket the API server reads it and writes its own, so that an error of containerd
is an internal error of the API server's once more. Before a stream has begun a refusal is a plain
answer of HTTP, unless the API server has already agreed to the WebSocket by itself.

In Kubernetes: kubelet's cri/streaming/remotecommand (exec.go, attach.go) and apiserver's
util/proxy/streamtranslator.go.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import errors
from kubelab.api.objects import EMPTY, Obj, freeze
from kubelab.api.rest import Response
from kubelab.apiserver import decoding
from kubelab.apiserver.pending import Pending

NEWEST = "v5.channel.k8s.io"
PLAIN = Obj({"Content-Type": "text/plain; charset=utf-8"})
INTERNAL = "Internal error occurred: "


def translated(pending: Pending) -> bool:
    """Whether the API server itself speaks with the client, in the newest protocol."""
    protocols = decoding.header(pending.request, "Sec-WebSocket-Protocol").split(",")
    return NEWEST in [word.strip() for word in protocols]


def status(answer: Obj, command: tuple[str, ...], newest: bool) -> Obj:
    """The Status at the end of a command or of what somebody was attached to."""
    if answer["code"] != 200:
        why = str(answer.get("message", ""))
        if newest and not answer.get("own"):
            why = INTERNAL + why
        return freeze({  # type: ignore[no-any-return]
            "metadata": {}, "status": "Failure", "message": INTERNAL + why,
            "reason": "InternalError", "details": {"causes": [{"message": why}]}, "code": 500,
        })  # fmt: skip
    code = answer.get("exitCode")
    if not code:
        return freeze({"metadata": {}, "status": "Success"})  # type: ignore[no-any-return]
    said = f"error executing command [{' '.join(command)}], exit code {code}"
    if newest:
        said = f"command terminated with exit code {code}"
    return freeze({  # type: ignore[no-any-return]
        "metadata": {}, "status": "Failure",
        "message": f"command terminated with non-zero exit code: {said}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    })  # fmt: skip


def refusal(pending: Pending, answer: Obj) -> Response:
    """What a kubelet's refusal is to the client, where no stream has begun."""
    text, code = str(answer.get("message", "")), answer["code"]
    subresource = pending.route.subresource
    if subresource == "proxy":
        return _response(errors.unavailable(f"error trying to reach service: {text}"))
    if subresource != "log":
        return Response(code, PLAIN, f"{text}\n")
    if code == 400:
        return _response(errors.bad_request(text))
    if code == 404:
        name = pending.route.name
        said = f"the server could not find the requested resource ( pods/log {name})"
        detail = {"name": name, "kind": "pods/log"}
        return _response(errors.failure(404, said, "NotFound", detail))
    return _response(errors.internal_error(text))


def _response(error: errors.ApiError) -> Response:
    return Response(error.code, EMPTY, error.status)


def within(answer: Obj) -> Obj:
    """A kubelet's refusal as it is told in a WebSocket that was agreed to before."""
    why = f"unable to upgrade connection: {answer.get('message', '')}"
    return Obj(code=500, message=why, own=True)


def unreachable(pending: Pending, dial: str, path: str) -> Response:
    """The answer where a kubelet cannot be dialled; `path` is what was asked of it."""
    if pending.route.subresource == "proxy":
        error = errors.unavailable(f"error trying to reach service: {dial}")
    elif pending.route.subresource == "log":
        error = errors.failure(500, f'Get "{path}": {dial}')
    else:
        error = errors.failure(500, f"error dialing backend: {dial}")
    return _response(error)


def told(answer: Obj) -> Any:
    """What an answer brings, as channel and data, in the order in which it is told."""
    if "channel" in answer:
        yield answer["channel"], answer.get("data")
    for channel, field in ((1, "text"), (1, "stdout"), (2, "stderr")):
        if answer.get(field):
            yield channel, answer[field]
