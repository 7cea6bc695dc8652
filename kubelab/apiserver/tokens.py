"""Service account tokens: issued by the `token` subresource, verified when one is shown.

A token is a JWT that says whose it is, for whom, and until when; it may be bound to a Pod, a Secret
or a Node, with whose end it ends too. The signature is made with a key that follows from the
cluster's own identity, so that equal runs give equal tokens: it guards a simulation, nothing real.

In Kubernetes: pkg/serviceaccount and pkg/registry/core/serviceaccount/storage/token.go. Left out:
RSA keys and their discovery documents.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from kubelab.api import errors, fielderrors
from kubelab.api.objects import EMPTY, Arr, Obj, freeze, get, merged, uid_of
from kubelab.api.rest import Response
from kubelab.apiserver import decoding
from kubelab.apiserver.pending import Pending
from kubelab.sim.kernel import SECOND, timestamp

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

ISSUER = "https://kubernetes.default.svc.cluster.local"
SHORTEST_SECONDS, USUAL_SECONDS, LONGEST_SECONDS = 600, 3600, 1 << 32
BOUND = {"Pod": "pods", "Secret": "secrets", "Node": "minions"}


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _signature(server: APIServer, text: str) -> str:
    home = server.cached("/registry/namespaces/", "kube-system")
    key = f"{server.world.seed}/{uid_of(home) if home else ''}".encode()
    return _text(hmac.new(key, text.encode(), hashlib.sha256).digest())


def request(server: APIServer, pending: Pending) -> Response:
    """POST serviceaccounts/NAME/token: a TokenRequest is answered with a token."""
    route = pending.route
    account = server.cached("/registry/serviceaccounts/", route.key)
    if account is None:
        raise errors.not_found(route.kind, route.name)
    body = decoding.tree(pending.request)
    if not isinstance(body, dict):
        raise errors.bad_request("EOF")
    spec = body.get("spec") or EMPTY
    asked = spec.get("expirationSeconds")
    seconds = USUAL_SECONDS if asked is None else asked
    problem = None
    if seconds < SHORTEST_SECONDS:
        why = "may not specify a duration less than 10 minutes"
        problem = fielderrors.wrong("spec.expirationSeconds", seconds, why)
    elif seconds > LONGEST_SECONDS:
        why = "may not specify a duration larger than 2^32 seconds"
        problem = fielderrors.wrong("spec.expirationSeconds", seconds, why)
    if problem is not None:
        raise errors.invalid_named("TokenRequest", "authentication.k8s.io", "", [problem])
    audiences = list(spec.get("audiences") or [server.issuer])
    claims = _claims(server, route.namespace, account, audiences, int(seconds))
    bound = spec.get("boundObjectRef")
    if bound:
        claims["kubernetes.io"][bound["kind"].lower()] = _bound(server, route.namespace, bound)
    text = ".".join(
        _text(json.dumps(part, separators=(",", ":")).encode())
        for part in ({"alg": "HS256", "kid": "kubelab"}, claims)
    )
    until = timestamp(server.now + int(seconds) * SECOND)
    status = {"token": f"{text}.{_signature(server, text)}", "expirationTimestamp": until}
    said = {**spec, "audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": bound}
    metadata = {
        "name": route.name, "namespace": route.namespace,
        "uid": server.chance.uid(), "creationTimestamp": timestamp(server.now),
    }  # fmt: skip
    server.note(token_for=route.key, seconds=int(seconds))
    return Response(201, EMPTY, freeze({
        "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": metadata,
        "spec": said, "status": status,
    }))  # fmt: skip


def _claims(
    server: APIServer, namespace: str, account: Obj, audiences: list[str], seconds: int
) -> dict[str, Any]:
    name, now = account["metadata"]["name"], server.now // SECOND
    return {
        "aud": audiences,
        "exp": now + seconds,
        "iat": now,
        "iss": server.issuer,
        "jti": server.chance.uid(),
        "kubernetes.io": {
            "namespace": namespace,
            "serviceaccount": {"name": name, "uid": uid_of(account)},
        },
        "nbf": now,
        "sub": f"system:serviceaccount:{namespace}:{name}",
    }


def _bound(server: APIServer, namespace: str, bound: Obj) -> dict[str, str]:
    kind, name = bound.get("kind", ""), bound.get("name", "")
    if kind not in BOUND:
        raise errors.bad_request(f"cannot bind token to object of type {bound.get('apiVersion')}, "
                                 f"Kind={kind}")  # fmt: skip
    key = name if kind == "Node" else f"{namespace}/{name}"
    obj = server.cached(f"/registry/{BOUND[kind]}/", key)
    if obj is None:
        plural = "nodes" if kind == "Node" else BOUND[kind]
        raise errors.not_found_named(plural, "", name)
    if bound.get("uid") and bound["uid"] != uid_of(obj):
        why = (
            f"the UID in the bound object reference ({bound['uid']}) does not match the UID in "
            f"record. The object might have been deleted and then recreated"
        )
        raise errors.failure(409, why, "Conflict")
    return {"name": name, "uid": uid_of(obj)}


def claims_of(server: APIServer, token: str) -> dict[str, Any] | None:
    """What a token says, if it is ours, and still holds."""
    text, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(server, text).encode()):
        return None
    try:
        middle = text.partition(".")[2]
        claims: dict[str, Any] = json.loads(
            base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4))
        )
    except ValueError:
        return None
    if claims["exp"] * SECOND < server.now:
        return None
    private = claims["kubernetes.io"]
    space = private["namespace"]
    held = [("serviceaccounts", private["serviceaccount"], space)]
    held += [
        (directory, private[kind.lower()], "" if kind == "Node" else space)
        for kind, directory in BOUND.items()
        if kind.lower() in private
    ]
    for directory, reference, namespace in held:
        key = f"{namespace}/{reference['name']}" if namespace else reference["name"]
        obj = server.cached(f"/registry/{directory}/", key)
        if obj is None or uid_of(obj) != reference["uid"]:
            return None
    return claims


def user_of(server: APIServer, token: str, audiences: Any = ()) -> tuple[str, str, Obj] | None:
    """Name, uid and extra of a token's account; None if the token is nobody's."""
    claims = claims_of(server, token)
    wanted = list(audiences) or [ISSUER]
    if claims is None or not any(name in claims["aud"] for name in wanted):
        return None
    private = claims["kubernetes.io"]
    prefix = "authentication.kubernetes.io/"
    extra = {f"{prefix}credential-id": Arr([f"JTI={claims['jti']}"])}
    for kind in ("node", "pod"):
        if kind in private:
            extra[f"{prefix}{kind}-name"] = Arr([private[kind]["name"]])
            extra[f"{prefix}{kind}-uid"] = Arr([private[kind]["uid"]])
    return claims["sub"], private["serviceaccount"]["uid"], Obj(sorted(extra.items()))


def review(server: APIServer, body: Obj) -> Obj:
    """TokenReview: whose a token is."""
    token = get(body, "spec", "token") or ""
    audiences = get(body, "spec", "audiences") or [ISSUER]
    known = user_of(server, token, audiences) if token else None
    if known is None:
        error = "invalid bearer token" if token else ""
        status: dict[str, Any] = {"user": EMPTY} | ({"error": error} if error else {})
        return merged(body, status=freeze(status))
    from kubelab.apiserver.authentication import groups_of

    name, uid, extra = known
    claims = claims_of(server, token) or {}
    return merged(
        body,
        status=freeze({
            "authenticated": True,
            "user": {"username": name, "uid": uid, "groups": list(groups_of(name)), "extra": extra},
            "audiences": [said for said in audiences if said in claims.get("aud", ())],
        }),
    )  # fmt: skip
