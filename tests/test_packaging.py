"""What a newcomer installs: light to import, complete, and as the README says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.pyodide.prepare import fetch
from tests.tidy import ROOT

README = (ROOT / "README.md").read_text("utf-8")

# What only some need, or what a browser's Python has not.
HEAVY = """matplotlib numpy networkx anywidget ipywidgets IPython jupyterlab http.server
socketserver ssl asyncio multiprocessing concurrent.futures"""


def python(code: str, where: Path, **env: str) -> str:
    """What a fresh Python prints."""
    command = [sys.executable, "-c", code]
    result = subprocess.run(
        command, cwd=where, capture_output=True, text=True, check=False, env={**os.environ, **env}
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_the_import_is_light():
    """`import kubelab` loads no drawing library, no front end and no web server."""
    code = f"import kubelab, sys; print(*[m for m in {HEAVY.split()} if m in sys.modules])"
    assert python(code, ROOT) == ""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, fetched) -> Path:
    """kubelab as a wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "-w",
        str(folder),
        str(ROOT),
    ]
    fetched(fetch, command, "what builds a wheel")
    return next(folder.glob("kubelab-*.whl"))


@pytest.mark.slow
def test_a_wheel_is_complete(wheel):
    """All that stands in kubelab/ and notebooks/ is installed: schemas, scripts, notebooks too."""
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(path.relative_to(ROOT)) for path in (ROOT / "kubelab").rglob("*") if path.is_file()
    }
    for path in (ROOT / "notebooks").glob("*"):
        if path.is_file():
            wanted.add(f"kubelab/notebooks/{path.name}")
    missing = sorted(each for each in wanted - inside if "__pycache__" not in each)
    assert missing == []


@pytest.mark.slow
def test_an_installed_copy_works(wheel, tmp_path):
    """Away from the checkout, an installed copy can be imported and its command answers."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    site = str(tmp_path / "site")
    where = python("import kubelab; print(kubelab.__file__)", tmp_path, PYTHONPATH=site)
    assert Path(where) == tmp_path / "site" / "kubelab" / "__init__.py"
    code = "import sys; sys.argv = ['kubelab', '--help']; from kubelab.__main__ import main; main()"
    said = python(code, tmp_path, PYTHONPATH=site)
    for command in re.findall(r"^\| `kubelab (\w+)", README, re.M):
        assert command in said


def test_the_readme_names_what_exists():
    """Every file that the README sends its reader to is there."""
    named = re.findall(r"`((?:kubelab|tests|notebooks)/[\w/.-]+)`", README)
    assert len(named) > 9
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_ci_runs_the_command_of_the_readme():
    """The README has one line that installs and runs the tests, and one that opens the lab."""
    tests = [line for line in README.splitlines() if "python -m pytest" in line]
    lab = [line for line in README.splitlines() if line.endswith("kubelab lab")]
    assert len(tests) == len(lab) == 1
    assert 'grep -m 1 "python -m pytest" README.md' in (ROOT / ".ci/run").read_text("utf-8")


def test_the_readme_draws_the_layers_of_the_contract():
    """The picture of the layers in the README is the contract that is checked."""
    drawn = re.search(r"```\n(__main__.*?)```", README, re.S)
    assert drawn
    layers = [re.findall(r"\w+", line) for line in drawn[1].splitlines()]
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    contract = re.search(r"^layers = \[(.*?)\]", text, re.M | re.S)
    assert contract
    assert layers == [re.findall(r"\w+", line) for line in contract[1].strip().splitlines()]


def test_binder_gets_the_lab():
    """Binder installs this checkout with the lab, on a Python that it and we know."""
    folder = ROOT / "binder"
    assert (folder / "requirements.txt").read_text("utf-8").split() == ["-e", ".[lab]"]
    assert (folder / "runtime.txt").read_text("utf-8").startswith("python-3.")
    for name in ("postBuild", "start"):
        assert os.access(folder / name, os.X_OK), f"binder/{name} is not executable"
    assert (folder / "start").read_text("utf-8").rstrip().endswith('exec "$@"')


@pytest.mark.slow
def test_binder_would_build_it():
    """repo2docker takes the binder folder, its Python, its postBuild and its start script."""
    pytest.importorskip("repo2docker", reason="no repo2docker: pip install jupyter-repo2docker")
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(ROOT)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    assert "binder/requirements.txt" in said
    assert re.search(r"\./binder/postBuild", said)
    assert re.search(r"R2D_ENTRYPOINT=.*binder/start", said)
    assert "python=3.12" in said
