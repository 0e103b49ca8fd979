"""Decoders of any family over packed rows: which tokens a block brings, and one forward for the blocks of many.

A block counts once the forward has succeeded: one that fails leaves every decoder as it was. Output token t stands at
position `first_position + t`, whatever was kept of the prompt before it. It does not know the family's layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from shared.vlm.history import History
from shared.vlm.packed import Packed, Sight, Span, Twigs
from shared.vlm.port import Block, Decoder, check_blocks, check_path
from shared.vlm.store import Store


@dataclass(frozen=True)
class Tokens:
    """Tokens in a row: of a prompt, of a block of it, of an answer, of many blocks.

    `features`: what the visual ones among them are replaced with, and what goes to them in deeper layers, if anything;
    () where none is visual.
    """

    ids: Tensor  # [tokens]
    positions: Tensor  # [axes, tokens]
    visual: Tensor  # [tokens], boolean: which are visual
    features: tuple[Tensor, ...] = ()  # each [visual tokens, hidden]

    def part(self, begin: int, end: int) -> Tokens:
        """Tokens [begin, end), with the features that are theirs."""
        first, count = int(self.visual[:begin].sum()), int(self.visual[begin:end].sum())
        features = tuple(level[first : first + count] for level in self.features) if count else ()
        return Tokens(self.ids[begin:end], self.positions[:, begin:end], self.visual[begin:end], features)

    @staticmethod
    def join(parts: Sequence[Tokens]) -> Tokens:
        """One row of all parts."""
        if len(parts) == 1:
            return parts[0]
        return Tokens(
            torch.cat([part.ids for part in parts]),
            torch.cat([part.positions for part in parts], dim=1),
            torch.cat([part.visual for part in parts]),
            tuple(torch.cat(level) for level in zip(*(p.features for p in parts if p.features), strict=True)),
        )


# (row, packed, indices into the row [wanted]) -> logits [wanted, rows]
Forward = Callable[[Tokens, Packed, Tensor], Tensor]


class PackedDecoder:
    """One answer. `prompt`: what of it enters the model. `first_position`: that of the first output token.

    Where tokens of the prompt see each other (`sight`), those of a piece that is not complete wait for the rest of it:
    they count as taken, and enter the model in one forward. `marks`: of the prompt's tokens, by content.
    """

    def __init__(self, prompt: Tokens, first_position: int, marks: Tensor, sight: Sight | None = None) -> None:
        self.store = Store()
        self._history = History.of(prompt.positions, marks, first_position, sight)
        self._prompt: Tokens | None = prompt
        self._prompt_length = len(prompt.ids)
        self._axes = len(prompt.positions)
        self._first_position = first_position
        self._sight = sight
        self._waiting = 0  # tokens of the prompt that are taken and not yet in the store
        self._parents: tuple[int, ...] | None = None  # of the tree at the end of the store, until a path of it is kept

    @property
    def prompt_left(self) -> int:
        """How many tokens of the prompt have not been taken yet."""
        return max(0, self._prompt_length - self.held)

    @property
    def length(self) -> int:
        """How many output tokens are held."""
        return max(0, self.store.length - self._prompt_length)

    @property
    def held(self) -> int:
        """As the port says."""
        return self.store.length + self._waiting

    def truncate(self, length: int) -> None:
        """As the port says."""
        self._check_kept()
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot truncate {self.length} tokens to {length}")
        if length < self.length:
            self.store.length = self._prompt_length + length
            del self._history.ids[length:]

    def fork(self) -> PackedDecoder:
        """As the port says."""
        self._check_kept()
        if self._prompt is not None:
            raise ValueError(f"a decoder whose prompt has {self.prompt_left} tokens left cannot be forked")
        fork = copy(self)
        fork.store, fork._history = self.store.fork(), self._history.fork()
        return fork

    def keep(self, path: Sequence[int]) -> None:
        """As the port says."""
        check_path(self._parents, path)
        assert self._parents is not None
        begin = self.store.length - len(self._parents)
        self.store.keep(begin, [begin + place for place in path])
        ids = self._history.ids
        first = len(ids) - len(self._parents)
        ids[first:] = [ids[first + place] for place in path]
        self._parents = None

    def common(self, giver: Decoder) -> int:
        """As the port says."""
        giver = _packed(giver)
        return self._history.common(giver._history, giver.store.length)

    def adopt(self, giver: Decoder) -> int:
        """As the port says."""
        giver = _packed(giver)
        giver._check_kept()
        if self.held:
            raise ValueError("a decoder that has taken tokens adopts none")
        count = self._history.common(giver._history, min(giver.store.length, self._prompt_length - 1))
        if count:
            self.store = giver.store.fork()
            self.store.length = count
        return count

    @property
    def nbytes(self) -> int:
        """As the port says."""
        return self.store.nbytes

    def span(self, block: Block) -> Span:
        """What of a block enters the model now: with what waited before, without what waits still."""
        self._check_kept()
        held = self.store.length
        end = held + self._waiting + block.prompt + len(block.ids)
        count = end - held if self._sight is None else self._sight.whole(end) - held
        return Span(self.store, count, self._sight, None if block.parents is None else Twigs.of(block.parents))

    def parts(self, span: Span, ids: Sequence[int]) -> list[Tokens]:
        """The tokens of the span, `ids` the last of them."""
        count = span.count
        parts = []
        prompt = count - len(ids)
        if prompt and self._prompt is not None:
            parts.append(self._prompt.part(self.store.length, self.store.length + prompt))
        if ids:
            start = self._first_position + self.length
            behind = torch.arange(len(ids)) if span.twigs is None else span.twigs.depths
            positions = (start + behind).expand(self._axes, -1)
            parts.append(
                Tokens(torch.tensor(ids, dtype=torch.long), positions, torch.zeros(len(ids), dtype=torch.bool))
            )
        return parts

    def advance(self, block: Block, entered: int) -> None:
        """The block is taken, and all layers have `entered` tokens more."""
        self._waiting += block.prompt + len(block.ids) - entered
        self.store.length += entered
        self._history.ids.extend(block.ids)
        self._parents = None if block.parents is None else tuple(block.parents)
        if not self.prompt_left:
            self._prompt = None
            if self._sight is not None and not self._sight.lasts:
                self._sight = None

    def _check_kept(self) -> None:
        if self._parents is not None:
            raise ValueError(f"a path of the tree of {len(self._parents)} tokens has to be kept first")


def step(blocks: Sequence[Block], forward: Forward, rows: int) -> list[Tensor]:
    """As the port says, for blocks of packed decoders of one model, whose rows of logits are `rows` wide."""
    check_blocks(blocks)
    if not blocks:
        return []
    decoders = [_packed(block.decoder) for block in blocks]
    spans = [decoder.span(block) for decoder, block in zip(decoders, blocks, strict=True)]
    parts = [d.parts(span, block.ids) for d, span, block in zip(decoders, spans, blocks, strict=True)]
    counts = [block.rows for block in blocks]
    ends = accumulate(span.count for span in spans)
    wanted = [i for end, count in zip(ends, counts, strict=True) for i in range(end - count, end)]
    entering = [span for span in spans if span.count]
    logits = torch.zeros(0, rows)
    if entering:
        row = Tokens.join([part for each in parts for part in each])
        logits = forward(row, Packed(entering), torch.tensor(wanted, dtype=torch.long))
    for decoder, span, block in zip(decoders, spans, blocks, strict=True):
        decoder.advance(block, span.count)
    return list(torch.split_with_sizes(logits, counts))


def _packed(decoder: Decoder) -> PackedDecoder:
    if not isinstance(decoder, PackedDecoder):
        raise TypeError("a decoder of another model")
    return decoder
