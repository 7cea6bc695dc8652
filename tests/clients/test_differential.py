"""Whatever the real kubectl says, the built-in one says too, and leaves the same behind."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubelab import Cluster
from kubelab.kubectl.commands import execute
from tests.clients import scripts
from tests.clients.differential import Pair, Said

pytestmark = [pytest.mark.native, pytest.mark.slow]

KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent))
needs_kubectl = pytest.mark.skipif(
    KUBECTL is None, reason="no kubectl beside this Python: pip install .[test]"
)
# Of the commands every so many-th is tried, for time; all with KUBELAB_EVERY=1.
EVERY = int(os.environ.get("KUBELAB_EVERY", "5"))
# What the built-in kubectl does not say as the real one does, and why.
UNORDERED = "Go sorts equal times as it likes"
OTHERWISE = {
    "get events --sort-by=.lastTimestamp": UNORDERED, "events": UNORDERED, "events -A": UNORDERED,
    "events --types=Warning": UNORDERED, "events --no-headers": UNORDERED,
    "drain node-2": "Go walks through maps as it likes",
    "~drain node-2 --ignore-daemonsets --delete-emptydir-data --force --timeout=90s":
        "pods are evicted side by side there",
    "apply -f cm.yaml --dry-run=client -o yaml": "the manifest is shown, not the merged object",
    "diff -f cm.yaml": "no temporary files",
    "diff -f cm2.yaml": "no temporary files",
    "apply -f cm.yaml --server-side": "what was applied last is not looked at field by field",
    "apply -f broken.yaml": "another YAML parser has other words",
    "apply -f two.yaml --prune -l set=x": "no prune",
    "apply -f one.yaml --prune -l set=x --prune-allowlist=core/v1/ConfigMap": "no prune",
    "apply -f one.yaml --prune": "no prune",
    "create configmap h --from-literal=a=1 --append-hash --dry-run=client -o yaml": "no hash",
    "create secret": "no pages of help", "certificate nosuch": "no pages of help",
    "autoscale deployment made --max=3": "no second try with the older version",
    "replace -f typo.yaml": "the object is read before it is sent",
    "edit cm none": "no editor",
    "auth reconcile -f all.yaml --dry-run=client": "no reconcile",
    "get gadgets": "no kept discovery", "delete all --all --wait=false": "no kept discovery",
    "top nosuch": "another complaint",
    "~wait --for=delete cm/conf --timeout=1s": "a watch that ends within a second is warned of",
    "describe ns default": UNORDERED, "label pod solo --list": UNORDERED,
    "annotate pod solo --list": UNORDERED,
    "set env deployment/made --from=configmap/conf": UNORDERED,
    "rollout restart deploy": "seconds of the real clock are stamped there",
    "describe hpa hpa": UNORDERED, "describe limits limits": UNORDERED,
}  # fmt: skip
AGE = re.compile(r"\b\d+[smhdy](\d+[smhd])?\b")


def told(said: Said) -> tuple[int, str, str]:
    """What a run said, without ages: between two requests a second may begin."""
    code, out, err = said
    return code, *(re.sub(" +", " ", AGE.sub("<age>", text)) for text in (out, err))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A cluster with an object of every kind, and both kubectls at it."""
    cluster = Cluster(nodes=2)
    cluster.settle()
    with Pair(cluster, str(KUBECTL), tmp_path_factory.mktemp("files"), scripts.FILES) as made:
        for command in scripts.MAKE:
            code, _, err = execute(made.cluster, command.replace("-f ", f"-f {made.folder}/"))
            assert code == 0, err
            made.cluster.run(2)
        made.cluster.run(60)
        yield made


def differing(pair: Pair, commands: list[str], *, changing: bool = False) -> list[str]:
    """The commands not answered alike; of those that change something all have to run."""
    wrong = []
    for at, command in enumerate(commands):
        if at % EVERY or command in OTHERWISE:
            if changing:
                pair.alone(command)
            continue
        real, ours, _ = pair.run(command)
        if told(real) != told(ours):
            wrong.append(f"kubectl {command}\n  real: {real}\n  ours: {ours}")
    return wrong


@needs_kubectl
@pytest.mark.parametrize("part", ["look", "listed", "described"])
def test_what_is_shown_is_the_same(pair: Pair, part: str):
    """Tables, pages, templates, schemas, and complaints, to the letter."""
    commands = {
        "look": scripts.LOOK, "listed": scripts.LISTED, "described": scripts.DESCRIBED
    }[part]  # fmt: skip
    wrong = differing(pair, commands)
    assert not wrong, "\n".join(wrong)


@needs_kubectl
def test_what_is_changed_is_told_in_the_same_words(pair: Pair):
    """Create, apply, set, label, patch, taint, roll out, wait, delete: word for word."""
    wrong = differing(pair, scripts.CHANGE, changing=True)
    assert not wrong, "\n".join(wrong)


def test_there_are_hundreds_of_commands():
    """What is compared is no handful, and every exception is among it."""
    commands = [*scripts.LOOK, *scripts.LISTED, *scripts.DESCRIBED, *scripts.CHANGE]
    assert len(commands) > 500
    assert set(OTHERWISE) <= set(commands)
