"""A pod's /etc/resolv.conf, from its dnsPolicy and dnsConfig.

It names the servers to ask, the endings to try for short names, and options, of which `ndots` says
with how many dots a name is tried as it is before the endings. The kubelet writes the file at the
container's start; the resolver in the pod follows it.

In Kubernetes: pkg/kubelet/network/dns/dns.go.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.api.objects import EMPTY, Obj, freeze, get, namespace_of

CLUSTER_DNS = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"

# What the nodes themselves have.
NODE_CONF = freeze({"nameservers": ["192.0.2.53"], "searches": [], "options": []})

NAMESERVERS = 3
SEARCHES = 32
SEARCH_CHARACTERS = 2048
# glibc takes no more than this for `ndots`.
NDOTS = 15


class Formed(NamedTuple):
    """The file's content, and messages of Events about what did not fit (`DNSConfigForming`)."""

    conf: Obj
    warnings: tuple[str, ...] = ()


def resolv_conf(
    pod: Obj,
    cluster_dns: tuple[str, ...] = (CLUSTER_DNS,),
    cluster_domain: str = CLUSTER_DOMAIN,
    node_conf: Obj = NODE_CONF,
) -> Formed:
    """The file of a pod: an object with `nameservers`, `searches` and `options`."""
    spec = pod["spec"]
    policy = get(spec, "dnsPolicy", default="ClusterFirst")
    if policy == "ClusterFirst" and get(spec, "hostNetwork", default=False):
        policy = "Default"
    nameservers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    if policy in ("ClusterFirst", "ClusterFirstWithHostNet"):
        namespace = namespace_of(pod) or "default"
        nameservers = list(cluster_dns)
        searches = [f"{namespace}.svc.{cluster_domain}", f"svc.{cluster_domain}", cluster_domain]
        searches += get(node_conf, "searches", default=())
        options = ["ndots:5"]
    elif policy == "Default":
        nameservers = list(get(node_conf, "nameservers", default=()))
        searches = list(get(node_conf, "searches", default=()))
        options = list(get(node_conf, "options", default=()))
    config = get(spec, "dnsConfig", default=EMPTY)
    nameservers = _unique(nameservers + list(get(config, "nameservers", default=())))
    searches = _unique(searches + list(get(config, "searches", default=())))
    options = _with_options(options, get(config, "options", default=()))
    warnings: list[str] = []
    if len(nameservers) > NAMESERVERS:
        nameservers = nameservers[:NAMESERVERS]
        warnings.append(
            "Nameserver limits were exceeded, some nameservers have been omitted, "
            f"the applied nameserver line is: {' '.join(nameservers)}"
        )
    searches, cut = _fitting(searches)
    if cut:
        warnings.append(
            "Search Line limits were exceeded, some search paths have been omitted, "
            f"the applied search line is: {' '.join(searches)}"
        )
    conf = freeze({"nameservers": nameservers, "searches": searches, "options": options})
    return Formed(conf, tuple(warnings))


def _unique(items: list[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _with_options(options: list[str], wished: Any) -> list[str]:
    """Options by name; those of the pod override."""
    by_name = {option.partition(":")[0]: option for option in options}
    for option in wished:
        value = option.get("value")
        by_name[option["name"]] = option["name"] if value is None else f"{option['name']}:{value}"
    return list(by_name.values())


def _fitting(searches: list[str]) -> tuple[list[str], bool]:
    kept = searches[:SEARCHES]
    while kept and len(" ".join(kept)) > SEARCH_CHARACTERS:
        kept.pop()
    return kept, len(kept) < len(searches)


def render(conf: Obj) -> str:
    """The file's text."""
    lines: list[str] = []
    searches = get(conf, "searches", default=())
    if searches:
        lines.append(f"search {' '.join(searches)}")
    lines += [f"nameserver {server}" for server in get(conf, "nameservers", default=())]
    options = get(conf, "options", default=())
    if options:
        lines.append(f"options {' '.join(options)}")
    return "\n".join(lines) + "\n"


def parse(text: str) -> Obj:
    """The content of a file's text; lines that are not understood are left out."""
    nameservers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver":
            nameservers.append(words[1])
        elif words[0] in ("search", "domain"):
            searches = words[1:]
        elif words[0] == "options":
            options += words[1:]
    conf: Obj = freeze({"nameservers": nameservers, "searches": searches, "options": options})
    return conf


def option(conf: Obj, name: str, default: int) -> int:
    """The number of an option such as `ndots:5`."""
    for item in get(conf, "options", default=()):
        key, _, value = item.partition(":")
        if key == name and value.isdigit():
            return int(value)
    return default


def has_option(conf: Obj, name: str) -> bool:
    """Whether an option stands there, with a value or without."""
    return any(item.partition(":")[0] == name for item in get(conf, "options", default=()))


def candidates(conf: Obj, name: str) -> tuple[str, ...]:
    """The full names that are tried for a name, in order, each with its final dot.

    A name with a final dot is complete. One with at least `ndots` dots is tried as it is first,
    then with the endings; any other with the endings first.
    """
    if name.endswith("."):
        return (name,)
    as_is = f"{name}."
    endings = tuple(
        f"{name}.{ending.rstrip('.')}." if ending != "." else as_is
        for ending in get(conf, "searches", default=())
    )
    tried = (
        (as_is, *endings)
        if name.count(".") >= min(option(conf, "ndots", 1), NDOTS)
        else (*endings, as_is)
    )
    return tuple(dict.fromkeys(tried))
