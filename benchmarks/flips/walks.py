"""Answers along what the target said alone, in steps of another shape: where would its choice have been another?

A position is decided once, after the reference's own tokens: a flip stays one flip. The keys and values are those that
steps of the shape wrote; the prompt is taken alone in every shape, so the first token is nobody's and not counted. An
answer that runs freely is this walk up to its first flip, and another text from there on.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from torch import Tensor

from device_client.answer import Question
from shared.speculation.coupled import Chooser
from shared.speculation.request import resolve
from shared.vlm.port import Block, Decoder, Prompt, VisualTokens, Vlm
from shared.vlm.single import extend, prefill

AGREEMENT = 0.8  # share of proposals that stand; after the first that does not, nothing of a block counts


@dataclass(frozen=True)
class Shape:
    """A step of `answers` answers, each with one token of its own and `proposals` behind it."""

    answers: int
    proposals: int

    def __str__(self) -> str:
        beside = f"{self.answers} answers" if self.answers > 1 else "1 answer"
        return f"{beside}, {self.proposals} proposals each" if self.proposals else beside


@dataclass(frozen=True)
class Reference:
    """What the target says alone, one token at a time. `margins`: by how much the score of each beat the second best.

    `decoder` holds the prompt; a walk owns it while it lasts.
    """

    prompt: Prompt
    visual: VisualTokens
    decoder: Decoder
    chooser: Chooser
    ids: tuple[int, ...]
    margins: tuple[float, ...]


@dataclass(frozen=True)
class Decision:
    """What a step of another shape made of a position: whether it chose another token, and its `margin`.

    The margin is that of the reference's token over the best other one, noise included: negative at a flip.
    """

    position: int
    flip: bool
    margin: float


def alone(vlm: Vlm, question: Question, most: int) -> Reference:
    """The target's own answer, of `most` tokens at most."""
    prompt = vlm.prepare(question.messages, question.images)
    visual = vlm.see(prompt)
    room = min(most, vlm.info.context_length - len(prompt.ids))
    parameters = resolve(question.sampling, vlm.info.defaults, room, seed=0)
    chooser = Chooser(parameters, prompt.ids)
    decoder, rows = prefill(vlm, prompt, visual)
    ids: list[int] = []
    margins: list[float] = []
    while True:
        token = chooser.choose(rows[-1], ids)
        margins.append(_margin(chooser, rows[-1], ids, token))
        ids.append(token)
        if ids[-1] in parameters.end_ids or len(ids) == parameters.max_tokens:
            return Reference(prompt, visual, decoder, chooser, tuple(ids), tuple(margins))
        rows = extend(vlm, decoder, ids[-1:])


def walk(vlm: Vlm, references: Sequence[Reference], shape: Shape, seed: int) -> list[list[Decision]]:
    """What steps of `shape` make of the positions of each reference, in their order, the first left out.

    Every step is full: who has ended makes room for the next, and once all have begun for one that is not counted.
    """
    decisions: list[list[Decision]] = [[] for _ in references]
    turns, wrong = count(), [token for token in range(vlm.info.rows) if token not in vlm.info.placeholder_ids]

    def begin() -> _Walker:
        turn = next(turns)
        reference = references[turn % len(references)]
        decoder = reference.decoder if turn < len(references) else prefill(vlm, reference.prompt, reference.visual)[0]
        decoder.truncate(0)
        return _Walker(turn, reference, decoder, shape.proposals, _Guesses(wrong, random.Random(f"{seed}/{turn}")))

    walkers = [begin() for _ in range(shape.answers)]
    while any(walker.turn < len(references) for walker in walkers):
        rows = vlm.step([walker.block() for walker in walkers])
        for walker, its in zip(walkers, rows, strict=True):
            decided = walker.take(its)
            if walker.turn < len(references):
                decisions[walker.turn] += decided
        walkers = [begin() if walker.ended else walker for walker in walkers]
    return decisions


class _Guesses:
    """Proposals as a draft makes them. `wrong`: the ids it guesses from where it does not know."""

    def __init__(self, wrong: Sequence[int], rng: random.Random) -> None:
        self._wrong = wrong
        self._rng = rng

    def standing(self, most: int) -> int:
        """How many stand before the first that does not, of `most`."""
        return next((known for known in range(most) if self._rng.random() >= AGREEMENT), most)

    def wrong(self, count: int) -> list[int]:
        """So many that need not stand."""
        return self._rng.choices(self._wrong, k=count)


class _Walker:
    """One answer. Its decoder holds the reference's tokens `[0, position - 1)`; `position` is the next to decide."""

    def __init__(self, turn: int, reference: Reference, decoder: Decoder, proposals: int, guesses: _Guesses) -> None:
        self.turn = turn
        self._reference = reference
        self._decoder = decoder
        self._proposals = proposals
        self._guesses = guesses
        self._position = 1
        self._standing = 0  # proposals of the block under way that agree with the reference

    @property
    def ended(self) -> bool:
        """Whether every position is decided."""
        return self._position >= len(self._reference.ids)

    def block(self) -> Block:
        """The last token and behind it the proposals: those that stand, then others up to their number."""
        ids, position = self._reference.ids, self._position
        self._standing = self._guesses.standing(min(self._proposals, len(ids) - 1 - position))
        wrong = self._guesses.wrong(self._proposals - self._standing)
        return Block(self._decoder, ids=(*ids[position - 1 : position + self._standing], *wrong))

    def take(self, rows: Tensor) -> list[Decision]:  # [proposals + 1, rows]
        """Decide positions `[position, position + standing]`, forget what was held beyond them."""
        positions = range(self._position, self._position + self._standing + 1)
        decided = [self._decide(at, row) for at, row in zip(positions, rows, strict=False)]
        self._position = positions.stop
        self._decoder.truncate(self._position - 1)
        return decided

    def _decide(self, position: int, row: Tensor) -> Decision:
        ids, chooser = self._reference.ids, self._reference.chooser
        before, token = ids[:position], ids[position]
        flip = chooser.choose(row, before) != token
        return Decision(position, flip, _margin(chooser, row, before, token))


def _margin(chooser: Chooser, row: Tensor, before: Sequence[int], token: int) -> float:
    """By how much the score of `token` beats the best other one, noise included. Infinite if no other one can win."""
    ids, scores = chooser.scores(row, before)
    others, its = scores[ids != token], scores[ids == token]
    if not its.size:
        return -float("inf")
    return float(its[0] - others.max()) if others.size else float("inf")
