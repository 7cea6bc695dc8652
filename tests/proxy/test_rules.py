"""The rules of a service port, as iptables-save prints them."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.network.nat import Tables, printed_probability
from kubelab.proxy.iptables import (
    RuleSet,
    chain_hash,
    endpoint_chain,
    install,
    replace,
    rule_set,
)
from kubelab.proxy.ports import Endpoint, Facts, ServicePort
from tests.network.lab import Lab

CIDR = "10.244.0.0/16"
FACTS = Facts()


def saved(port: ServicePort, *endpoints: Endpoint) -> str:
    """The tables with the rules of one port."""
    return printed(port, endpoints).save()


def printed(port: ServicePort, endpoints: tuple[Endpoint, ...]) -> Tables:
    """The tables with the rules of one port."""
    lab = Lab(1, proxies=False)
    kernel = lab.kernels[1]
    install(kernel, 4, FACTS)
    replace(kernel, 4, port.name, RuleSet(), rule_set(port, endpoints, endpoints, FACTS))
    tables: Tables = kernel.tables
    return tables


@pytest.mark.parametrize(
    ("key", "suffix"),
    [
        ("kube-system/kube-dns:dnsudp", "TCOU7JCQXEZGVUNU"),
        ("kube-system/kube-dns:dns-tcptcp", "ERIFXISQEP7F7OF4"),
        ("kube-system/kube-dns:metricstcp", "JD5MR3NA4I4DYORP"),
        ("default/kubernetes:httpstcp", "NPX46M4PTMTKRN6Y"),
        ("default/webtcp", "LOLE4ISW44XBNF3G"),
        ("default/web:httptcp", "CDGGSHYLG3RE2FKL"),
    ],
)
def test_chain_names_are_the_real_ones(key: str, suffix: str) -> None:
    """A chain's name ends in the first 16 characters of base32(sha256(port and protocol))."""
    assert chain_hash(key) == suffix


@pytest.mark.parametrize(
    ("one_in", "text"),
    [
        (2, "0.50000000000"), (3, "0.33333333349"), (4, "0.25000000000"), (5, "0.20000000019"),
        (6, "0.16666666651"),
    ],
)  # fmt: skip
def test_probabilities_are_printed_as_the_kernel_rounds_them(one_in: int, text: str) -> None:
    """iptables-save shows the kernel's 31 bits with eleven digits."""
    assert printed_probability(one_in) == text


def test_cluster_ip_rules() -> None:
    """A service with three endpoints prints as on a real node, the choice 1/3, 1/2, rest."""
    port = ServicePort("default/web", "TCP", "10.97.3.4", 80)
    ends = [Endpoint(f"10.244.{a}.{b}", 8080) for a, b in ((2, 2), (1, 3), (1, 2))]
    text = saved(port, *ends)
    names = [endpoint_chain(port, end) for end in (ends[2], ends[1], ends[0])]
    svc = "KUBE-SVC-LOLE4ISW44XBNF3G"
    to = '-m comment --comment "default/web -> 10.244'
    expected = [
        f'-A KUBE-SERVICES -d 10.97.3.4/32 -p tcp -m comment --comment "default/web cluster IP" '
        f"-m tcp --dport 80 -j {svc}",
        "-A KUBE-SERVICES -m comment --comment "
        '"kubernetes service nodeports; NOTE: this must be the last rule in this chain" '
        "-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS",
        f"-A {svc} ! -s 10.244.0.0/16 -d 10.97.3.4/32 -p tcp -m comment --comment "
        '"default/web cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ',
        f'-A {svc} {to}.1.2:8080" -m statistic --mode random --probability 0.33333333349 '
        f"-j {names[0]}",
        f'-A {svc} {to}.1.3:8080" -m statistic --mode random --probability 0.50000000000 '
        f"-j {names[1]}",
        f'-A {svc} {to}.2.2:8080" -j {names[2]}',
    ]
    nat = text[text.index("*nat") :].splitlines()
    assert [line for line in nat if line.startswith(("-A KUBE-SERVICES", f"-A {svc}"))] == expected
    assert f'-A {names[0]} -s 10.244.1.2/32 -m comment --comment "default/web" ' in text
    dnat = (
        '-p tcp -m comment --comment "default/web" -m tcp -j DNAT --to-destination 10.244.1.2:8080'
    )
    assert f"-A {names[0]} {dnat}" in text


def test_base_rules() -> None:
    """Without any service the chains that lead to the services are there."""
    text = saved(ServicePort("default/none", "TCP", "10.97.0.1", 1))
    for line in (
        '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
        '-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
        '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
        "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
        "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
        "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0",
        '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" '
        "-j MASQUERADE --random-fully",
        "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
    ):
        assert line in text.splitlines()


def test_no_endpoints_are_rejected_by_the_filter() -> None:
    """Without endpoints there is no nat rule, but a REJECT with the reason in its comment."""
    port = ServicePort("default/web", "TCP", "10.97.3.4", 80, node_port=30080)
    text = saved(port)
    assert "KUBE-SVC-" not in text
    assert (
        "-A KUBE-SERVICES -d 10.97.3.4/32 -p tcp -m comment --comment "
        '"default/web has no endpoints"'
        " -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable"
    ) in text.splitlines()


