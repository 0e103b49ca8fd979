"""The decoder of a toy model: a hash of all that came before each token, and logits that hash it once more.

It does not know how a prompt is made, nor how a picture is seen; a row costs what `Manner.logits` costs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.vlm import marks
from shared.vlm.port import Block, Decoder, Prompt, VisualTokens, check_path
from shared.vlm.toy_vocabulary import CONTINUES, END, IMAGE, NEVER_FIRST, PIECES

_BANNED = -30.0
_FORCED = 40.0
_END_LEAD = 3.0
# The chance of an end at output position n is (n - _FIRST_END) / _END_SPREAD: answers of 40 tokens, give or take 20.
_FIRST_END = 8
_END_SPREAD = 600

_MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15
MIX_1, MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # the finalizer of SplitMix64 (Steele, Lea, Flood 2014)
_DISAGREES, _ENDS = 0xD1B54A32D192ED03, 0x8CB92BA72F3D8DD7  # salts of independent decisions about one prefix


@dataclass(frozen=True)
class Manner:
    """How a decoder answers: whose `seed`, how often as the toy of that seed, and elsewhere by which `salt`.

    `logits`: of keys, of which some are unsure: [keys, rows].
    """

    seed: int
    agreement: float
    salt: int
    logits: Callable[[Sequence[int], Sequence[bool]], NDArray[np.float64]]


@dataclass(frozen=True)
class Entering:
    """A token that enters, with those before it that do not: what tells them from others, and their hashes."""

    marks: tuple[tuple[int, ...], ...]
    hashes: tuple[int, ...]


class ToyDecoder:
    """One answer's states: the hash of all that came before each token, so that to truncate is to forget some."""

    def __init__(self, manner: Manner, prompt: Sequence[Entering]) -> None:
        self._manner = manner
        self._prompt = prompt
        self._states = [mix(manner.seed)]  # one before each token, and one after the last
        self._tokens: list[int] = []
        self._tree: Block | None = None  # taken by the last step, until a path of it is kept

    @property
    def prompt_left(self) -> int:
        """How many tokens of the prompt have not been taken yet."""
        return max(0, len(self._prompt) - self.held)

    @property
    def length(self) -> int:
        """How many output tokens are held."""
        return len(self._tokens)

    @property
    def nbytes(self) -> int:
        """As the port says: a state has 64 bits."""
        return 8 * len(self._states)

    @property
    def held(self) -> int:
        """As the port says."""
        return len(self._states) - 1

    def truncate(self, length: int) -> None:
        """As the port says."""
        self.check_kept()
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot truncate {self.length} tokens to {length}")
        forgotten = self.length - length
        del self._tokens[length:]
        del self._states[len(self._states) - forgotten :]

    def fork(self) -> ToyDecoder:
        """As the port says."""
        self.check_kept()
        if self.prompt_left:
            raise ValueError(f"a decoder whose prompt has {self.prompt_left} tokens left cannot be forked")
        fork = copy(self)
        fork._states, fork._tokens = list(self._states), list(self._tokens)
        return fork

    def keep(self, path: Sequence[int]) -> None:
        """As the port says."""
        tree = self._tree
        check_path(None if tree is None else tree.parents, path)
        assert tree is not None
        for held in (self._tokens, self._states):
            first = len(held) - len(tree.ids)
            held[first:] = [held[first + place] for place in path]
        self._tree = None

    def check_kept(self) -> None:
        """Raise ValueError if it holds a tree."""
        if self._tree is not None:
            raise ValueError(f"a path of the tree of {len(self._tree.ids)} tokens has to be kept first")

    def common(self, giver: Decoder) -> int:
        """As the port says."""
        giver = toy(giver)
        pairs = zip(self._marks(), giver._marks()[: giver.held], strict=False)
        return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))

    def adopt(self, giver: Decoder) -> int:
        """As the port says."""
        toy(giver).check_kept()
        if self.held:
            raise ValueError("a decoder that has taken tokens adopts none")
        count = min(self.common(giver), len(self._prompt) - 1)
        self._states = toy(giver)._states[: count + 1]
        return count

    def take(self, block: Block) -> Tensor:
        """Hold the block. The rows that it yields."""
        ends = block.rows > len(block.ids)
        for token in self._prompt[self.held : self.held + block.prompt]:
            self._states.append(_after(self._states[-1], token.hashes))
        held, positions = self.held, [0] * ends  # of output tokens, where rows follow them
        for place, each in enumerate(block.ids):
            parent = place - 1 if block.parents is None else block.parents[place]
            positions.append(1 + (self.length if parent < 0 else positions[ends + parent]))
            self._states.append(_after(self._states[held + 1 + parent], (each + 1,)))
        self._tokens += block.ids
        self._tree = None if block.parents is None else block
        return self._rows(self._states[held + 1 - ends :], positions, [*[None] * ends, *block.ids])

    def _rows(self, states: Sequence[int], positions: Sequence[int], last: Sequence[int | None]) -> Tensor:
        """The logits after each of the states: of an output token at this position, with that one before it."""
        manner = self._manner
        differs = [mix(state ^ _DISAGREES) >= round(manner.agreement * 2**64) for state in states]
        keys = [mix(s ^ _DISAGREES ^ manner.salt) if d else s for s, d in zip(states, differs, strict=True)]
        rows = manner.logits(keys, differs)
        rows[:, NEVER_FIRST] = _BANNED
        rows[:, len(PIECES) :] = _BANNED  # rows that pad a vocabulary
        rows[:, END] = _BANNED
        for row, key, position, token in zip(rows, keys, positions, last, strict=True):
            _end_or_go_on(row, key, position, token)
        return torch.from_numpy(rows.astype(np.float32))

    def _marks(self) -> list[tuple[tuple[int, ...], ...]]:
        return [*(token.marks for token in self._prompt), *(((token,),) for token in self._tokens)]


def _end_or_go_on(row: NDArray[np.float64], key: int, position: int, last: int | None) -> None:
    """A character begun is finished; elsewhere an end comes by hash, more likely as the answer grows."""
    token = None if last is None else CONTINUES.get(last)
    if token is not None:
        row[token] = _FORCED
    elif mix(key ^ _ENDS) * _END_SPREAD < (position - _FIRST_END) << 64:
        row[END] = row.max() + _END_LEAD


def _after(state: int, hashes: Sequence[int]) -> int:
    """The state after one more token."""
    for each in hashes:
        state = mix(state ^ mix(each))
    return state


def entering(prompt: Prompt, visual: VisualTokens, kept: frozenset[int]) -> list[Entering]:
    """The tokens of a prompt of whose visual tokens the `kept` enter."""
    told = (marks.unlike(len(visual.features)) if visual.marks is None else visual.marks).tolist()
    numbers = itertools.count()
    tokens = []
    known: list[tuple[int, ...]] = []
    hashes: list[int] = []
    for token in prompt.ids:
        number = next(numbers) if token == IMAGE else None
        known.append((token,) if number is None else tuple(told[number]))
        hashes.append(token + 1 if number is None else visual.extras[number])
        if number is None or number in kept:
            tokens.append(Entering(tuple(known), tuple(hashes)))
            known, hashes = [], []
    return tokens


def toy(decoder: Decoder) -> ToyDecoder:
    if not isinstance(decoder, ToyDecoder):
        raise TypeError("a decoder of another model")
    return decoder


def mix(value: int) -> int:
    """SplitMix64 of one 64-bit integer."""
    value = (value + GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * MIX_1) & _MASK
    value = ((value ^ (value >> 27)) * MIX_2) & _MASK
    return value ^ (value >> 31)
