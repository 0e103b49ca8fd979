"""The processes of the table: an edge with proposals, one without, and the device, which knows every method.

Guarantees: as `benchmarks.speed.ends`. Both edges see each picture anew, whoever asked about it before: so the first
token costs each method the same picture. The edge with proposals allows what is lossy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.link import Link
from benchmarks.machine import Cores
from benchmarks.speed.ends import Ends, device_process, edge, said
from benchmarks.speed.models import Models
from benchmarks.table.asker import Way, command
from benchmarks.table.methods import METHODS, MethodName

ALONE: MethodName = "edge-only"
SHADOWED = "edge-only, the device drafts to itself"


def runs_ahead(method: MethodName) -> bool:
    """Whether its device drafts while the edge steps; the others take turns, or draft nothing."""
    settings = METHODS[method]
    rests = settings.get("lockstep") and not settings.get("branches", True)
    return method != ALONE and not rests and not settings.get("alone")


def beside(method: MethodName) -> str:
    """The way that a method is paired with: the target alone, on a machine that is as busy.

    Two virtual cores may share a physical one, and share their memory; a forward on one slows the other, as it would
    not on two machines. So where device and edge compute at the same time, the device computes beside the target alone
    too, and says nothing.
    """
    return SHADOWED if runs_ahead(method) else ALONE


@contextmanager
def started(models: Models, link: Link, cores: Cores, folder: Path, methods: Sequence[MethodName]) -> Iterator[Ends]:
    """Everything, ready to be asked."""
    files = (folder / "steps.jsonl", folder / "steps-alone.jsonl")
    fresh = ("--sight-tokens", "0", "--image-cache-mib", "0")
    with ExitStack() as stack:
        edges = [
            stack.enter_context(edge(models, link, cores, file, *fresh, *options))
            for file, options in zip(files, (("--allow-lossy",), ("--no-proposals",)), strict=True)
        ]
        proposing, alone = (link.device_address(edge.port) for edge in edges)
        ways: dict[str, Way] = {method: Way(proposing, method) for method in methods}
        ways |= {ALONE: Way(alone, ALONE), SHADOWED: Way(alone, ALONE, shadow=True)}
        asking = command(models.draft, models.draft_dtype, ways)
        device = stack.enter_context(device_process(link.device(asking), cores.devices))
        said(device)
        yield Ends(link, device, (edges[0], edges[1]), files)
