"""kubectl's questions about the server: api-resources, api-versions, version, cluster-info.

In Kubernetes: k8s.io/kubectl/pkg/cmd/apiresources, version and clusterinfo.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds
from kubelab.api.kinds import Kind
from kubelab.api.objects import freeze
from kubelab.kubectl import output, tabwriter
from kubelab.kubectl.errors import fail, usage
from kubelab.kubectl.resources import others
from kubelab.kubectl.session import Session

API_RESOURCES = "api-group= namespaced verbs= categories= output,o= no-headers sort-by= cached"
PLAIN = "output,o="
VERSION = "client output,o= short"
CLIENT_VERSION = "v1.37.1"
CLIENT = {
    "major": "1", "minor": "37", "gitVersion": CLIENT_VERSION,
    "gitCommit": "f78e722310e50bcaca9276be22276d9e91d91308", "gitTreeState": "clean",
    "buildDate": "2026-09-23T17:10:04Z", "goVersion": "go1.26.8", "compiler": "gc",
    "platform": "linux/amd64",
}  # fmt: skip
KUSTOMIZE_VERSION = "v5.8.1"


def _served(session: Session) -> list[Kind]:
    """All kinds, each in its preferred version, the core group first, then by group."""
    rows: dict[tuple[str, str], Kind] = {}
    for kind in [*kinds.ALL, *others(session)]:
        rows.setdefault((kind.group, kind.plural), kind)
    return sorted(rows.values(), key=lambda kind: (kind.group, kind.plural))


def api_resources(session: Session, args: list[str]) -> None:
    """Runs `kubectl api-resources`."""
    flags, form = session.flags, session.flags.text("output")
    _no_arguments("api-resources", args)
    if form not in ("", "wide", "name", "json", "yaml"):
        raise fail(f"--output {form} is not available")
    order = flags.text("sort-by")
    if order not in ("", "name", "kind"):
        raise fail("--sort-by accepts only name or kind")
    rows = []
    for kind in _served(session):
        if flags.has("api-group") and kind.group != flags.text("api-group"):
            continue
        if flags.has("namespaced") and kind.namespaced != flags.on("namespaced"):
            continue
        if any(verb not in kind.verbs for verb in flags.text("verbs").split(",") if verb):
            continue
        wished = [word for word in flags.text("categories").split(",") if word]
        if any(word not in kind.categories for word in wished):
            continue
        rows.append(kind)
    if order:
        rows.sort(key=lambda kind: kind.kind if order == "kind" else kind.plural)
    if form == "name":
        session.out += [f"{kind.resource}\n" for kind in rows]
        return
    if form in ("json", "yaml"):
        listed = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "",
                  "resources": [_resource(kind) for kind in rows]}  # fmt: skip
        session.out.append(output.render(freeze(listed), form, as_sent=True))
        return
    head = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    table = [] if flags.on("no-headers") else [head + (["VERBS", "CATEGORIES"] if form else [])]
    for kind in rows:
        row = [
            kind.plural, ",".join(kind.short_names), kind.api_version,
            "true" if kind.namespaced else "false", kind.kind,
        ]  # fmt: skip
        if form:
            row += [",".join(kind.verbs), ",".join(kind.categories)]
        table.append(row)
    session.out.append(tabwriter.rows(table))


def _no_arguments(command: str, args: list[str]) -> None:
    if args:
        raise usage(command, f"unexpected arguments: [{' '.join(args)}]")


def _resource(kind: Kind) -> dict[str, Any]:
    """A kind as discovery has it."""
    row: dict[str, Any] = {
        "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced
    }  # fmt: skip
    if kind.group:
        row["group"] = kind.group
    row |= {"version": kind.version, "kind": kind.kind, "verbs": list(kind.verbs)}
    if kind.short_names:
        row["shortNames"] = list(kind.short_names)
    if kind.categories:
        row["categories"] = list(kind.categories)
    return row


def api_versions(session: Session, args: list[str]) -> None:
    """Runs `kubectl api-versions`."""
    _no_arguments("api-versions", args)
    versions = {kind.api_version: True for kind in [*kinds.ALL, *others(session)]}
    session.out += [f"{version}\n" for version in sorted(versions)]


def version(session: Session, args: list[str]) -> None:
    """Runs `kubectl version`."""
    flags = session.flags
    server = None if flags.on("client") else session.call("GET", "/version")
    form = flags.text("output")
    if form in ("yaml", "json"):
        body: dict[str, Any] = {"clientVersion": CLIENT, "kustomizeVersion": KUSTOMIZE_VERSION}
        if server:
            body["serverVersion"] = server
        text = output.to_yaml(body) if form == "yaml" else output.json_as_sent(body, 2)
        session.out.append(text + "\n")
        return
    if form:
        raise fail("--output must be 'yaml' or 'json'")
    session.print(f"Client Version: {CLIENT_VERSION}")
    session.print(f"Kustomize Version: {KUSTOMIZE_VERSION}")
    if server:
        session.print(f"Server Version: {server['gitVersion']}")


def cluster_info(session: Session, args: list[str]) -> None:
    """Runs `kubectl cluster-info`."""
    if args[:1] == ["dump"]:
        raise fail("the built-in kubectl has no cluster-info dump")
    server = getattr(session.cluster, "url", "") or "https://kubernetes.default.svc"
    session.print(f"Kubernetes control plane is running at {server}")
    services = session.list(
        kinds.named("v1/Service"), "kube-system", "kubernetes.io/cluster-service=true"
    )
    for service in services:
        name, labels = service["metadata"]["name"], service["metadata"].get("labels") or {}
        port = (service["spec"].get("ports") or [{}])[0].get("name", "")
        where = f"{server}/api/v1/namespaces/kube-system/services/{name}:{port}/proxy"
        session.print(f"{labels.get('kubernetes.io/name', name)} is running at {where}")
    session.print()
    session.print(
        "To further debug and diagnose cluster problems, use 'kubectl cluster-info dump'."
    )


def plugin(session: Session, args: list[str]) -> None:
    """`kubectl plugin`: there are none."""
    raise fail("unable to find any kubectl plugins in your PATH")


def completion(session: Session, args: list[str]) -> None:
    """Refuses `kubectl completion`."""
    if not args:
        raise usage("completion", "Shell not specified.")
    if args[0] not in ("bash", "zsh", "fish", "powershell"):
        raise usage("completion", f'Unsupported shell type "{args[0]}".')
    raise fail("the built-in kubectl has no completion for shells")
