"""An option that a page names is there: of our two programs, of our benchmarks and deployment, or a known other's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

import device_client.__main__ as device
import edge_server.__main__ as edge

ROOT = Path(__file__).parents[2]
OURS = ("docs/models.md", "docs/tuning.md", "docs/using.md", "docs/operating.md", "README.md")
SHARED = {"--config", "--help", "--version"}  # of both programs, whatever the verb
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


def options(app: App) -> Iterator[str]:
    """The names of all options of a program and its verbs."""
    for name in app:
        if not name.startswith("-"):
            yield from options(app[name])
    if app.default_command is not None:
        for argument in app.assemble_argument_collection():
            yield from argument.names


KNOWN = {*options(device.app), *options(edge.app), *SHARED}


@pytest.mark.parametrize("page", OURS)
def test_an_option_that_a_page_names_is_there(page: str) -> None:
    named = set(FLAG.findall((ROOT / page).read_text(encoding="utf-8")))
    assert named
    assert named <= KNOWN, named - KNOWN


def test_every_model_of_a_pair_has_its_memory_in_the_other_table() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    pairs, takes = page.split("## What they take")
    listed = set(re.findall(r"^\| (\w+/[\w.-]+) \|", takes, re.MULTILINE))
    for line in re.findall(r"^\|.*`\w+/.*\|$", pairs, re.MULTILINE):
        whole = re.findall(r"`(\w+/[\w.-]+)`", line)
        short = re.findall(r"`(-[\w.-]+)`", line)  # another size of the target before it
        stem = re.sub(r"-\d+B.*", "", whole[-1])
        for name in (*whole, *(f"{stem}{rest}" for rest in short)):
            assert name in listed, name
