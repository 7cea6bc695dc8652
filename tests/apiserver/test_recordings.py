"""Our answers are those of a real Kubernetes 1.36.2, recorded; what is not equal yet is listed."""

from __future__ import annotations

import json

import pytest

from kubelab.client.controller import Controller
from kubelab.controllers.garbagecollector import GarbageCollector
from kubelab.controllers.manager import CONTROLLERS
from kubelab.controllers.namespace import NamespaceController
from kubelab.controllers.serviceaccount import RootCAController, ServiceAccountController
from tests.apiserver.replay import DATA, Server, load, replay

FILES = ("defaults", "errors", "patches", "lists_watches")
# The patches were recorded where no controller of workloads ran.
FEW = (NamespaceController, ServiceAccountController, RootCAController, GarbageCollector)


def controllers_of(name: str) -> tuple[type[Controller], ...]:
    """The controllers that run beside the server of a recording."""
    return FEW if name == "patches" else CONTROLLERS


@pytest.mark.parametrize("name", FILES)
def test_answers_are_those_recorded(name: str) -> None:
    """Every recorded answer is ours too, but for those in `unequal.json`, which may only shrink."""
    known = json.loads((DATA / "unequal.json").read_text(encoding="utf-8"))[name]
    server = Server(controllers=controllers_of(name))
    different = [
        entry for entry, theirs, ours in replay(load(f"{name}.json"), server) if theirs != ours
    ]
    fresh = [entry for entry in different if entry not in known]
    mended = [entry for entry in known if entry not in different]
    assert not fresh, f"answered otherwise than a real server: {fresh}"
    assert not mended, f"equal now, so take them off unequal.json: {mended}"


@pytest.mark.parametrize("name", FILES)
def test_no_recorded_request_breaks_the_server(name: str) -> None:
    """No request of the recordings, however wrong, meets a bug of ours."""
    server = Server()
    for _ in replay(load(f"{name}.json"), server):
        pass
    broken = [event for event in server.history.world.trace if "panic" in event.detail]
    assert not broken
