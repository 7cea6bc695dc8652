"""kubectl's questions about the server: api-resources, api-versions, version, cluster-info, auth.

In Kubernetes: k8s.io/kubectl/pkg/cmd/apiresources, version, clusterinfo, auth and config.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds
from kubelab.api.kinds import Kind
from kubelab.api.objects import Obj
from kubelab.api.rest import url
from kubelab.kubectl import output, tabwriter
from kubelab.kubectl.errors import Failed, fail, usage
from kubelab.kubectl.resources import kind_of, others
from kubelab.kubectl.session import Session

API_RESOURCES = "api-group= namespaced verbs= categories= output,o= no-headers sort-by= cached"
PLAIN = "output,o="
VERSION = "client output,o= short"
AUTH = "list all-namespaces,A quiet,q subresource= no-headers output,o="
CONFIG = "output,o= current minify flatten raw no-headers"
CLIENT_VERSION = "v1.37.1"
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
    if form not in ("", "wide", "name"):
        raise fail(f"--output {form} is not available")
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
    if form == "name":
        session.out += [f"{kind.resource}\n" for kind in rows]
        return
    head = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    table = [] if flags.on("no-headers") else [head + (["VERBS", "CATEGORIES"] if form else [])]
    for kind in rows:
        row = [
            kind.plural, ",".join(kind.short_names), kind.api_version,
            "true" if kind.namespaced else "false", kind.kind,
        ]  # fmt: skip
        if form:
            row += [",".join(sorted(kind.verbs)), ",".join(kind.categories)]
        table.append(row)
    session.out.append(tabwriter.rows(table))


def api_versions(session: Session, args: list[str]) -> None:
    """Runs `kubectl api-versions`."""
    versions = {kind.api_version: True for kind in [*kinds.ALL, *others(session)]}
    session.out += [f"{version}\n" for version in sorted(versions)]


def version(session: Session, args: list[str]) -> None:
    """Runs `kubectl version`."""
    flags = session.flags
    server = None if flags.on("client") else session.call("GET", "/version")
    form = flags.text("output")
    if form in ("yaml", "json"):
        _, major, minor = CLIENT_VERSION.replace("v", ".").split(".")[:3]
        client = {"gitVersion": CLIENT_VERSION, "major": major, "minor": minor}
        body: dict[str, Any] = {"clientVersion": client, "kustomizeVersion": KUSTOMIZE_VERSION}
        if server:
            body["serverVersion"] = server
        text = output.to_yaml(body) if form == "yaml" else output.to_json(body)
        session.print(text)
        return
    if form:
        raise fail("--output must be 'yaml' or 'json'")
    session.print(f"Client Version: {CLIENT_VERSION}")
    session.print(f"Kustomize Version: {KUSTOMIZE_VERSION}")
    if server:
        session.print(f"Server Version: {server['gitVersion']}")


def cluster_info(session: Session, args: list[str]) -> None:
    """Runs `kubectl cluster-info`."""
    if args:
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


# Who may do what.

REVIEWS = "authorization.k8s.io/v1"


def auth(session: Session, args: list[str]) -> None:
    """Runs `kubectl auth can-i` and `whoami`."""
    if args[:1] == ["whoami"]:
        _who(session)
    elif args[:1] == ["can-i"]:
        _can(session, args[1:])
    else:
        raise usage("auth", f"Unexpected args: [{' '.join(args)}]")


def _review(session: Session, api_version: str, kind: str, spec: Any) -> Obj:
    row = kinds.by_kind(api_version, kind)
    body = {"apiVersion": api_version, "kind": kind, "metadata": {}, "spec": spec}
    answer: Obj = session.call("POST", url(row), body)
    return answer


def _who(session: Session) -> None:
    review = _review(session, "authentication.k8s.io/v1", "SelfSubjectReview", {})
    user = (review.get("status") or {}).get("userInfo") or {}
    rows = [["ATTRIBUTE", "VALUE"], ["Username", user.get("username", "")]]
    if user.get("uid"):
        rows.append(["UID", user["uid"]])
    if user.get("groups"):
        rows.append(["Groups", f"[{' '.join(user['groups'])}]"])
    session.out.append(tabwriter.rows(rows))


def _can(session: Session, args: list[str]) -> None:
    flags = session.flags
    if flags.on("list"):
        _rules(session)
        return
    if len(args) not in (2, 3):
        raise Failed(
            "error: you must specify two arguments: verb resource or verb resource/resourceName.\n"
            "See 'kubectl auth can-i -h' for help and examples."
        )
    verb, what = args[0], args[1]
    spec: dict[str, Any]
    if what.startswith("/"):
        spec = {"nonResourceAttributes": {"path": what, "verb": verb}}
    else:
        word, _, name = what.partition("/")
        attributes = {"verb": verb, "resource": word, "name": name or "".join(args[2:])}
        try:
            kind = kind_of(session, word) if word != "*" else None
        except Failed:
            kind = None
            session.warn(f"Warning: the server doesn't have a resource type '{word}'\n")
        if kind is not None:
            attributes.update(group=kind.group, resource=kind.plural)
        if kind is None or kind.namespaced:
            attributes["namespace"] = "" if flags.on("all-namespaces") else session.namespace
        else:
            session.warn(
                f"Warning: resource '{kind.plural}' is not namespace scoped"
                + (f" in group '{kind.group}'" if kind.group else "") + "\n"
            )  # fmt: skip
        if flags.has("subresource"):
            attributes["subresource"] = flags.text("subresource")
        spec = {"resourceAttributes": {key: value for key, value in attributes.items() if value}}
    review = _review(session, REVIEWS, "SelfSubjectAccessReview", spec)
    status = review.get("status") or {}
    allowed = bool(status.get("allowed"))
    if not flags.on("quiet"):
        why = f" - {status['reason']}" if status.get("reason") and not allowed else ""
        session.print("yes" if allowed else f"no{why}")
    session.failed = 0 if allowed else 1


def _rules(session: Session) -> None:
    spec = {"namespace": session.namespace}
    review = _review(session, REVIEWS, "SelfSubjectRulesReview", spec)
    status = review.get("status") or {}
    rows = [["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]]
    for rule in status.get("resourceRules") or ():
        for group in rule.get("apiGroups") or ("",):
            for resource in rule.get("resources") or ():
                shown = f"{resource}.{group}" if group else resource
                names, verbs = rule.get("resourceNames") or (), rule.get("verbs") or ()
                rows.append([shown, "[]", f"[{' '.join(names)}]", f"[{' '.join(verbs)}]"])
    for rule in status.get("nonResourceRules") or ():
        verbs = " ".join(rule.get("verbs") or ())
        rows += [["", f"[{path}]", "[]", f"[{verbs}]"] for path in rule["nonResourceURLs"] or ()]
    session.out.append(tabwriter.rows(rows))


def config(session: Session, args: list[str]) -> None:
    """Runs what there is of `kubectl config`: one context, named kubelab."""
    server = getattr(session.cluster, "url", "") or "https://kubernetes.default.svc"
    if args[:1] == ["current-context"]:
        session.print("kubelab")
    elif args[:1] == ["get-contexts"]:
        head = ["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"]
        row = ["*", "kubelab", "kubelab", "kubernetes-admin", session.namespace]
        session.out.append(tabwriter.rows([head, row]))
    elif args[:1] == ["view"]:
        context = {"cluster": "kubelab", "namespace": session.namespace, "user": "kubernetes-admin"}
        body = {
            "apiVersion": "v1", "kind": "Config", "current-context": "kubelab",
            "clusters": [{"name": "kubelab", "cluster": {"server": server}}],
            "contexts": [{"name": "kubelab", "context": context}],
            "users": [{"name": "kubernetes-admin", "user": {}}],
        }  # fmt: skip
        session.out.append(output.to_yaml(body))
    elif args[:1] == ["use-context"]:
        if args[1:] != ["kubelab"]:
            raise fail(f'no context exists with the name: "{"".join(args[1:2])}"')
        session.print('Switched to context "kubelab".')
    else:
        raise fail("the built-in kubectl keeps no kubeconfig; name the namespace with -n")


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
