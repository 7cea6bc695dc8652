"""kubectl says what a real kubectl 1.37.1 said, recorded; what is not equal is listed with why."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kubelab import Cluster
from kubelab.kubectl.commands import execute

DATA = Path(__file__).parent.parent / "golden_data"
# The recorded cluster had a stand-in for kubelets and images; ours has its own.
WORLD = "pods, images, events, hashes or addresses of our own world"
UNEQUAL = {
    20: "the first line of a text is named as line 1",
    24: "kubelab warns of what it does not act on",
    25: WORLD, 27: WORLD, 35: WORLD, 36: WORLD, 39: WORLD, 40: WORLD, 45: WORLD, 49: WORLD,
    50: WORLD, 51: WORLD, 69: WORLD, 71: WORLD, 91: WORLD, 100: WORLD, 103: WORLD, 104: WORLD,
    105: WORLD, 106: WORLD, 110: WORLD, 114: WORLD, 129: WORLD, 184: WORLD, 186: WORLD,
    305: WORLD, 326: WORLD, 331: WORLD, 324: WORLD,
    61: "the order of managedFields",
    73: WORLD, 116: WORLD,
    77: "a default storage class", 89: "a default storage class", 120: "a default storage class",
    78: WORLD, 111: WORLD, 121: WORLD,
    131: "no default roles", 165: "no tokens",
    237: "no access reviews",
    252: "the names of temporary files",
    267: "no editor", 269: "no enumerations in the schema", 270: "no enumerations in the schema",
    273: "no enumerations in the schema",
    283: "build data", 284: "CoreDNS is a cluster service here",
    294: "no kubeconfig", 295: "no kubeconfig", 296: "no kubeconfig", 298: "no kubeconfig",
    311: "no kustomize",
}  # fmt: skip


def masked(text: str) -> str:
    """A text without times, generated names and widths of columns."""
    for pattern, mask in (
        (r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} \+0000", "<time>"),
        (r"20\d\d-\d\d-\d\d[T ][\d:]{8}(\.\d+)?(Z| \+0000 UTC)", "<time>"),
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uid>"),
        (r"(agent|web-[0-9a-f]+|kube-api-access|web|job)-[bcdfghjklmnpqrstvwxz2456789]{5}\b",
         r"\1-<rand>"),
        (r'(resourceVersion"?): "\d+"', r'\1: "<rv>"'),
        (r"Resource Version:\s+\d+", "Resource Version: <rv>"),
        (r"10\.244\.\d+\.\d+", "<podIP>"),
        (r"(?<=\s)\d+[smhd](\d+[smhd])?(?= |$|\))", "<age>"),
        (r" +", " "),
        (r"-{3,}", "---"),
    ):  # fmt: skip
        text = re.sub(pattern, mask, text, flags=re.MULTILINE)
    return text


def test_output_is_that_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code, stdout and stderr of some three hundred commands, but for what UNEQUAL lists."""
    entries: list[Any] = json.loads((DATA / "kubectl.json").read_text(encoding="utf-8"))
    first, *entries = entries
    for name, text in first["files"].items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    cluster = Cluster(nodes=3)
    cluster.settle()
    # The recorded cluster had no metrics server.
    cluster.delete("APIService", "v1beta1.metrics.k8s.io")
    different = []
    for number, entry in enumerate(entries, 1):
        request, recorded = entry["request"], entry["response"]
        if any(word.startswith("--as=") for word in request["args"]):
            continue  # There is one user here, who may do everything.
        stdin = request.get("stdin", "")
        code, out, err = execute(cluster, request["args"], stdin, first["namespace"])
        ours = (code, masked(out), masked(err))
        theirs = (
            recorded["exit"], masked(recorded.get("stdout", "")),
            masked(recorded.get("stderr", "")),
        )  # fmt: skip
        if ours != theirs:
            different.append(number)
    fresh = [number for number in different if number not in UNEQUAL]
    # How our world comes out may be equal by chance.
    mended = [number for number, why in UNEQUAL.items() if why != WORLD and number not in different]
    assert not fresh, f"otherwise than the real kubectl: {fresh}"
    assert not mended, f"equal now, so take them off the list: {mended}"
