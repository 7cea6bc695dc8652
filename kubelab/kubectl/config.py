"""kubectl config: the file that says which clusters there are, and as whom one comes.

In the process there is no such file, but one context, named kubelab; from afar it is the file that
KUBECONFIG names, and it is only read.

In Kubernetes: k8s.io/kubectl/pkg/cmd/config. Left out: everything that writes the file.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import freeze
from kubelab.kubectl import output, tabwriter
from kubelab.kubectl.errors import fail, usage
from kubelab.kubectl.session import Session

CONFIG = "output,o= current minify flatten raw no-headers"
SERVER = "https://kubernetes.default.svc"
WRITING = (
    "delete-cluster", "delete-context", "delete-user", "rename-context", "set", "set-cluster",
    "set-context", "set-credentials", "unset",
)  # fmt: skip


def config(session: Session, args: list[str]) -> None:
    """Runs `kubectl config`."""
    word, rest = (args[0], args[1:]) if args else ("", [])
    held = _held(session)
    if word == "current-context":
        session.print(held["current-context"])
    elif word == "get-contexts":
        _contexts(session, held, rest)
    elif word in ("get-clusters", "get-users"):
        session.print("NAME")
        for row in held[word.removeprefix("get-")]:
            session.print(row["name"])
    elif word == "view":
        _view(session, held)
    elif word == "use-context":
        if rest[:1] != [held["current-context"]]:
            raise fail(f'no context exists with the name: "{"".join(rest[:1])}"')
        session.print(f'Switched to context "{rest[0]}".')
    elif word in WRITING:
        raise fail("the built-in kubectl keeps no kubeconfig; name the namespace with -n")
    else:
        raise usage("config", f'unknown command "{word}"')


def _held(session: Session) -> Any:
    """The file, or what would stand in it."""
    kept = getattr(session.cluster, "kubeconfig", None)
    if isinstance(kept, dict):
        return kept
    server = getattr(session.cluster, "url", "") or SERVER
    cluster = {"certificate-authority-data": "DATA", "server": server}
    return {
        "kind": "Config", "apiVersion": "v1",
        "clusters": [{"name": "kubelab", "cluster": cluster}],
        "users": [{"name": "kubernetes-admin", "user": {"token": "SECRET"}}],
        "contexts": [
            {"name": "kubelab", "context": {"cluster": "kubelab", "user": "kubernetes-admin"}}
        ],
        "current-context": "kubelab",
    }  # fmt: skip


def _contexts(session: Session, held: Any, names: list[str]) -> None:
    known = [row["name"] for row in held["contexts"]]
    if session.flags.text("output") == "name":
        session.out += [f"{name}\n" for name in known if not names or name in names]
        return
    head = ["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"]
    rows = [] if session.flags.on("no-headers") else [head]
    for row in held["contexts"]:
        if names and row["name"] not in names:
            continue
        about = row["context"]
        mark = "*" if row["name"] == held["current-context"] else ""
        rows.append(
            [mark, row["name"], about["cluster"], about["user"], about.get("namespace", "")]
        )  # fmt: skip
    session.out.append(tabwriter.rows(rows))
    missing = [name for name in names if name not in known]
    if missing:
        raise fail(f"context {missing[0]} not found")


def _view(session: Session, held: Any) -> None:
    """The file without its secrets."""
    shown = {
        "kind": "Config", "apiVersion": "v1",
        "clusters": [
            {"name": row["name"], "cluster": {
                "server": row["cluster"]["server"],
                **({"certificate-authority-data": "DATA+OMITTED"}
                   if "certificate-authority-data" in row["cluster"] else {}),
            }} for row in held["clusters"]
        ],
        "users": [
            {"name": row["name"], "user": dict.fromkeys(row.get("user") or {}, "REDACTED")}
            for row in held["users"]
        ],
        "contexts": held["contexts"], "current-context": held["current-context"],
    }  # fmt: skip
    form = session.flags.text("output", "yaml")
    session.out.append(output.render(freeze(shown), form, as_sent=True))
