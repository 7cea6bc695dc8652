"""What people often believe about Kubernetes and is not so: the ids that wrong options carry.

Each has a claim, as somebody who holds it would say it, and one sentence of what is so instead; the
sentence is said to a learner who chose the option, after the trace has shown it.
"""

from __future__ import annotations

CLAIMS = {
    "M01": ("Somebody central gives the orders.",
            "Nobody gives orders: each part watches the API server and does its own share."),
    "M02": ("Pods move, and deleting a pod stops the app.",
            "A pod never moves or comes back; whoever counts pods has another one made."),
    "M03": ("An event that was missed is an action that is lost.",
            "Controllers compare the wish with what is there; they need no event for that."),
    "M04": ("Every component talks to etcd.",
            "Only the API server talks to etcd; all others talk to the API server."),
    "M05": ("Without the API server the apps are down.",
            "What runs goes on running; only changes have to wait."),
    "M06": ("What is applied is running.",
            "Applied means: the wish is stored. Running comes later, and by others."),
    "M07": ("More etcd members are faster; two are safer than one, four than three.",
            "A majority must agree: two survive no loss, four no more than three do."),
    "M08": ("Without a quorum the data are lost and the pods stop.",
            "The data stay and the pods run on; what is missing is the right to write."),
    "M09": ("The leader is a certain machine.",
            "Any member may become leader, by a vote; the next vote may choose another."),
    "M10": ("Controllers call each other.",
            "Controllers meet in the objects only: one writes, another sees it in its watch."),
    "M11": ("A Deployment makes pods.",
            "A Deployment makes ReplicaSets; the ReplicaSet's controller makes the pods."),
    "M12": ("The scheduler looks at what is really used.",
            "The scheduler adds up what pods ask for; it never sees what they use."),
    "M13": ("Limits decide where a pod goes.",
            "Requests decide where a pod goes; limits act later, on the node."),
    "M14": ("Running pods are moved to where there is more room.",
            "A pod is placed once; nothing moves it when the balance changes."),
    "M15": ("\"0/3 nodes are available\" means that the cluster's sum is too small.",
            "A pod must fit on one node; free room on many nodes does not add up."),
    "M16": ("A toleration draws a pod to the tainted node.",
            "A toleration only permits; it draws a pod nowhere."),
    "M17": ("Preferred means required.",
            "A preference is points among others; the sum decides."),
    "M18": ("A pod with a node runs; somebody calls the kubelet.",
            "The kubelet sees its own name in the pod by watching, and has much to do then."),
    "M19": ("A restarted container is a new pod with a new IP.",
            "A restart happens inside the pod: its name, UID and address stay."),
    "M20": ("A liveness probe and a readiness probe do the same.",
            "Liveness restarts the container; readiness only takes the pod out of Services."),
    "M21": ("Running means healthy.",
            "Running says that a process is there; readiness says whether it can serve."),
    "M22": ("A changed ConfigMap or Secret restarts pods or changes their environment.",
            "A mounted file follows after a while; an environment stays until the restart."),
    "M23": ("Kubernetes runs Docker.",
            "The kubelet talks to any runtime that speaks CRI, such as containerd or CRI-O."),
    "M24": ("A Service is a process, and its address answers ping.",
            "A Service's address is on no machine; it exists in rules on every node only."),
    "M25": ("Packets go through kube-proxy.",
            "kube-proxy writes rules beforehand; the node's kernel handles the packets."),
    "M26": ("port, targetPort and nodePort are the same; containerPort opens a port.",
            "Clients use port, pods listen on targetPort; containerPort is a note for readers."),
    "M27": ("Requests are shared out one by one, strictly in turn.",
            "Each new connection draws an endpoint by chance; requests in it stay there."),
    "M28": ("DNS is built in, and short names work from everywhere.",
            "DNS is an ordinary app; a short name is completed with the pod's own namespace."),
    "M29": ("A headless Service has no name.",
            "A headless name answers with the pods' own addresses."),
    "M30": ("The environment follows Services that are made later.",
            "A container's environment is fixed when it is created; DNS is asked each time."),
    "M31": ("When a node dies its pods are replaced at once.",
            "The cluster waits about 50 s for a sign of life, then five minutes more."),
    "M32": ("NotReady means that the node's containers have stopped.",
            "NotReady means that nobody hears from the node; its containers may well run."),
    "M33": ("A StatefulSet's pod is replaced at once.",
            "A pod of that name may still run; the controller waits until it surely is gone."),
    "M34": ("A rolling update alone means that no request fails.",
            "Without readiness probes and a graceful end, requests fail during an update."),
    "M35": ("A namespace keeps traffic apart.",
            "A namespace is a name space; only a NetworkPolicy stops traffic."),
    "M36": ("Deleting an owner always, or never, deletes what it owns.",
            "The request says which: background, foreground or orphan."),
}  # fmt: skip


def claim(name: str) -> str:
    """What somebody believes who holds the misconception."""
    return CLAIMS[name][0]


def refutation(name: str) -> str:
    """What is so instead."""
    return CLAIMS[name][1]
