"""kubectl wait: lets time pass until objects are as wished.

In Kubernetes: k8s.io/kubectl/pkg/cmd/wait.
"""

from __future__ import annotations

from collections.abc import Callable

from kubelab.api import condition as conditions
from kubelab.api.errors import ApiError
from kubelab.api.objects import Obj, uid_of
from kubelab.kubectl.errors import Failed, fail
from kubelab.kubectl.flags import seconds
from kubelab.kubectl.resources import Target, chosen
from kubelab.kubectl.session import FOREVER_SECONDS, Session

FLAGS = (
    "for= timeout= all selector,l= field-selector= filename,f=* all-namespaces,A output,o= local"
)


def run(session: Session, args: list[str]) -> None:
    """Runs the command."""
    flags = session.flags
    wish = flags.text("for")
    known = wish.lower() in ("delete", "create") or wish.startswith(("condition=", "jsonpath="))
    if not known:
        shown = f'"{wish}"' if wish else "[]"
        raise fail(f"unrecognized condition: {shown}")
    try:
        limit = seconds(flags.text("timeout", "30s"))
    except ValueError as error:
        raise fail(
            f'invalid argument "{flags.text("timeout")}" for "--timeout" flag: {error}'
        ) from (None)
    limit = FOREVER_SECONDS if limit < 0 else limit
    _check_path(wish)
    targets = chosen(session, args)
    if not targets and wish.lower() == "delete":
        return
    if not targets:
        raise fail("no matching resources found")
    deadline = session.now_ns + int(limit * 1e9)
    for target in targets:
        left = max((deadline - session.now_ns) / 1e9, 0.0)
        try:
            _await(session, target, wish, left)
        except (ApiError, Failed) as error:
            session.fail(error)


def _check_path(wish: str) -> None:
    """Fails for a path that cannot be read: braces stand around all of it, or nowhere."""
    if not wish.startswith("jsonpath="):
        return
    path = wish.partition("=")[2].partition("=")[0].strip("'\"")
    if path.startswith("{") != path.endswith("}"):
        raise fail(
            "unexpected path string, expected a 'name1.name2' or '.name1.name2' or "
            "'{name1.name2}' or '{.name1.name2}'"
        )


def _await(session: Session, target: Target, wish: str, limit: float) -> None:
    holds, uid = _wish(target.name, wish), ""
    if wish.lower() != "create":
        try:
            uid = uid_of(session.get(target.kind, target.namespace, target.name))
        except ApiError as error:
            if error.code != 404 or wish.lower() != "delete":
                raise
            return

    def reached(obj: Obj | None) -> bool:
        if wish.lower() == "delete":
            return obj is None or uid_of(obj) != uid
        return holds(obj)

    if wish.lower() == "create":
        if not session.wait(target.kind, target.namespace, target.name, holds, limit):
            raise fail("timed out waiting for the condition")
        session.print(f"{target.shown} condition met")
        return
    if not session.wait(target.kind, target.namespace, target.name, reached, limit):
        raise fail(f"timed out waiting for the condition on {target.kind.plural}/{target.name}")
    session.print(f"{target.shown} condition met")


def _wish(name: str, wish: str) -> Callable[[Obj | None], bool]:
    """The wish as a test of the object."""
    try:
        parsed = conditions.parse(f"pod/{name} {wish.lower() if '=' not in wish else wish}")
    except ValueError:
        raise fail(f'unrecognized condition: "{wish}"') from None
    return parsed.holds
