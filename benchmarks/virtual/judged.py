"""Traces of any way of drafting: through a pruner, judged by the rule rejection, past a lossy gate.

By the rule rejection, and past a gate, the text depends on the draft. It is made here as a device would make it that
hands over one token at a time: the draft draws, the gate takes or the target judges, a correction is drawn. Where
blocks end, a real edge adds a token of the target's own; that is of the same law, so a replay takes the trace's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from benchmarks.virtual.traces import DEPTH, Trace, continued, recorded
from device_client.answer import Question
from device_client.draft.drafter import Drafter
from device_client.draft.drawing import Drawing
from device_client.draft.gate import Gate
from device_client.presets import Setting
from device_client.prune.wish import parse_budget, parse_choice
from device_client.reduce import Reducer
from shared.speculation.coupled import Choice, Chooser
from shared.speculation.ending import Ending
from shared.speculation.laws import TargetLaw
from shared.speculation.marks import Mark
from shared.speculation.messages import Evidence, Judging, Rule
from shared.speculation.noise import Domain, word
from shared.speculation.prints import CommonIds
from shared.speculation.rejection import stands
from shared.speculation.request import resolve
from shared.speculation.residual import drawn
from shared.vlm.port import Vlm
from shared.vlm.single import extend, prefill


@dataclass(frozen=True)
class Way:
    """What of a preset makes its traces. `evidence` matters where the draw depends on it alone."""

    prune: str = "covspec"
    keep: str = "auto"
    rule: str = "coupled"
    evidence: str = "scalar"
    gate: float | None = None
    gate_rule: str = "margin"

    @classmethod
    def of(cls, settings: Mapping[str, Setting], temperature: float) -> Way:
        """That of a preset. A whole row and a scalar tell of the same draw; without noise there is none."""
        found = cls(**{name: settings[name] for name in cls.__dataclass_fields__ if name in settings})  # type: ignore[arg-type]
        if found.evidence == "dense":
            found = replace(found, evidence="scalar")
        return replace(found, rule="coupled") if temperature == 0 and found.gate is None else found

    @property
    def name(self) -> str:
        """Of its file."""
        gate = "" if self.gate is None else f"-{self.gate_rule}{self.gate:g}"
        return f"{self.prune}-{self.keep.rstrip('%')}-{self.rule}-{self.evidence}{gate}"

    @property
    def drawing(self) -> Drawing:
        """How the device draws."""
        judging = Judging(Rule(self.rule), Evidence(self.evidence), lossy=self.gate is not None)
        gate = None if self.gate is None else Gate(self.gate_rule, self.gate)  # type: ignore[arg-type]
        return Drawing(judging, gate)


def trace(target: Vlm, draft: Vlm, question: Question, seed: int, way: Way) -> Trace:
    """One answer."""
    reducer = Reducer(parse_choice(way.prune), parse_budget(way.keep))
    if way.drawing.judging.plain:
        return recorded(target, draft, question, seed, reducer)
    return _Judged(target, draft, question, seed, way.drawing, reducer).recorded()


class _Judged:
    """One answer in the making."""

    def __init__(
        self, target: Vlm, draft: Vlm, question: Question, seed: int, drawing: Drawing, reducer: Reducer
    ) -> None:
        prompt = target.prepare(question.messages, question.images)
        room = target.info.context_length - len(prompt.ids)
        parameters = resolve(question.sampling, target.info.defaults, room, seed)
        self._target, self._drawing = target, drawing
        self._chooser = Chooser(parameters, prompt.ids)
        self._ending = Ending(parameters, target.tokenizer.decode)
        self._decoder, rows = prefill(target, prompt, target.see(prompt))
        self._row: Tensor = rows[-1]
        self._drafter = Drafter(draft, question.messages, question.images, reducer=reducer)
        self._drafter.follow(parameters, CommonIds.below(draft.info.rows), draft.info.placeholder_ids)
        self._marks: dict[tuple[int, ...], Mark | None] = {}

    def recorded(self) -> Trace:
        """To its end."""
        text: list[int] = []
        ahead: list[tuple[Choice, ...]] = []
        given: list[tuple[bool, ...]] = []
        over = False
        while not over:
            known = ahead[-1][1:] if text and ahead[-1][0].token == text[-1] else ()
            place = continued(self._draw, text, known, DEPTH)
            ahead.append(place)
            marks = [self._mark([*text, *(choice.token for choice in place[:deep])]) for deep in range(DEPTH)]
            given.append(tuple(mark is not None and mark.claim.given for mark in marks))
            text.append(self._judged(place[0].token, marks[0], text))
            over = self._ending.push(text[-1]) is not None
            if not over:
                self._row = extend(self._target, self._decoder, text[-1:])[-1]
        return Trace(tuple(text), tuple(ahead), ((),) * len(text), tuple(given) if any(map(any, given)) else ())

    def _draw(self, text: list[int]) -> Choice:
        choice, self._marks[tuple(text)] = self._drafter.draw(text, self._drawing)
        return choice

    def _mark(self, text: list[int]) -> Mark | None:
        return self._marks[tuple(text)]

    def _judged(self, token: int, mark: Mark | None, text: list[int]) -> int:
        """The token after `text`, where the device proposes `token`. The first one is the target's own."""
        chooser, judging = self._chooser, self._drawing.judging
        if text and mark is not None and mark.claim.given:
            return token
        if not text or judging.rule is Rule.COUPLED or mark is None or mark.law is None:
            return chooser.choose(self._row, text)
        law, place = TargetLaw.rounded(*chooser.law(self._row, text)), len(text)
        bits = word(chooser.seed, place, Domain.ACCEPT)
        if stands(law.probability(token), float(mark.law.at(np.array([token]))[0]), bits):
            return token
        return drawn(law, mark.law, chooser.seed, place)
