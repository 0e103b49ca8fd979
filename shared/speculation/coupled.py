"""The coupled rule: a token is the argmax of processed logit + temperature * noise; a proposal stands if it is that.

Guarantees: the choice at a position depends on the row, the tokens before it and the parameters alone, never on what
was proposed; temperature 0 is the same rule without noise. Ties go to the lowest id.
Order of processing, vLLM's: logit bias, repetition, frequency and presence penalty, min_p, top_k, top_p.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from shared.errors import InvalidValue
from shared.speculation.noise import SPAN, gumbel
from shared.speculation.request import SamplingParameters
from shared.speculation.tree import Tree

_REACHES = (1.0, 2.0, 4.0, 8.0, 16.0)  # nats below the best, within which most rows have all that masks leave
_ROUNDING = 1e-9  # relative, more than sums of a row in two orders can differ
MOST_GAP = 50.0  # what a gap is said to be at most: of an only candidate too
_MASS = 30.0  # nats below the best: what lies lower has no share in a law's entropy


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen token, and how sure the model was.

    `gap`: between the two best scores after noise, in temperatures (at temperature 0 in logits); `runner_up`: the id
    of the second best, None if no other could win. `entropy` (nats) and `probability` are those of the law,
    softmax(logit / temperature) after masks, at temperature 0 softmax(logit).
    """

    token: int
    runner_up: int | None
    gap: float
    entropy: float
    probability: float


