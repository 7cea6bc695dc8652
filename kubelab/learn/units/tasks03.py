"""03, What happens to a request? Its exercises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.api.objects import get, name_of
from kubelab.cluster import Cluster
from kubelab.learn import ways, worlds
from kubelab.learn.catalogue import Exercise
from kubelab.learn.ways import Refused, require

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


class Rivalled(ways.Outsider):
    """A cluster in which somebody else raises the counter whenever you have just read it."""

    ALLOWED = ("get", "request", "run", "now")

    def __init__(self, cluster: Any, rivals: int) -> None:
        super().__init__(cluster)
        self._left = rivals
        self.raised = 0

    def get(self, kind: str, name: str, namespace: str = "default") -> Any:
        """Reads an object; the rival is quick."""
        found = self._cluster.get(kind, name, namespace)
        self._rival()
        return found

    def request(self, method: str, path: str, body: Any = None, headers: Any = None) -> Any:
        """A request; after a GET the rival is quick."""
        answer = self._cluster.request(method, path, body, headers)
        if method.upper() == "GET":
            self._rival()
        return answer

    def _rival(self) -> None:
        if self._left:
            self._left -= 1
            self.raised += 1
            c = self._cluster
            seen = c.get("ConfigMap", "counter")
            raised = str(int(seen["data"]["n"]) + 1)
            c.request("PUT", f"{MAPS}/counter", {**seen, "data": {"n": raised}})


def bumped(thing: Any, seed: int) -> str:
    """The function raises a counter while others raise it, too."""
    function = ways.a_function(thing, "c")
    total = 0
    for case in range(3):
        chance = worlds.drawn(seed * 3 + case, "counter")
        begin, rivals = chance.below(90) + 5, case + chance.below(2)
        c = worlds.cluster(1, seed * 3 + case, dns=False)
        c.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "counter"},
                "data": {"n": str(begin)},
            }
        )
        shared = Rivalled(c, rivals)
        since = len(c.trace)
        for _ in range(2):
            ways.ask(function, shared)
        ways.fair(c, since)
        seen = get(worlds.found(c, "ConfigMap", "counter"), "data", "n")
        wanted = begin + 2 + shared.raised
        words = (
            f"counter, which began at {begin}; you raised it twice, others "
            f"{shared.raised} times in between"
        )
        require(seen == str(wanted), words, seen, wanted)
        total += shared.raised
    return f"In 3 clusters no raise was lost, though others wrote {total} times in between."


class Unfolding(ways.Outsider):
    """A cluster whose pods change while you wait: one LIST and watches are all you get."""

    ALLOWED = ("request", "run", "now")

    def __init__(self, cluster: Any, acts: list[Callable[[Any], None]]) -> None:
        super().__init__(cluster)
        self._acts = acts
        self._lists = 0
        self._watches: list[Any] = []

    def request(self, method: str, path: str, body: Any = None, headers: Any = None) -> Any:
        """GETs only; the second LIST is refused."""
        if method.upper() != "GET":
            raise Refused("mirror only looks", "use GET: one LIST and a WATCH")
        if "watch=" not in path:
            self._lists += 1
            if self._lists > 1:
                raise Refused(
                    "that was a second LIST",
                    "list once, then follow with ?watch=true&resourceVersion=…",
                )
        answer = self._cluster.request(method, path, body, headers)
        if "watch=" in path and answer.ok:
            self._watches.append(answer.body)
        return answer

    def run(self, seconds: float) -> None:
        """Time passes, and things happen in it."""
        if not self._watches:
            raise Refused("time would pass with nobody watching", "open the watch before c.run(…)")
        for act in self._acts:
            act(self._cluster)
        self._acts = []
        self._cluster.run(max(float(seconds), 40))


def _scaled(replicas: int) -> Callable[[Any], None]:
    def act(c: Any) -> None:
        c.kubectl(f"scale deployment web --replicas={replicas}")
        c.run(8)

    return act


def _removed(c: Any) -> None:
    c.delete("Pod", name_of(worlds.ready_pods(c, "app=web")[0]))


def mirrored(thing: Any, seed: int) -> str:
    """The function's list is compared with the store after hidden changes."""
    function = ways.a_function(thing, "c")
    count = 0
    for case in range(3):
        number = seed * 3 + case
        c = worlds.cluster(2, number, dns=False)
        c.apply(worlds.deployment("web", 2 + case))
        c.settle()
        acts: list[Callable[[Any], None]] = [
            _scaled(worlds.drawn(number, "to").below(2) + 4 - case)
        ]
        acts += [_removed] if case else []
        shown = Unfolding(c, acts)
        given = ways.ask(function, shown)
        if given is None or given is Ellipsis:
            raise ways.Open
        own = sorted(name_of(p) for p in c.moment().list("Pod", "default"))
        words = f"the pods of a hidden cluster (seed {number}) after your function has run"
        try:
            mine = sorted(str(one) for one in given)
        except TypeError:
            raise Refused(
                f"mirror gave {ways.kind(given)}", "return the names of the pods"
            ) from None
        require(
            not shown._acts,
            words,
            "nothing happened, since you did not let time pass",
            "list, watch, then c.run(60)",
        )
        require(mine == own, words, mine, own)
        count += 1
    return f"In {count} clusters the mirror held the same pods as the store."


