"""kube-proxy's configuration: the file config.conf of the ConfigMap kube-proxy in kube-system.

It chooses the mode. A mode that there is not, or a file that is no YAML, is an error with which
kube-proxy would not start.

In Kubernetes: pkg/proxy/apis/config (KubeProxyConfiguration and its validation). Left out: the
fields that change no rule here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import yaml

from kubelab.api.objects import Obj, get

NAMESPACE, NAME, FILE = "kube-system", "kube-proxy", "config.conf"
MODES = ("iptables", "ipvs", "nftables")
SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "sed", "nq", "mh")
KIND = {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration"}


class Config(NamedTuple):
    """What of the configuration decides about rules."""

    mode: str = "iptables"
    scheduler: str = "rr"
    masquerade_all: bool = False
    cluster_cidrs: tuple[str, ...] = ()


def read(config_map: Obj | None) -> Config:
    """The configuration of a ConfigMap; the usual one without. Raises ValueError."""
    text = get(config_map, "data", FILE, default="") if config_map is not None else ""
    try:
        held: Any = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"failed to decode: {error}") from None
    if not isinstance(held, dict):
        raise ValueError("failed to decode: the configuration is no object")
    mode = held.get("mode") or "iptables"
    if mode not in MODES:
        raise ValueError(
            f'KubeProxyConfiguration.Mode: Invalid value: "{mode}": must be '
            f"{','.join(MODES)} or blank (blank means the best-available proxy [currently "
            "iptables])"
        )
    section = held.get(mode) or {}
    scheduler = (held.get("ipvs") or {}).get("scheduler") or "rr"
    if scheduler not in SCHEDULERS:
        raise ValueError(
            f"KubeProxyConfiguration.KubeProxyIPVSConfiguration.Scheduler: Invalid value: "
            f'"{scheduler}": must be in [{" ".join(SCHEDULERS)}], blank means the default '
            "algorithm method (currently rr)"
        )
    cidrs = tuple(part for part in str(held.get("clusterCIDR") or "").split(",") if part)
    return Config(mode, scheduler, bool(section.get("masqueradeAll")), cidrs)


def text(mode: str, cluster_cidr: str) -> str:
    """The file as kubeadm writes it."""
    return TEMPLATE.format(mode=mode, cluster_cidr=cluster_cidr)


TEMPLATE = """apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: {cluster_cidr}
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  localhostNodePorts: null
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
    text:
      infoBufferSize: "0"
  verbosity: 0
metricsBindAddress: ""
mode: "{mode}"
nftables:
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel:
  enableDSR: false
  forwardHealthCheckVip: false
  networkName: ""
  rootHnsEndpointName: ""
  sourceVip: ""
"""
