"""The forty statements about Kubernetes' parts that the course goes back to: then, watch, now.

They are those of an early description of Kubernetes' architecture (2017), each in our words. A card
says what was claimed, in which moment it can be watched, and what has changed since; where a claim
was vague or has aged, `now` says so. `data-seed` on a card lets a page (and a test) count them.
"""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from kubelab.learn.telling import BOX, Note, Shown


class Statement(NamedTuple):
    """One claim: what was said then, the notebook in which to watch it, what holds now."""

    then: str
    notebook: str
    watch: str
    now: str


STATEMENTS = {
    "S01": Statement("A cluster has a part that decides, and nodes that do the work.", "02",
                     "stop one part after the other and see which verbs still work",
                     "the deciding part is called the control plane"),
    "S02": Statement("The deciding parts usually share one machine; for availability they spread.",
                     "02", "one control-plane machine and three, one of them killed",
                     "etcd is stacked on these machines or has machines of its own"),
    "S03": Statement("The API server is a REST service.", "03",
                     "one apply, unrolled into the raw requests and repeated by hand",
                     "server-side apply, watches and CEL policies have come"),
    "S04": Statement("The API server keeps no state; everything is in etcd.", "03",
                     "restart it: the same GET gives the same resourceVersion",
                     "it has a watch cache, which can always be rebuilt"),
    "S05": Statement("So the API server scales sideways.", "03",
                     "three replicas: write through one, read through another, stop two",
                     "still so"),
    "S06": Statement("To all others the API server is the control plane.", "01",
                     "count the messages that avoid it: none but its own to etcd",
                     "still so"),
    "S07": Statement("etcd reliably stores the whole state.", "04",
                     "rebuild every object from the keys alone and compare with kubectl get",
                     "still so"),
    "S08": Statement("One etcd member will do for a small cluster that may be thrown away.", "05",
                     "stop the one member: nothing can be written, pods still answer", "still so"),
    "S09": Statement("Three or five members give redundancy.", "05",
                     "count the failures that 1 to 7 members survive",
                     "learners and leases joined"),
    "S10": Statement("The controller manager is many controllers in one program.", "06",
                     "stop it, and all its loops stall together",
                     "the cloud's loops have become a program of their own"),
    "S11": Statement("One of them keeps the number of copies: the replication controller.", "06",
                     "3 − 2 = 1, so one pod is created",
                     "ReplicaSets and Deployments do this work today"),
    "S12": Statement("One of them looks after pods.", "17",
                     "the garbage collector of pods and taint eviction at work",
                     "several small controllers share this work"),
    "S13": Statement("One of them looks after Services.", "13",
                     "the API server hands out the ClusterIP; the cloud, a load balancer",
                     "vague then: today a cloud-controller-manager makes load balancers"),
    "S14": Statement("One of them joins Services with pods: endpoints.", "13",
                     "a label flips, and one row of a slice appears",
                     "EndpointSlices; Endpoints are deprecated since 1.33"),
    "S15": Statement("All watch the state through the API and steer it towards the wish.", "01",
                     "observe, compare, act: three boxes light up in turn", "still so"),
    "S16": Statement("The scheduler places pods, which is hard, since many factors interact.", "08",
                     "one weight moves the winner; two single answers fail together",
                     "a framework of about twenty plugins"),
    "S17": Statement("A factor: what a pod asks for.", "07",
                     "requests against free room, node by node; use is drawn and ignored",
                     "requests of a whole pod, and resizing in place"),
    "S18": Statement("A factor: what its service needs.", "08",
                     "copies of one Service spread by default",
                     "vague then: default topology spread, quality classes and priorities"),
    "S19": Statement("A factor: constraints of hardware, software and policy.", "07",
                     "labels, selectors, taints, cordon and ports as a sieve",
                     "devices are claimed by DRA"),
    "S20": Statement("A factor: affinity and anti-affinity.", "08",
                     "pods that attract and repel, required and preferred",
                     "topology spread constraints say most of it more simply"),
    "S21": Statement("A factor: where the data are.", "09",
                     "a volume in one zone drags its pod there; an image on the node scores",
                     "WaitForFirstConsumer lets the pod choose first"),
    "S22": Statement("A factor: deadlines.", "09",
                     "no plugin knows a deadline; priority and a Job's own deadline do that work",
                     "aged: said of the scheduler, but never built into it"),
    "S23": Statement("The scheduler takes all these together for each new pod.", "08",
                     "the totals of three nodes, added up before your eyes", "still so"),
    "S24": Statement("DNS belongs to the standard cluster.", "15",
                     "CoreDNS runs in two pods, like any app", "CoreDNS since 1.13"),
    "S25": Statement("The DNS server is scheduled like any pod.", "15",
                     "taint the nodes, and CoreDNS is Pending", "still so"),
    "S26": Statement("Every Service has a name, except headless ones.", "15",
                     "ask for a headless name: the pods' addresses come back",
                     "not so today: headless names exist"),
    "S27": Statement("Pods can have names, too.", "15",
                     "hostname and subdomain, StatefulSet names, names made of the address",
                     "a plain pod's name never resolves"),
    "S28": Statement("This makes discovery automatic.", "15",
                     "scale, and the answer changes with nobody editing anything", "still so"),
    "S29": Statement("On every node run parts that take work, do it and report.", "02",
                     "stop a kubelet: its containers run on, its reports end", "still so"),
    "S30": Statement("On each node a proxy keeps house of the network.", "14",
                     "the rules that it writes on one node", "nftables; ipvs is deprecated"),
    "S31": Statement("The proxy mirrors the Services on each node.", "14",
                     "one Service, and the same rules on every node in the same step", "still so"),
    "S32": Statement("It forwards TCP and UDP.", "14",
                     "port 53 by both protocols: two chains, two endpoints", "and SCTP"),
    "S33": Statement("Cluster IPs are found by environment or by DNS.", "14",
                     "the environment is frozen at the start, the DNS answer is not",
                     "vague then: pods look names up; the proxy watches the API"),
    "S34": Statement("The kubelet stands for its node, talks to the deciders and runs the pods.",
                     "10", "one bound pod as a strip of stations", "still so"),
    "S35": Statement("Its first duty: to fetch the secrets of its pods.", "10",
                     "a missing Secret: the pod waits; create it, and the same pod goes on",
                     "tokens are projected and renewed"),
    "S36": Statement("Its second duty: to mount volumes.", "10",
                     "a mounted file changes later; an environment variable does not",
                     "images can be volumes"),
    "S37": Statement("Its third duty: to run containers with Docker or rkt.", "12",
                     "the same pod under four runtimes",
                     "aged: CRI came, dockershim left in 1.24, rkt is archived"),
    "S38": Statement("Its fourth duty: to report the status of node and pods.", "10",
                     "leases and status writes as ticks; stop them and count to NotReady",
                     "leases made the heartbeats cheap"),
    "S39": Statement("Its fifth duty: to run liveness probes.", "11",
                     "probe ticks, threshold, kill, restart with back-off",
                     "readiness, startup and gRPC probes"),
    "S40": Statement("Several container runtimes are supported.", "12",
                     "containerd, CRI-O, Docker and rkt side by side", "whatever speaks CRI"),
}  # fmt: skip


class Cards(Shown):
    """Some statements, a card each."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def plain(self) -> str:
        """Three lines a card."""
        lines = []
        for name in self.names:
            one = STATEMENTS[name]
            lines += [
                f"{name} then:  {one.then}",
                f"    watch: {one.watch}",
                f"    now:   {one.now}",
            ]
        return "\n".join(lines)

    def html(self) -> str:
        """A box a card."""
        return "".join(
            f'<div data-seed="{name}" style="{BOX}"><b>{name} · then:</b> {escape(one.then)}<br>'
            f"<b>watch:</b> {escape(one.watch)}<br><b>now:</b> {escape(one.now)}</div>"
            for name, one in ((name, STATEMENTS[name]) for name in self.names)
        )


def card(*names: str) -> Shown:
    """The cards of some of the forty statements: `card("S04", "S05")`."""
    unknown = [str(name) for name in names if name not in STATEMENTS]
    if unknown or not names:
        return Note(f"there is no statement {', '.join(unknown)}", "take one of S01 to S40")
    return Cards(names)
