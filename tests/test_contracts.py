"""Imports point down only: the contracts in pyproject.toml hold, and planted slips are found."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tidy import ROOT

LINTER = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(where: Path) -> subprocess.CompletedProcess[str]:
    """Runs import-linter on the tree in `where`."""
    command = [sys.executable, "-c", LINTER, "--no-cache"]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)


def test_imports_point_down():
    """No module of kubelab imports upwards, sideways or around the API server."""
    pytest.importorskip("importlinter", reason="no import-linter: pip install -e '.[test]'")
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of kubelab, to plant violations in."""
    pytest.importorskip("importlinter", reason="no import-linter: pip install -e '.[test]'")
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "kubelab", tree / "kubelab", ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    return tree


@pytest.mark.parametrize(
    ("module", "imports", "contract"),
    [
        ("sim/planted.py", "kubelab.api.objects", "Imports point down only"),
        ("controllers/planted.py", "kubelab.scheduler", "Imports point down only"),
        ("client/planted.py", "kubelab.apiserver", "Only cluster imports the API server"),
        ("views/planted.py", "kubelab.cluster", "Imports point down only"),
        ("views/planted.py", "kubelab.apiserver", "Only cluster imports the API server"),
        ("kubelet/planted.py", "kubelab.etcd", "Only the API server and cluster import etcd"),
        ("elsewhere/planted.py", "kubelab.sim.kernel", "exhaustive"),
    ],
)
def test_a_planted_violation_is_found(tree, module, imports, contract):
    """An import upwards, sideways or past the API server, or a room without a layer, is found."""
    planted = tree / "kubelab" / module
    new = not planted.parent.exists()
    planted.parent.mkdir(exist_ok=True)
    (planted.parent / "__init__.py").touch()
    planted.write_text(f'"""Planted."""\n\nimport {imports}\n')
    try:
        result = lint(tree)
    finally:
        planted.unlink()
        if new:
            shutil.rmtree(planted.parent)
    said = result.stdout + result.stderr
    assert result.returncode != 0, said
    if contract == "exhaustive":
        assert "kubelab.elsewhere" in said or "elsewhere" in said, said
    else:
        broken = [line for line in said.splitlines() if line.endswith("BROKEN")]
        assert any(line.startswith(contract) for line in broken), said
