"""A real JupyterLab in a real Chromium, for tests of what only a page can show.

`Lab(folder, chromium)` starts a server on loopback with settings and runtime files of its own and a
headless browser, and ends both on leaving. `open` opens a notebook and runs all its cells; `view`
finds the views on the page; `failures` gathers what no other test would see: cells that failed,
widgets that were not made, errors on the console, and requests to other hosts, which are blocked.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.tidy import ROOT

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
START_SECONDS = 60
# What a healthy JupyterLab says by itself.
NOISE = ("terminals plugin", "ResizeObserver", "404", "third-party", "deprecat", "preload", "lsp",
         "ERR_BLOCKED_BY_CLIENT", "No extensions will be", "Autofocus", "GPU")  # fmt: skip


class Lab:
    """A server and a browser; see the module."""

    def __init__(self, folder: Path, chromium: str, *, theme: str = "light",
                 reduced_motion: bool = False) -> None:  # fmt: skip
        self.folder, self.chromium = folder, chromium
        self.theme, self.reduced_motion = theme, reduced_motion
        self.token = secrets.token_hex(16)
        self.trouble: list[str] = []
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> Lab:
        try:
            self._serve()
            self._browse()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self.stack.close()

    def _settings(self, home: Path) -> None:
        themes = {"theme": f"JupyterLab {self.theme.capitalize()}", "adaptive-theme": False}
        for name, values in {
            "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
            "apputils-extension/themes": themes,
            "docmanager-extension/plugin": {"autosave": False},
            "notebook-extension/tracker": {"windowingMode": "none"},
        }.items():
            path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values), "utf-8")

    def _serve(self) -> None:
        made = tempfile.TemporaryDirectory(prefix="kubelab-lab-", ignore_cleanup_errors=True)
        home = Path(self.stack.enter_context(made))
        self._settings(home)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        env = os.environ | {
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "IPYTHONDIR": str(home / "ipython"),
            "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"), "JUPYTER_TOKEN": self.token,
        }  # fmt: skip
        env.pop("KUBELAB_STILL", None)
        # The kernels import this checkout, installed or not.
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH")]))
        command = [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser",
            "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={self.folder}", "--LabApp.news_url=None", "--allow-root",
            "--ServerApp.terminals_enabled=False",
            f"--FileCheckpoints.checkpoint_dir={home / 'checkpoints'}",
        ]  # fmt: skip
        log = self.stack.enter_context((home / "log").open("wb"))
        server = subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=self.folder,
                                  start_new_session=True)  # fmt: skip
        self.stack.callback(self._end, server)
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert server.poll() is None, (home / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "JupyterLab does not answer"
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(f"{self.url}/api?token={self.token}", timeout=2).close()
                return
            time.sleep(0.1)

    @staticmethod
    def _end(server: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()

    def _browse(self) -> None:
        from playwright.sync_api import sync_playwright

        play = self.stack.enter_context(sync_playwright())
        browser = play.chromium.launch(executable_path=self.chromium, args=FLAGS)
        self.stack.callback(browser.close)
        motion = "reduce" if self.reduced_motion else "no-preference"
        self.context = browser.new_context(
            viewport={"width": 1280, "height": 900}, reduced_motion=motion
        )
        self.context.route("**/*", self._only_here)

    def _only_here(self, route: Any) -> None:
        address = route.request.url
        if address.startswith((self.url, "data:", "blob:")):
            route.continue_()
        else:
            self.trouble.append(f"asked another host: {address}")
            route.abort("blockedbyclient")

    def open(self, notebook: str, *, run: bool = True) -> Any:
        """The page of a notebook, all of its cells run."""
        page = self.context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", self._console)
        page.goto(f"{self.url}/lab/tree/{notebook}?reset&token={self.token}")
        page.wait_for_function(READY)
        if run:
            page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
            self.idle(page)
            assert not self.failures(page), self.failures(page)
        return page

    def idle(self, page: Any) -> None:
        """Waits until the kernel has done all it was asked for."""
        page.wait_for_timeout(150)
        page.wait_for_function(IDLE)
        page.wait_for_timeout(150)

    def press(self, page: Any, view: Any, button: str, times: int = 1) -> None:
        """Presses a button of a view."""
        for _ in range(times):
            view.get_by_role("button", name=button, exact=True).first.click()
            self.idle(page)

    def _console(self, message: Any) -> None:
        if message.type == "error" and not any(word in message.text for word in NOISE):
            self.trouble.append(message.text[:300])

    def failures(self, page: Any) -> list[str]:
        """Cells that failed, widgets that were not made, trouble on the console."""
        return list(page.evaluate(FAILED)) + self.trouble


READY = """() => window.jupyterapp && jupyterapp.shell.currentWidget
  && jupyterapp.shell.currentWidget.context && jupyterapp.shell.currentWidget.context.isReady
  && jupyterapp.shell.currentWidget.context.sessionContext.session
  && jupyterapp.shell.currentWidget.context.sessionContext.session.kernel
  && jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.status === 'idle'"""

IDLE = """() =>
  jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.status === 'idle'
  && ![...document.querySelectorAll('.jp-OutputArea-output')].some(
         area => area.textContent.trim() === 'Loading widget...')"""

FAILED = """() => jupyterapp.shell.currentWidget.content.widgets.flatMap((cell, at) =>
    (cell.model.toJSON().outputs || []).filter(out => out.output_type === 'error')
      .map(out => `cell ${at}: ${out.ename}: ${out.evalue}`))
  .concat([...document.querySelectorAll('.jp-OutputArea-output')].map(area => area.innerText)
    .filter(text => /^(Error displaying|Failed to load model|Model not found)/.test(text)))"""
