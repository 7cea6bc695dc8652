"""PodSecurity: what a pod may ask of its node, by the levels baseline and restricted.

A namespace's labels say which level is enforced, which only warned of. Each check is a function of
the pod's spec that returns what is wrong in the words of the refusal, or the empty string.

In Kubernetes: k8s.io/pod-security-admission/policy. Left out: older versions of the levels, audit
annotations, exemptions, pods of Windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kubelab.api.objects import EMPTY, NOTHING, Obj, get

PREFIX = "pod-security.kubernetes.io/"
LEVELS = ("privileged", "baseline", "restricted")
FIELDS = ("initContainers", "containers", "ephemeralContainers")
CAPABILITIES = (
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
)  # fmt: skip
SYSCTLS = (
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
)  # fmt: skip
VOLUMES = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
           "projected", "secret")  # fmt: skip
SELINUX = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")


def _containers(spec: Obj) -> Iterator[Obj]:
    for field in FIELDS:
        yield from spec.get(field) or NOTHING


def _security(container: Obj) -> Obj:
    held: Obj = container.get("securityContext") or EMPTY
    return held


def _quoted(words: list[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def _named(names: list[str]) -> str:
    return f"container{'s' if len(names) > 1 else ''} {_quoted(names)}"


def _that(spec: Obj, holds: Callable[[Obj], bool]) -> list[str]:
    return [c["name"] for c in _containers(spec) if holds(c)]


def _privileged(spec: Obj) -> str:
    bad = _that(spec, lambda c: _security(c).get("privileged") is True)
    if not bad:
        return ""
    return f"privileged ({_named(bad)} must not set securityContext.privileged=true)"


def _host_namespaces(spec: Obj) -> str:
    bad = [f"{f}=true" for f in ("hostNetwork", "hostPID", "hostIPC") if spec.get(f)]
    return f"host namespaces ({', '.join(bad)})" if bad else ""


def _host_paths(spec: Obj) -> str:
    bad = [v["name"] for v in spec.get("volumes") or NOTHING if v.get("hostPath") is not None]
    return f"hostPath volumes (volume{'s' if len(bad) > 1 else ''} {_quoted(bad)})" if bad else ""


def _host_ports(spec: Obj) -> str:
    bad: list[str] = []
    ports: dict[str, None] = {}
    for container in _containers(spec):
        held = [p["hostPort"] for p in container.get("ports") or NOTHING if p.get("hostPort")]
        if held:
            bad.append(container["name"])
            ports.update({str(port): None for port in held})
    if not bad:
        return ""
    uses = "use" if len(bad) > 1 else "uses"
    word = "hostPorts" if len(ports) > 1 else "hostPort"
    return f"hostPort ({_named(bad)} {uses} {word} {', '.join(sorted(ports))})"


def _added(spec: Obj, allowed: tuple[str, ...]) -> str:
    bad: list[str] = []
    added: dict[str, None] = {}
    for container in _containers(spec):
        held = get(_security(container), "capabilities", "add", default=NOTHING)
        wrong = [word for word in held if word not in allowed]
        if wrong:
            bad.append(container["name"])
            added.update(dict.fromkeys(wrong))
    if not bad:
        return ""
    return (
        f"{_named(bad)} must not include {_quoted(sorted(added))} in "
        "securityContext.capabilities.add"
    )


def _capabilities_baseline(spec: Obj) -> str:
    bad = _added(spec, CAPABILITIES)
    return f"non-default capabilities ({bad})" if bad else ""


def _capabilities_restricted(spec: Obj) -> str:
    kept = _that(
        spec, lambda c: "ALL" not in get(_security(c), "capabilities", "drop", default=NOTHING)
    )
    found = []
    if kept:
        found.append(f'{_named(kept)} must set securityContext.capabilities.drop=["ALL"]')
    added = _added(spec, ("NET_BIND_SERVICE",))
    if added:
        found.append(added)
    return f"unrestricted capabilities ({'; '.join(found)})" if found else ""


def _escalation(spec: Obj) -> str:
    bad = _that(spec, lambda c: _security(c).get("allowPrivilegeEscalation") is not False)
    if not bad:
        return ""
    must = "must set securityContext.allowPrivilegeEscalation=false"
    return f"allowPrivilegeEscalation != false ({_named(bad)} {must})"


def _non_root(spec: Obj) -> str:
    pod = get(spec, "securityContext", "runAsNonRoot")
    denied = _that(spec, lambda c: _security(c).get("runAsNonRoot") is False)
    unset = _that(spec, lambda c: _security(c).get("runAsNonRoot") is None)
    found = []
    if pod is False and unset:
        found.append("pod")
    if denied:
        found.append(_named(denied))
    if found:
        text = f"{' and '.join(found)} must not set securityContext.runAsNonRoot=false"
        return f"runAsNonRoot != true ({text})"
    if pod is not True and unset:
        text = f"pod or {_named(unset)} must set securityContext.runAsNonRoot=true"
        return f"runAsNonRoot != true ({text})"
    return ""


def _user(spec: Obj) -> str:
    found = ["pod"] if get(spec, "securityContext", "runAsUser") == 0 else []
    bad = _that(spec, lambda c: _security(c).get("runAsUser") == 0)
    if bad:
        found.append(_named(bad))
    return f"runAsUser=0 ({' and '.join(found)} must not set runAsUser=0)" if found else ""


def _seccomp_setters(spec: Obj, allowed: tuple[str, ...]) -> str:
    found, values = [], dict[str, None]()
    held = get(spec, "securityContext", "seccompProfile", "type")
    if held is not None and held not in allowed:
        found.append("pod")
        values[held] = None
    bad = []
    for container in _containers(spec):
        held = get(_security(container), "seccompProfile", "type")
        if held is not None and held not in allowed:
            bad.append(container["name"])
            values[held] = None
    if bad:
        found.append(_named(bad))
    if not found:
        return ""
    return (
        f"{' and '.join(found)} must not set securityContext.seccompProfile.type to "
        f"{_quoted(sorted(values))}"
    )


def _seccomp_baseline(spec: Obj) -> str:
    bad = _seccomp_setters(spec, ("RuntimeDefault", "Localhost"))
    return f"seccompProfile ({bad})" if bad else ""


def _seccomp_restricted(spec: Obj) -> str:
    bad = _seccomp_setters(spec, ("RuntimeDefault", "Localhost"))
    if bad:
        return f"seccompProfile ({bad})"
    if get(spec, "securityContext", "seccompProfile", "type") is not None:
        return ""
    unset = _that(spec, lambda c: get(_security(c), "seccompProfile", "type") is None)
    if not unset:
        return ""
    must = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return f"seccompProfile (pod or {_named(unset)} {must})"


def _volumes(spec: Obj) -> str:
    bad, types = [], dict[str, None]()
    for volume in spec.get("volumes") or NOTHING:
        wrong = [source for source in volume if source not in ("name", *VOLUMES)]
        if wrong:
            bad.append(volume["name"])
            types.update(dict.fromkeys(wrong))
    if not bad:
        return ""
    many = len(bad) > 1
    uses = f"volume{'s' if many else ''} {_quoted(bad)} {'use' if many else 'uses'}"
    kinds = f"restricted volume type{'s' if len(types) > 1 else ''} {_quoted(sorted(types))}"
    return f"restricted volume types ({uses} {kinds})"


def _proc_mount(spec: Obj) -> str:
    bad = _that(spec, lambda c: _security(c).get("procMount") not in (None, "Default"))
    if not bad:
        return ""
    return f'procMount ({_named(bad)} must not set securityContext.procMount to "Unmasked")'


def _selinux(spec: Obj) -> str:
    found = [_security(spec), *(_security(c) for c in _containers(spec))]
    types = {get(s, "seLinuxOptions", "type", default=""): None for s in found}
    bad = [type_ for type_ in types if type_ not in SELINUX]
    if not bad:
        return ""
    return f"seLinuxOptions (type{'s' if len(bad) > 1 else ''} {_quoted(sorted(bad))})"


def _sysctls(spec: Obj) -> str:
    held = get(spec, "securityContext", "sysctls", default=NOTHING)
    bad = [row["name"] for row in held if row["name"] not in SYSCTLS]
    return f"forbidden sysctls ({', '.join(bad)})" if bad else ""


BASELINE = (
    _capabilities_baseline, _host_namespaces, _host_paths, _host_ports, _privileged, _proc_mount,
    _selinux, _seccomp_baseline, _sysctls,
)  # fmt: skip
RESTRICTED = (
    _host_namespaces, _host_paths, _host_ports, _privileged, _proc_mount, _selinux, _sysctls,
    _escalation, _capabilities_restricted, _volumes, _non_root, _user, _seccomp_restricted,
)  # fmt: skip


def violations(spec: Obj, level: str) -> list[str]:
    """What a pod's spec does against a level."""
    checks = {"baseline": BASELINE, "restricted": RESTRICTED}.get(level, ())
    return [text for text in (check(spec) for check in checks) if text]


def runs_otherwise(door: str, old: Obj, new: Obj) -> bool:
    """Whether a change of a pod changes what runs in it: its images, or the containers added to
    look inside. All else was judged when the pod was made."""
    if door:
        return door == "ephemeralcontainers"
    return [c.get("image") for c in _containers(old.get("spec") or EMPTY)] != [
        c.get("image") for c in _containers(new.get("spec") or EMPTY)
    ]


def level_of(namespace: Obj, mode: str) -> tuple[str, str]:
    """The level and version that a namespace's labels name for a mode (enforce, warn, audit)."""
    labels = get(namespace, "metadata", "labels", default=EMPTY)
    if mode == "warn" and f"{PREFIX}warn" not in labels:
        # What would be refused in a pod is warned of in a template.
        mode = "enforce"
    level = labels.get(f"{PREFIX}{mode}", "privileged")
    version = labels.get(f"{PREFIX}{mode}-version", "latest")
    return (level if level in LEVELS else "restricted"), version
