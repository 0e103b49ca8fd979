"""Edges that differ in their options alone, with a target that says what the packaged one says and costs more."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.expand import Expansion, expanded
from deploy.processes import edge_process
from shared.demo.pair import target_folder


@contextmanager
def dear_edges(layers: int, options: Mapping[str, Sequence[str]], core: int | None) -> Iterator[dict[str, str]]:
    """The address of each edge by name, all on one core. `layers`: more than the packaged target has."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        target = expanded(target_folder(), Path(folder) / "target", Expansion(layers=layers))
        model = ("--model", str(target), "--threads", "1")
        yield {
            name: stack.enter_context(edge_process(*model, *more, core=core)).address for name, more in options.items()
        }
