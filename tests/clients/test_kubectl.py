"""A working day with the real kubectl, over HTTPS with the kubeconfig that `serve` writes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kubelab import Cluster
from tests.clients.tale import FILES, TALE

pytestmark = [pytest.mark.native, pytest.mark.slow]

KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent))
# The virtual time of a command's waiting passes this much faster.
SPEED = 20


def words(text: str, folder: Path) -> list[str]:
    """The arguments of a row; `_` in a schedule stands for a blank."""
    arguments = text.replace("0/5_*_*_*_*", "0/5 * * * *").split(" ")
    joined = text.split(" ")
    if "--schedule=0/5_*_*_*_*" in joined:
        arguments = [word.replace("_", " ") if "schedule" in word else word for word in joined]
    return [
        str(folder / f"{word[1:]}.yaml") if word.startswith("@") else word for word in arguments
    ]


def test_the_tale_has_a_hundred_commands():
    """What is promised: at least a hundred invocations."""
    assert len(TALE) >= 100


@pytest.mark.skipif(KUBECTL is None, reason="no kubectl beside this Python: pip install .[test]")
def test_the_real_kubectl_does_a_days_work(tmp_path):
    """Every command ends and speaks as at a real cluster."""
    for name, text in FILES.items():
        (tmp_path / f"{name}.yaml").write_text(text, "utf-8")
    cluster = Cluster(nodes=2)
    cluster.settle()
    failed = []
    with cluster.serve(speed=SPEED) as server:
        env = {**os.environ, "HOME": str(tmp_path), "KUBECONFIG": server.kubeconfig}
        for text, code, said in TALE:
            result = subprocess.run(
                [str(KUBECTL), *words(text, tmp_path)],
                capture_output=True, text=True, check=False, env=env, timeout=120,
            )  # fmt: skip
            output = result.stdout + result.stderr
            if result.returncode != code or said not in output:
                failed.append(f"kubectl {text}\n  {result.returncode}: {output[-300:]}")
    assert not failed, "\n".join(failed)