def fenced_in(seed: int) -> tuple[Cluster, str]:
    """A namespace with a quota and limits on the size of containers."""
    space = worlds.name(seed, "space")
    chance = worlds.drawn(seed, "fence")
    most = 200 + 50 * chance.below(3)
    c = worlds.cluster(2, seed)
    head = {"apiVersion": "v1", "metadata": {"name": "fence", "namespace": space}}
    c.apply(
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}},
            {
                **head,
                "kind": "LimitRange",
                "spec": {
                    "limits": [
                        {
                            "type": "Container",
                            "min": {"cpu": "50m", "memory": "16Mi"},
                            "max": {"cpu": f"{most}m", "memory": "128Mi"},
                            "maxLimitRequestRatio": {"cpu": "2"},
                        }
                    ]
                },
            },
            {
                **head,
                "kind": "ResourceQuota",
                "spec": {
                    "hard": {
                        "requests.cpu": "200m",
                        "requests.memory": "128Mi",
                        "limits.cpu": "400m",
                        "limits.memory": "256Mi",
                        "pods": "2",
                    }
                },
            },
        ]
    )
    c.settle()
    return c, space


def admitted(thing: Any, seed: int) -> str:
    """The manifest is applied in fresh clusters behind a quota and a LimitRange."""
    objects = ways.a_manifest(thing)
    kinds = sorted({str(one.get("kind")) for one in objects})
    require(
        kinds == ["Pod"] and len(objects) == 1,
        "your manifest",
        f"{len(objects)} of {kinds}",
        "one Pod and nothing else",
    )
    for case in (seed * 2 + 1, seed * 2 + 2):
        c, space = fenced_in(case)
        head = {**objects[0].get("metadata", {}), "namespace": space}
        name = str(head.get("name", ""))
        answer = c.request(
            "POST", f"/api/v1/namespaces/{space}/pods", {**objects[0], "metadata": head}
        )
        require(
            answer.status == 201,
            f"your pod in a namespace with a quota (seed {case})",
            f"{answer.status}: {get(answer.body, 'message', default='')}",
            "201 Created",
        )
        c.run(60)
        pod = worlds.found(c, "Pod", name, space)
        phase = get(pod, "status", "phase", default="gone")
        require(phase == "Running", f"pod {name}, a minute later", phase, "Running")
        ways.unplaced(c, [pod])
    return "In two clusters the pod was admitted and ran; the quota and the limits stood."


EXERCISES = (
    Exercise("03.1", "write bump(c): it adds 1 to data.n of ConfigMap counter while others do the "
             "same", "function", bumped,
             ("what tells the server that you have seen the newest version?",
              "send back the object as you read it, with its resourceVersion; look at the status",
              "on 409 read again and try again; on 200 you are done"),
             ("V3", "V4"), "half", ("c",)),
    Exercise("03.2", "write mirror(c): the names of the pods, from one LIST and a WATCH",
             "function", mirrored,
             ("the LIST carries a resourceVersion; from where must the watch begin?",
              "GET …/pods?watch=true&resourceVersion=N gives a body with .events; let time pass "
              "with c.run(60) before you read them",
              "keep a dict by name: ADDED and MODIFIED put, DELETED takes away"),
             ("V3",), "open", ("c",)),
    Exercise("03.3", "write small: the manifest of one pod that a quota and a LimitRange let in",
             "manifest", admitted,
             ("read the message of the refusal: which number does it complain about?",
              "with such a quota each container must say requests and limits, of cpu and memory",
              "requests from min up to the quota; limits at most twice the cpu request, below max"),
             ("V1",), "transfer"),
)  # fmt: skip