class Chooser:
    """Chooses the tokens of one answer from rows of logits.

    `prompt_ids` count for the repetition penalty. `allowed` masks ids for good: [rows] of bool, None for all. Biases
    and penalties pass over ids that a model with a mask has no row for: they are another model's.
    """

    def __init__(
        self, parameters: SamplingParameters, prompt_ids: Sequence[int], allowed: NDArray[np.bool_] | None = None
    ) -> None:
        self._parameters = parameters
        self._prompt_ids = np.unique(np.asarray(prompt_ids, dtype=np.int64))
        self._allowed = allowed
        self._processes = bool(parameters.logit_bias) or parameters.has_penalties
        self._best_wins = parameters.temperature == 0 and not self._processes  # of the ids allowed

    @property
    def seed(self) -> int:
        """The seed of the answer's draws."""
        return self._parameters.seed

    @property
    def temperature(self) -> float:
        """0: the best id wins."""
        return self._parameters.temperature

    def logits(self, row: Tensor, before: Sequence[int]) -> NDArray[np.float64]:
        """The processed row, before masks by likelihood: [rows]."""
        return self._processed(row, before)

    def choose(self, row: Tensor, before: Sequence[int]) -> int:  # row: [rows]
        """The token after output tokens `before`."""
        return self._choose(row, _best(row[None])[0] if self._best_wins else None, before)

    def scores(self, row: Tensor, before: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The ids that can win, ascending, and their noised scores: ([n], [n])."""
        return self._noised(self._processed(row, before), before)

    def weigh(self, row: Tensor, before: Sequence[int]) -> Choice:  # row: [rows]
        """The token that `choose` takes, and how sure the model is of it."""
        logits = self._processed(row, before)
        ids, scores = self._noised(logits, before)
        unit = self._parameters.temperature or 1.0
        place = int(scores.argmax())
        best, runner_up, gap = float(scores[place]), None, MOST_GAP
        if len(ids) > 1:
            scores[place] = -np.inf
            second = int(scores.argmax())
            with np.errstate(over="ignore"):
                runner_up, gap = int(ids[second]), min(MOST_GAP, float((best - scores[second]) / unit))
        token = int(ids[place])
        with np.errstate(over="ignore"):
            law = (logits[ids] - logits[ids].max()) / unit
            chosen = law[place]
        law = law[law > -_MASS]
        mass = np.exp(law)
        total = float(mass.sum())
        entropy = float(np.log(total) - mass @ law / total)
        return Choice(token, runner_up, gap, max(0.0, entropy), float(np.exp(chosen) / total))

    def law(self, row: Tensor, before: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The ids that can win, ascending, and how likely each does: ([n], [n])."""
        logits, temperature = self._processed(row, before), self._parameters.temperature
        if temperature == 0:
            return np.array([logits.argmax()]), np.ones(1)
        ids = np.flatnonzero(logits >= logits.max() - SPAN * temperature)
        ids = self._unmasked(logits, ids[logits[ids] > -np.inf])
        mass = np.exp((logits[ids] - logits[ids].max()) / temperature)
        return ids, mass / mass.sum()

    def verify(
        self, rows: Tensor, pending: Sequence[int], before: Sequence[int], given: Sequence[bool] = ()
    ) -> list[int]:
        """The tokens that a step adds: the agreeing prefix of `pending`, then one of the target's own.

        rows: [pending + 1, rows], the logits after `before` and after each of `pending`. The result ends early with a
        token that ends the answer. `given`: those of `pending` that are taken without comparing; () for none.
        """
        if len(rows) != len(pending) + 1:
            raise ValueError(f"{len(rows)} rows for {len(pending)} proposals: there must be one row more")
        text = list(before)
        ends = self._parameters.end_ids
        best = _best(rows) if self._best_wins else [None] * len(rows)
        free = (*given, *[False] * (len(rows) - len(given)))
        for row, unmasked, proposal, taken in zip(rows, best, (*pending, None), free, strict=True):
            text.append(proposal if taken and proposal is not None else self._choose(row, unmasked, text))
            if text[-1] != proposal or text[-1] in ends:
                break
        return text[len(before) :]

    def descend(self, rows: Tensor, tree: Tree, before: Sequence[int]) -> list[int]:
        """The same where the proposals are a tree: down from `before` as long as the target's own choice is in it.

        rows: [tree + 1, rows], the logits after `before` and after each id of the tree.
        """
        if len(rows) != len(tree) + 1:
            raise ValueError(f"{len(rows)} rows for {len(tree)} proposals: there must be one row more")
        text, ends = list(before), self._parameters.end_ids
        place: int | None = -1
        while place is not None:
            best = _best(rows[place + 1 : place + 2])[0] if self._best_wins else None
            text.append(self._choose(rows[place + 1], best, text))
            place = None if text[-1] in ends else tree.child(place, text[-1])
        return text[len(before) :]

    def _choose(self, row: Tensor, best: int | None, before: Sequence[int]) -> int:
        """The token after `before`. `best`: the row's best id, if nothing but the mask can speak against it."""
        if best is not None and (self._allowed is None or self._allowed[best]):
            return best
        ids, scores = self.scores(row, before)
        return int(ids[scores.argmax()])  # ids ascend, argmax takes the first: ties to the lowest id

    def _noised(
        self, logits: NDArray[np.float64], before: Sequence[int]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        temperature = self._parameters.temperature
        if temperature == 0:
            ids = np.flatnonzero(logits > -np.inf)
            return ids, logits[ids]
        ids = np.flatnonzero(logits >= logits.max() - SPAN * temperature)
        ids = self._unmasked(logits, ids[logits[ids] > -np.inf])
        return ids, logits[ids] + temperature * gumbel(self._parameters.seed, len(before), ids)

    def _processed(self, row: Tensor, before: Sequence[int]) -> NDArray[np.float64]:
        logits: NDArray[np.float64] = row.float().cpu().numpy().astype(np.float64)
        p = self._parameters
        for token, bias in p.logit_bias:
            if token < len(logits):
                logits[token] += bias
            elif self._allowed is None:
                raise InvalidValue("logit_bias", token, f"the model's ids are below {len(logits)}")
        if p.has_penalties:
            text = np.asarray(before, dtype=np.int64)
            output, counts = np.unique(text[text < len(logits)], return_counts=True)
            known = np.union1d(self._prompt_ids[self._prompt_ids < len(logits)], output)
            repeated = logits[known]
            factor = p.repetition_penalty
            logits[known] = np.where(repeated > 0, repeated / factor, repeated * factor)
            logits[output] -= p.frequency_penalty * counts + p.presence_penalty
        if self._allowed is not None:
            logits[~self._allowed] = -np.inf
        return logits

    def _unmasked(self, logits: NDArray[np.float64], near: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of `near`, the ids in the noise's reach, that min_p, top_k and top_p leave; ascending as they are.

        The law is softmax(logit / temperature), the order of ids by (logit descending, id ascending).
        """
        p, best = self._parameters, logits[near].max()
        least = np.log(p.min_p) if p.min_p > 0 else -np.inf

        def scaled(some: NDArray[np.float64]) -> NDArray[np.float64]:
            with np.errstate(over="ignore"):  # close to temperature 0 all but the best are infinitely far from it
                quotient: NDArray[np.float64] = (some - best) / p.temperature
                return quotient

        near = near[scaled(logits[near]) >= least] if p.min_p > 0 else near
        if p.top_k == 0 and p.top_p == 1:
            return near
        pool, whole = near, 0.0
        if p.top_p < 1 and not 0 < p.top_k <= len(near):  # a share of a mass that noise does not reach as a whole
            everything = scaled(logits)
            pool = np.flatnonzero(everything >= least) if p.top_k else near
            whole = np.exp(everything[everything >= least]).sum()
        order = pool[_head(scaled(logits[pool]), p.top_k, p.top_p * whole)]
        order = order[np.argsort(-logits[order], kind="stable")][: p.top_k or None]
        if p.top_p < 1:
            mass = np.exp(scaled(logits[order]))
            before = np.concatenate(([0.0], np.cumsum(mass)[:-1]))
            order = order[before < p.top_p * (mass.sum() if p.top_k else whole)]
        order.sort()
        return order


def _head(scaled: NDArray[np.float64], count: int, mass: float) -> NDArray[np.bool_]:
    """Where the likeliest are, at least `count` of them, or with this mass if count is 0; all if there are not enough.

    To sort a whole row takes longer than many a forward; what is kept stands in its head.
    """
    for reach in _REACHES:
        head = scaled >= -reach
        if np.count_nonzero(head) >= count if count else np.exp(scaled[head]).sum() >= (1 + _ROUNDING) * mass:
            return head
    return np.ones_like(scaled, dtype=np.bool_)


def log_probabilities(rows: Tensor, ids: Sequence[int]) -> list[float]:  # rows: [at least n, rows]
    """log softmax of the plain logits at `ids`, the i-th in row i: [n], in float64, none above 0."""
    told = []
    for row, token in zip(rows, ids, strict=False):
        logits: NDArray[np.float64] = row.float().cpu().numpy().astype(np.float64)
        best = logits.max()
        told.append(min(0.0, float(logits[token] - best - np.log(np.exp(logits - best).sum()))))
    return told


def _best(rows: Tensor) -> list[int]:  # rows: [n, rows]
    """The best id of each row; ties to the lowest."""
    on_cpu = rows.device.type == "cpu"  # NumPy's argmax is vectorised, torch's is not: a tenth of the time
    best: list[int] = (rows.float().numpy() if on_cpu else rows).argmax(-1).tolist()
    return best
