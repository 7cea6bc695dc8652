"""What is given to both kubectls: files, and commands in the order in which they are given.

The first commands make an object of every kind. A `~` before a command means that it waits for
something, so that time has to pass.
"""

from __future__ import annotations

from pathlib import Path

EVERY_KIND = (Path(__file__).parent / "every_kind.yaml").read_text("utf-8")

FILES = {
    "all.yaml": EVERY_KIND,
    "cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}\n",
    "cm2.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: c}\n",
    "two.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, labels: {set: x}}\n---\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two, labels: {set: x}}\n"
    ),
    "one.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, labels: {set: x}}\n",
    "gadget.yaml": (
        "apiVersion: shop.example/v1\nkind: Gadget\nmetadata: {name: g}\nspec: {size: 2}\n"
    ),
    "gadget2.yaml": (
        "apiVersion: shop.example/v1\nkind: Gadget\nmetadata: {name: g}\nspec: {size: 3}\n"
    ),
    "badgadget.yaml": (
        "apiVersion: shop.example/v1\nkind: Gadget\nmetadata: {name: b}\nspec: {size: 0, x: 1}\n"
    ),
    "strange.yaml": "apiVersion: nowhere.example/v1\nkind: Thing\nmetadata: {name: g}\n",
    "typo.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: t}\nspec: {contaners: []}\n",
    "invalid.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: t}\nspec: {containers: []}\n",
    "nokind.yaml": "apiVersion: v1\nmetadata: {name: t}\n",
    "broken.yaml": "a: [b\n",
    "empty.yaml": "",
    "env.txt": "# a comment\nA=1\nB=two words\nC\n",
    "data.txt": "some text\n",
    "patch.yaml": "data:\n  z: '9'\n",
    "columns.txt": "NAME KIND\n.metadata.name .kind\n",
    "base/kustomization.yaml": ("resources: [cm.yaml]\nnamePrefix: pre-\ncommonLabels: {k: v}\n"),
    "base/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}\n",
    "template.txt": '{{range .items}}{{.metadata.name}}{{"\\n"}}{{end}}',
}

MAKE = ("create -f all.yaml", "create -f gadget.yaml")


def read(name: str) -> list[str]:
    """The commands of a list."""
    text = (Path(__file__).parent / "commands" / f"{name}.txt").read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


LOOK = read("look")
LISTED = [f"get {what}{wide}" for what in read("list") for wide in ("", " -o wide")]
DESCRIBED = [f"describe {what}" for what in read("describe")]
CHANGE = read("change")
