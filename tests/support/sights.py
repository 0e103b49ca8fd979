"""Sights for pruners: pictures of random features on grids, and what else a pruner may ask for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from device_client.prune.sight import Sight
from shared.vlm.gaze import Gaze
from shared.vlm.places import Places, Tile


def sight(
    grids: Sequence[tuple[int, int]],
    seed: int = 0,
    width: int = 12,
    places: Places | None = None,
) -> Sight:
    """Pictures of (rows, columns) tokens each, with everything that anybody asks for."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    places = places or Places.of([(Tile(rows, columns),) for rows, columns in grids])
    count = len(places.pictures)
    return Sight(
        drawn(count, width) - 0.3,
        places.pictures,
        places.boxes,
        question=drawn(5, width) - 0.5,
        update=drawn(count),
        gaze=Gaze(drawn(count), drawn(count, 6) - 0.5),
        grey=tuple((255 * drawn(16 * rows, 16 * columns)).round() for rows, columns in grids),
        attention=drawn(count),
    )
