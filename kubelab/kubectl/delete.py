"""kubectl delete: asks for the end of objects, and waits until they are gone.

In Kubernetes: k8s.io/kubectl/pkg/cmd/delete.
"""

from __future__ import annotations

from kubelab.api.errors import ApiError
from kubelab.api.objects import Obj, uid_of
from kubelab.api.rest import url
from kubelab.kubectl.errors import Failed, fail
from kubelab.kubectl.flags import seconds
from kubelab.kubectl.resources import Target, chosen, kind_word
from kubelab.kubectl.session import FOREVER_SECONDS, Session

FLAGS = (
    "filename,f=* recursive,R all all-namespaces,A selector,l= field-selector= force now "
    "grace-period= cascade?background ignore-not-found wait timeout= dry-run?unchanged output,o= "
    "raw= interactive,i"
)
CASCADE = {
    "true": "Background", "background": "Background", "foreground": "Foreground",
    "orphan": "Orphan", "false": "Orphan",
}  # fmt: skip
FORCED = (
    "Warning: Immediate deletion does not wait for confirmation that the running resource has been "
    "terminated. The resource may continue to run on the cluster indefinitely."
)


def run(session: Session, args: list[str]) -> None:
    """Runs the command."""
    flags = session.flags
    if flags.on("all-namespaces") and not (flags.has("all") or flags.has("selector")):
        flags.values["all"] = True
    if flags.text("output") not in ("", "name"):
        raise fail("unexpected -o output mode: " + flags.text("output")
                   + ". We only support '-o name'")  # fmt: skip
    _dry(session)
    targets = chosen(session, args)
    if flags.on("force") and not flags.has("dry-run"):
        session.warn(FORCED)
    if not targets:
        session.print("No resources found")
        return
    remove(session, targets)


def _dry(session: Session) -> str:
    way = session.flags.text("dry-run", "none")
    if way not in ("none", "client", "server", "unchanged"):
        raise fail(f'Invalid dry-run value ({way}). Must be "none", "server", or "client".')
    return {"none": "", "server": " (server dry run)"}.get(way, " (dry run)")


def _options(session: Session) -> Obj:
    flags = session.flags
    cascade = flags.text("cascade", "background")
    if cascade not in CASCADE:
        raise fail(
            f'invalid cascade value ({cascade}). Must be "background", "foreground", or "orphan"'
        )
    options: dict[str, object] = {"propagationPolicy": CASCADE[cascade]}
    grace = flags.number("grace-period", -1)
    if flags.on("now"):
        if grace != -1:
            raise fail("--now and --grace-period cannot be specified together")
        grace = 1
    if flags.on("force") and grace < 0:
        grace = 0
    if grace == 0 and not flags.on("force"):
        grace = 1
    if grace >= 0:
        options["gracePeriodSeconds"] = grace
    if flags.text("dry-run") == "server":
        options["dryRun"] = ["All"]
    return Obj(options)


def remove(session: Session, targets: list[Target], *, told: bool = True) -> None:
    """Deletes objects, one by one, and waits for the end of all; `told` says how forced."""
    flags, ending, options = session.flags, _dry(session), _options(session)
    left: list[tuple[Target, str]] = []
    for target in targets:
        try:
            uid = _ask(session, target, options)
        except ApiError as error:
            if not (flags.on("ignore-not-found") and error.code == 404):
                about = f'error when deleting "{target.source}"' if target.source else ""
                session.fail(error, about)
            continue
        left.append((target, uid))
        session.print(_told(session, target, ending, forced=told and flags.on("force")))
    wait = flags.on("wait", default=not flags.on("force") or flags.has("grace-period"))
    if wait and not ending:
        for target, uid in left:
            _await_end(session, target, uid)


def _told(session: Session, target: Target, ending: str, *, forced: bool) -> str:
    if session.flags.text("output") == "name":
        return target.shown
    place = f" from {target.namespace} namespace" if target.namespace else ""
    verb = "force deleted" if forced else "deleted"
    return f'{kind_word(target.kind)} "{target.name}" {verb}{place}{ending}'


def _ask(session: Session, target: Target, options: Obj) -> str:
    """Asks for the end of one object; the uid of the object that ends."""
    path = url(target.kind, target.namespace, target.name)
    if session.flags.text("dry-run") in ("client", "unchanged"):
        return uid_of(session.call("GET", path))
    dry = "?dryRun=All" if "dryRun" in options else ""
    answer = session.call("DELETE", path + dry, options)
    details = answer.get("details") or {}
    return str(details.get("uid") or uid_of(answer))


def _await_end(session: Session, target: Target, uid: str) -> None:
    """Waits until the object is gone, or another has its name."""

    def gone(obj: Obj | None) -> bool:
        return obj is None or bool(uid and uid_of(obj) != uid)

    limit = seconds(session.flags.text("timeout")) or FOREVER_SECONDS
    if not session.wait(target.kind, target.namespace, target.name, gone, limit):
        session.fail(
            Failed(f"error: timed out waiting for the condition on {target.kind.plural}"
                   f"/{target.name}")
        )  # fmt: skip
