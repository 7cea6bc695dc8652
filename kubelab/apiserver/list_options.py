"""What a list or a watch may ask for: versions, limits, continue tokens.

Each parameter is judged as Kubernetes judges it, in its words. A continue token names the revision
of the first page and the key after which the next page begins, relative to the directory; when that
revision is compacted, the refusal holds a token that goes on from the same key on present data.

In Kubernetes: k8s.io/apimachinery/pkg/apis/meta/internalversion/validation and
k8s.io/apiserver/pkg/storage/continue.go.
"""

from __future__ import annotations

import base64
import binascii
import json

from kubelab.api import bodies, errors, fielderrors
from kubelab.api.fielderrors import FieldError
from kubelab.api.objects import Obj

MATCHES = ("Exact", "NotOlderThan")
# The revision in a token that goes on with whatever there is now.
ANY_REVISION = -1
INCONSISTENT = (
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


def check(query: Obj, *, watch: bool) -> None:
    """Refuses options that do not go together. Raises ApiError."""
    for name in ("timeoutSeconds", "limit"):
        number(query, name)
    match, version = query.get("resourceVersionMatch") or "", query.get("resourceVersion") or ""
    initial = query.get("sendInitialEvents")
    problems: list[FieldError] = []
    if initial is not None:
        if not watch:
            text = "sendInitialEvents is forbidden for list"
            problems.append(fielderrors.not_allowed("sendInitialEvents", text))
        elif match != "NotOlderThan":
            text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            problems.append(fielderrors.not_allowed("resourceVersionMatch", text))
    elif match:
        problems += _match_problems(match, version, bool(query.get("continue")), watch)
    if problems:
        raise errors.invalid_named("ListOptions", "meta.k8s.io", "", problems)


def _match_problems(match: str, version: str, token: bool, watch: bool) -> list[FieldError]:
    field = "resourceVersionMatch"
    if watch:
        text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        return [fielderrors.not_allowed(field, text)]
    problems = []
    if not version:
        text = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        problems.append(fielderrors.not_allowed(field, text))
    if token:
        text = "resourceVersionMatch is forbidden when continue is provided"
        problems.append(fielderrors.not_allowed(field, text))
    if match not in MATCHES:
        problems.append(fielderrors.unsupported(field, match, (*MATCHES, "")))
    if match == "Exact" and version == "0":
        text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        problems.append(fielderrors.not_allowed(field, text))
    return problems


def number(query: Obj, name: str) -> int:
    """A whole number of the query; 0 where it is not given."""
    text = str(query.get(name) or "0")
    if not text.lstrip("-").isdigit():
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def version_of(query: Obj) -> str:
    """The resourceVersion asked for, or the empty string."""
    version = str(query.get("resourceVersion") or "")
    if version and not (version.isascii() and version.isdigit()):
        raise errors.bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{version}": '
            f'strconv.ParseUint: parsing "{version}": invalid syntax'
        )
    return version


def limit_of(query: Obj) -> int:
    """The limit asked for; 0 is none."""
    return max(0, number(query, "limit"))


def token(revision: int, last: str, start: bytes) -> str:
    """The token of the page after the key `last` of the directory `start`."""
    rest = last[len(start) - 1 :]
    body = {"v": "meta.k8s.io/v1", "rv": revision, "start": f"{rest}\0"}
    return _packed(body)


def _packed(body: dict[str, object]) -> str:
    text = json.dumps(body, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def continued(text: str, start: bytes) -> tuple[int, bytes]:
    """The revision of a token (0: the present one), and the key where its page begins."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise _bad("illegal base64 data at input byte 0") from None
    try:
        body = bodies.read(raw.decode("latin-1"))[0]
    except bodies.BodyError as error:
        raise _bad(str(error)) from None
    if not isinstance(body, dict) or body.get("v") != "meta.k8s.io/v1":
        said = body.get("v") if isinstance(body, dict) else ""
        raise _bad(f'server does not recognize this encoded version "{said or ""}"')
    revision, rest = body.get("rv"), body.get("start")
    if not isinstance(revision, int) or revision == 0:
        raise _bad("incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
    if not isinstance(rest, str) or not rest:
        raise _bad("encoded start key empty (version meta.k8s.io/v1)")
    if ".." in rest.split("/"):
        raise _bad("")
    return max(0, revision), start[:-1] + b"/" + rest.lstrip("/").encode()


def _bad(why: str) -> errors.ApiError:
    reason = f": {why}" if why else ""
    return errors.bad_request(f"invalid continue token: continue key is not valid{reason}")


def too_old(query: Obj) -> errors.ApiError:
    """410: the revision that was asked for is compacted."""
    text = query.get("continue")
    if not text:
        return errors.expired("The resourceVersion for the provided list is too old.")
    body = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return errors.expired(INCONSISTENT, _packed({**body, "rv": ANY_REVISION}))
