"""The coupled rule: a token is the argmax of processed logit + temperature * noise; a proposal stands if it is that.

Guarantees: the choice at a position depends on the row, the tokens before it and the parameters alone, never on what
was proposed; temperature 0 is the same rule without noise. Ties go to the lowest id.
Order of processing, vLLM's: logit bias, repetition, frequency and presence penalty, min_p, top_k, top_p.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from shared.errors import InvalidValue
from shared.speculation.noise import SPAN, gumbel
from shared.speculation.request import SamplingParameters


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
        self._plain = allowed is None and not parameters.logit_bias and not parameters.has_penalties

    def choose(self, row: Tensor, before: Sequence[int]) -> int:  # row: [rows]
        """The token after output tokens `before`."""
        if self._plain and self._parameters.temperature == 0:
            return int(row.argmax())
        ids, scores = self.scores(row, before)
        return int(ids[scores.argmax()])  # ids ascend, argmax takes the first: ties to the lowest id

    def scores(self, row: Tensor, before: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The ids that can win, ascending, and their noised scores: ([n], [n])."""
        logits = self._processed(row, before)
        temperature = self._parameters.temperature
        if temperature == 0:
            ids = np.flatnonzero(logits > -np.inf)
            return ids, logits[ids]
        ids = self._unmasked(logits)
        ids = ids[logits[ids] >= logits[ids].max() - SPAN * temperature]
        return ids, logits[ids] + temperature * gumbel(self._parameters.seed, len(before), ids)

    def verify(self, rows: Tensor, pending: Sequence[int], before: Sequence[int]) -> list[int]:
        """The tokens that a step adds: the agreeing prefix of `pending`, then one of the target's own.

        rows: [pending + 1, rows], the logits after `before` and after each of `pending`. The result ends early with a
        token that ends the answer.
        """
        if len(rows) != len(pending) + 1:
            raise ValueError(f"{len(rows)} rows for {len(pending)} proposals: there must be one row more")
        text = list(before)
        ends = self._parameters.end_ids
        for row, proposal in zip(rows, (*pending, None), strict=True):
            text.append(self.choose(row, text))
            if text[-1] != proposal or text[-1] in ends:
                break
        return text[len(before) :]

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

    def _unmasked(self, logits: NDArray[np.float64]) -> NDArray[np.int64]:
        """The ids that min_p, top_k and top_p leave, ascending. The law is softmax(logit / temperature)."""
        p = self._parameters
        with np.errstate(over="ignore"):  # close to temperature 0 all but the best are infinitely far from it
            scaled = (logits - logits.max()) / p.temperature
        ids: NDArray[np.int64] = np.flatnonzero(scaled >= (np.log(p.min_p) if p.min_p > 0 else -np.inf))
        ids = ids[np.isfinite(scaled[ids])]
        if p.top_k == 0 and p.top_p == 1:
            return ids
        order: NDArray[np.int64] = ids[np.argsort(-logits[ids], kind="stable")]  # by (logit descending, id ascending)
        if p.top_k:
            order = order[: p.top_k]
        if p.top_p < 1:
            mass = np.exp(scaled[order])
            before = np.concatenate(([0.0], np.cumsum(mass)[:-1]))
            order = order[before < p.top_p * mass.sum()]
        order.sort()
        return order
