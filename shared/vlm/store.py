"""The keys and values of one sequence, in buffers that double when they are full.

Slots `[0, length)` are held. A write lands in `[length, length + n)` and counts once `length` has moved over it: so a
forward that fails leaves no trace, and to forget tokens is to move `length` back. It does not know who reads them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_FEWEST = 64  # slots


class Store:
    """`length` is moved by the owner alone, when all layers of all its tokens have been written."""

    def __init__(self) -> None:
        self.length = 0
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}  # each [1, key/value heads, capacity, head dim]
        self._lent: dict[int, int] = {}  # by layer: slots before this one are read by other stores too

    @property
    def nbytes(self) -> int:
        """Bytes of its buffers, those it shares with a fork included."""
        return sum(buffer.nbytes for layer in self._layers.values() for buffer in layer)

    def fork(self) -> Store:
        """A store of its own that holds the same. What both hold is copied when one of them first writes over it.

        The fork copies with its first write; this one goes on in place, behind what the fork can see.
        """
        fork = Store()
        fork.length, fork._layers = self.length, dict(self._layers)
        for layer, (keys, _) in self._layers.items():
            fork._lent[layer] = keys.shape[2]
            self._lent[layer] = max(self._lent.get(layer, 0), self.length)
        return fork

    def write(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Put n tokens, each tensor [1, key/value heads, n, head dim]; all of the layer's, [0, length + n), come back.

        What comes back are views: good until the next write.
        """
        end = self.length + keys.shape[2]
        held = self._layers.get(layer)
        if held is None or held[0].shape[2] < end or self.length < self._lent.get(layer, 0):
            held = (self._room(held and held[0], keys, end), self._room(held and held[1], values, end))
            self._layers[layer] = held
            self._lent.pop(layer, None)
        for buffer, new in zip(held, (keys, values), strict=True):
            buffer.narrow(2, self.length, new.shape[2]).copy_(new)
        return held[0].narrow(2, 0, end), held[1].narrow(2, 0, end)

    def keep(self, begin: int, slots: Sequence[int]) -> None:
        """Hold `[0, begin)` and behind them these `slots`, rising, all of them written when it held `[0, begin)`."""
        with torch.inference_mode():  # what a forward has made may be written to in this mode alone
            for layer in self._layers.values():
                for buffer in layer:
                    place = torch.tensor(slots, dtype=torch.long, device=buffer.device)
                    buffer.narrow(2, begin, len(slots)).copy_(buffer.index_select(2, place))
        self.length = begin + len(slots)

    def _room(self, held: Tensor | None, like: Tensor, slots: int) -> Tensor:
        """A buffer of at least `slots`, a power of two, with what is held."""
        capacity = max(_FEWEST, 1 << (slots - 1).bit_length())
        room = like.new_empty(1, like.shape[1], capacity, like.shape[3])
        if held is not None:
            room[:, :, : self.length] = held[:, :, : self.length]
        return room
