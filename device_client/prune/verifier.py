"""Verifier-guided (SpecVLM, arXiv 2508.16201): what the target's text attends to, and an even sample of the rest."""

from __future__ import annotations

from device_client.prune.sight import Kept, Sight, given
from shared.vlm.attending import most_attended


def verifier(sight: Sight, count: int) -> Kept:
    """The choice of `shared.vlm.attending`, as if the draft's visual tokens were the target's."""
    return Kept.of(most_attended(given(sight.attention), count))