def test_external_traffic_rules() -> None:
    """A node port goes through KUBE-EXT, which marks for masquerade; Local policy keeps clients."""
    end = Endpoint("10.244.1.2", 8080, local=True)
    port = ServicePort("default/web", "TCP", "10.97.3.4", 80, node_port=30080)
    ext, svc, svl = (f"KUBE-{kind}-LOLE4ISW44XBNF3G" for kind in ("EXT", "SVC", "SVL"))
    what = "default/web external destinations"
    lines = saved(port, end).splitlines()
    assert (
        f'-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web" -m tcp --dport 30080 -j {ext}'
    ) in lines
    assert [line for line in lines if line.startswith(f"-A {ext}")] == [
        f'-A {ext} -m comment --comment "masquerade traffic for {what}" -j KUBE-MARK-MASQ',
        f"-A {ext} -j {svc}",
    ]
    lines = saved(port._replace(external_local=True), end).splitlines()
    assert [line for line in lines if line.startswith(f"-A {ext}")] == [
        f'-A {ext} -s {CIDR} -m comment --comment "pod traffic for {what}" -j {svc}',
        f'-A {ext} -m comment --comment "masquerade LOCAL traffic for {what}" '
        "-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ",
        f'-A {ext} -m comment --comment "route LOCAL traffic for {what}" '
        f"-m addrtype --src-type LOCAL -j {svc}",
        f"-A {ext} -j {svl}",
    ]


addresses = st.builds("10.244.{}.{}".format, st.integers(1, 3), st.integers(2, 9))
endpoints = st.lists(
    st.builds(
        Endpoint, addresses, st.sampled_from([80, 8080]), st.booleans(), st.booleans(),
        st.booleans(), st.booleans(),
    ),
    max_size=6, unique_by=lambda end: (end.address, end.port),
)  # fmt: skip
ports = st.builds(
    ServicePort, st.just("default/web"), st.sampled_from(["TCP", "UDP"]), st.just("10.97.3.4"),
    st.just(80), st.sampled_from([0, 30080]), st.sampled_from([(), ("203.0.113.1",)]),
    st.sampled_from([(), ("203.0.113.2",)]), st.sampled_from([(), ("198.51.100.0/24",)]),
    st.sampled_from([0, 10800]), st.booleans(), st.booleans(), st.sampled_from([0, 31000]),
)  # fmt: skip


@given(ports, endpoints)
def test_every_jump_leads_somewhere(port: ServicePort, ends: list[Endpoint]) -> None:
    """Whatever the policy, each chain that a rule jumps to exists."""
    tables = printed(port, tuple(ends))
    for table in ("nat", "filter"):
        chains = tables.table(table)
        for rules in chains.values():
            for rule in rules:
                if rule.target.startswith("KUBE-"):
                    assert rule.target in chains, rule


@given(ports, endpoints, endpoints)
def test_old_rules_leave_nothing_behind(
    port: ServicePort, before: list[Endpoint], after: list[Endpoint]
) -> None:
    """Replacing a port's rules gives the same tables as writing them anew."""
    old = rule_set(port, tuple(before), tuple(before), FACTS)
    new = rule_set(port, tuple(after), tuple(after), FACTS)
    lab = Lab(1, proxies=False)
    kernel = lab.kernels[1]
    install(kernel, 4, FACTS)
    replace(kernel, 4, port.name, RuleSet(), old)
    replace(kernel, 4, port.name, old, new)
    assert kernel.tables.save() == printed(port, tuple(after)).save()


@given(ports, endpoints)
def test_printed_rules_parse(port: ServicePort, ends: list[Endpoint]) -> None:
    """Each line is one that iptables-restore's grammar has."""
    for line in printed(port, tuple(ends)).save().splitlines():
        assert re.fullmatch(
            r"\*(nat|filter|mangle)|COMMIT|:[A-Z0-9-]{1,28} (ACCEPT|-) \[0:0\]|"
            r"-A [A-Z0-9-]{1,28}( !)?( -[sdp] \S+)*"
            r"( -m \w+( (! )?--[\w-]+( \"[^\"]*\"| [^\s\"-][^\s\"]*)?)*)*"
            r"( -j \S+( --[\w-]+( \S+)?)?)?",
            line,
        ), line


needs_iptables = pytest.mark.skipif(
    shutil.which("iptables-restore") is None, reason="apt-get install iptables (needs root)"
)


def real(command: str, rules: str) -> str:
    """A command of the real iptables in a network namespace of its own; skips where we may not."""
    program = ["unshare", "--net", "sh", "-c", command]
    done = subprocess.run(program, input=rules, text=True, capture_output=True, check=False)
    if any(word in done.stderr for word in ("ermission", "not permitted", "not supported")):
        pytest.skip(f"the machine does not let us: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_iptables
@pytest.mark.parametrize("affinity_seconds", [0, 10800])
def test_iptables_restore_accepts_our_rules(affinity_seconds: int) -> None:
    """The real program reads what we print."""
    end = Endpoint("10.244.1.2", 8080, local=True)
    port = ServicePort("default/web", "TCP", "10.97.3.4", 80, 30080)
    real("iptables-restore --test", saved(port._replace(affinity_seconds=affinity_seconds), end))


@needs_iptables
@pytest.mark.parametrize("local", [False, True])
def test_iptables_save_prints_the_same(local: bool) -> None:
    """The real kernel, given our rules, prints them as we do, digit by digit."""
    ends = [Endpoint(f"10.244.1.{n}", 8080, local=n == 2) for n in (2, 3, 4)]
    port = ServicePort("default/web", "TCP", "10.97.3.4", 80, 30080, external_local=local)
    ours = saved(port, *ends)
    theirs = real("iptables-restore && iptables-save", ours)
    for text in (ours, theirs):
        assert "-A KUBE-SVC-" in text
    rules = [
        sorted(line for line in text.splitlines() if line.startswith("-A"))
        for text in (ours, theirs)
    ]
    assert rules[0] == rules[1]
