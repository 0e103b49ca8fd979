"""The figures of the CoVSpec paper's two tables (arXiv 2605.02218), on VQAv2, by our names of what they are about.

Speed is in times edge-only, accuracy in percent, traffic in MB for 1024 tokens; saved is what the target's API costs
less, in percent of edge-only. None: the paper has no such figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.table.methods import MethodName


@dataclass(frozen=True)
class Printed:
    """A line of a table of the paper. `called`: what it is there."""

    called: str
    speed: float
    accuracy: float
    megabytes: float | None = None
    saved: float | None = None


SYSTEMS: Mapping[MethodName, Printed] = {
    "edge-only": Printed("edge only", 1.00, 74.70, None, 0),
    "device-only": Printed("device only", 3.41, 56.20),
    "vanilla-sd": Printed("vanilla device-edge SD", 0.54, 74.70, 568.09, -7.32),
    "u-hlm": Printed("U-HLM", 1.13, 72.60, 155.27, 5.06),
    "covspec-paper": Printed("CoVSpec", 2.21, 74.40, 16.49, 29.75),
}
ABLATIONS: Mapping[MethodName, Printed] = {
    "covspec-paper": SYSTEMS["covspec-paper"],
    "covspec-paper:all-tokens": Printed("full visual tokens for drafting", 1.64, 68.16, 14.32, 34.81),
    "covspec-paper:random-tokens": Printed("random token selection", 1.71, 58.57, 13.59, 34.65),
    "covspec-paper:no-gate": Printed("without margin gating", 1.73, 74.70, 15.63, -6.90),
    "covspec-paper:fixed-window": Printed("without adaptive drafting", 2.14, 71.88, 16.94, 30.28),
    "covspec-paper:no-branches": Printed("without parallel branching", 2.07, 74.40, 16.49, 29.75),
    "covspec-paper:rows-up": Printed("without decoupled correction", 1.98, 74.40, 82.68, 29.75),
}
OTHERS: tuple[MethodName, ...] = ("dssd", "stop-and-wait", "covspec")  # of ours, in the first table too
