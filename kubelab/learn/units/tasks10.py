"""10, How does a bound pod come to run? Its exercises."""

from __future__ import annotations

from typing import Any

from kubelab.api.errors import ApiError
from kubelab.api.objects import get, name_of, uid_of
from kubelab.kubectl.errors import KubectlError
from kubelab.learn import traces, ways, worlds
from kubelab.learn.catalogue import Exercise
from kubelab.learn.ways import Failed, Refused, require


def repaired(thing: Any, seed: int) -> str:
    """The pod `app` runs, and it is the one that was made at first."""
    c = ways.a_cluster(thing).fork()
    made = traces.stored(c, 0, "/registry/pods/default/app", "create")
    ways.fair(c, made[0].id if made else len(c.trace))
    c.run(130)
    pod = worlds.found(c, "Pod", "app")
    require(pod is not None, "pod app", "it is gone", "the pod of the beginning")
    require(
        len(made) == 1,
        "pod app",
        f"it was made {len(made)} times",
        "the same pod, by its UID, brought to run",
    )
    status = get(pod, "status", "containerStatuses", default=({},))[0]
    reason = get(status, "state", "waiting", "reason", default="not ready")
    require(ways.ready(pod), "pod app, two minutes on", reason, "Ready")
    found = worlds.found(c, "Secret", "db")
    data = get(found, "data", default={}) if found else {}
    require(
        "user" in data and "password" in data,
        "Secret db",
        f"keys {sorted(data)}",
        "the key that was there, and the one that was missing",
    )
    return f"The pod {uid_of(pod)[:8]}… runs, and was never made anew: one key had been missing."


def rotates(thing: Any, seed: int) -> str:
    """In two hidden clusters the file shows the new password, and nothing restarts."""
    function = ways.a_function(thing, "c", "password")
    for case in (seed * 2 + 1, seed * 2 + 2):
        name = worlds.name(case, "secret")
        new = f"pw-{worlds.drawn(case, 'password').suffix(6)}"
        c = worlds.cluster(2, case)
        c.apply([_secret(name), *_readers(name)])
        c.settle()
        before = {uid_of(pod) for pod in worlds.ready_pods(c, "app=reader")}
        since = len(c.trace)
        ways.ask(function, ways.Outsider(c), new)
        c.run(130)
        ways.fair(c, since)
        _judge_rotated(c, new, before)
    return "In two clusters every copy read the new password from its file; none was restarted."


def _secret(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"app": "reader"}},
        "stringData": {"password": "old", "user": "joe"},
    }


def _readers(name: str) -> list[dict[str, Any]]:
    mount = [{"name": "db", "mountPath": "/etc/db"}]
    volumes = [{"name": "db", "secret": {"secretName": name}}]
    return [
        worlds.deployment("reader", 2, volumeMounts=mount, spec={"volumes": volumes}),
    ]


def _judge_rotated(c: Any, new: str, before: set[str]) -> None:
    pods = worlds.ready_pods(c, "app=reader")
    require(
        {uid_of(pod) for pod in pods} == before,
        "the pods with app=reader",
        "others than before",
        "the same pods, by their UIDs",
    )
    for pod in pods:
        restarts = pod["status"]["containerStatuses"][0]["restartCount"]
        require(restarts == 0, f"pod {name_of(pod)}", f"{restarts} restarts", "none")
        seen = _read(c, pod, "password")
        require(seen == new, f"/etc/db/password in {name_of(pod)}, two minutes on", seen, new)
        user = _read(c, pod, "user")
        require(user == "joe", f"/etc/db/user in {name_of(pod)}", user, "joe, as ever")


def _read(c: Any, pod: Any, key: str) -> str:
    try:
        return str(c.kubectl(f"exec {name_of(pod)} -- cat /etc/db/{key}").strip())
    except KubectlError:
        return "no such file"


def waits_for_name(thing: Any, seed: int) -> str:
    """The manifest is applied where the name `db` resolves only after a drawn while."""
    objects = ways.a_manifest(thing)
    pods = [obj for obj in objects if obj.get("kind") == "Pod"]
    if len(objects) != 1 or len(pods) != 1:
        raise Refused("this takes one Pod and nothing else", "write one manifest of kind Pod")
    for case in (seed * 2 + 1, seed * 2 + 2):
        c = worlds.cluster(2, case)
        try:
            c.apply({**pods[0], "metadata": {**pods[0].get("metadata", {}), "name": "shop"}})
        except ApiError as error:
            raise Refused(f"the API server says: {ways.short(str(error))}", "mend it") from error
        c.run(20 + worlds.drawn(case, "late").below(120))
        main = _main(c)
        require(not _running(main), "the app, while db does not resolve", "it runs", "it waits")
        _helper(c)
        c.apply(worlds.service("db"))
        c.run(45)
        require(
            _running(_main(c)),
            "the app, 45 s after the name db came into being",
            "it does not run",
            "it runs",
        )
        _helper(c)
    return "Twice the app waited for the name, whenever it came, with its helper beside it."


def _main(c: Any) -> Any:
    pod = worlds.found(c, "Pod", "shop")
    return get(pod, "status", "containerStatuses", default=({},))[0]


def _running(status: Any) -> bool:
    return bool(get(status, "state", "running", default=None))


def _helper(c: Any) -> None:
    """Some sidecar runs: an init container that is restarted always."""
    pod = worlds.found(c, "Pod", "shop")
    wanted = [
        one["name"]
        for one in get(pod, "spec", "initContainers", default=())
        if one.get("restartPolicy") == "Always"
    ]
    if not wanted:
        raise Failed(
            "spec.initContainers",
            "none that stays",
            "a helper that starts before the app and runs beside it",
        )
    states = {one["name"]: one for one in get(pod, "status", "initContainerStatuses", default=())}
    require(
        all(_running(states.get(name, {})) for name in wanted),
        f"helper {wanted[0]}, before and after the app starts",
        "it does not run",
        "it runs",
    )


EXERCISES = (
    Exercise("10.1", "bring the pod app to run, without making it anew", "cluster", repaired,
             ("kubectl describe pod app: its last event names the thing that is missing",
              "the Secret db is there, but has only the key user; the pod wants password",
              "kubectl patch secret db with stringData, or apply it with both keys"),
             ("V1", "V4"), "half"),
    Exercise("10.2", "write rotate(c, password): the Secret labelled app=reader gets a new "
             "password, and the running pods see it", "function", rotates,
             ("which Secret? c.list(\"Secret\", \"default\", \"app=reader\") finds it",
              "only the Secret has to change: kubelets look at it again by themselves",
              "a merge patch with stringData: {password: …} keeps the other keys"),
             ("V2", "V4"), "open", ("c", "password")),
    Exercise("10.3", "a Pod shop whose app starts only when the name db resolves, with a helper "
             "that runs before and beside it", "manifest", waits_for_name,
             ("what runs before the containers? And which of these may stay?",
              "initContainers run in order; one with restartPolicy: Always is a sidecar: it "
              "stays, and the next one starts when it has started",
              "first the sidecar, then one with: sh -c \"until nslookup db; do sleep 2; done\""),
             ("V1", "V2"), "transfer"),
)  # fmt: skip
