"""Traces: what a target said, and at each place of it what the draft would go on to say by itself.

What was never drafted cannot be invented; so each place has the draft's own continuation as deep as a window, and that
behind its second-best token, for branches. Where the text of a device strays in a way that was not recorded (a branch
of a dead branch, say), the nearest place stands in; such a token never stands, only its confidence is borrowed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from benchmarks.held_out import held_out
from device_client.answer import Question
from device_client.draft.drafter import Drafter
from device_client.reduce import Reducer
from shared.demo.pair import draft_folder, target_folder
from shared.speculation.coupled import Choice, Chooser
from shared.speculation.ending import Ending
from shared.speculation.messages import agreement
from shared.speculation.prints import CommonIds
from shared.speculation.request import SamplingWish, resolve
from shared.vlm.load import load
from shared.vlm.port import Vlm
from shared.vlm.single import extend, prefill

DEPTH = 16  # of a continuation
BRANCH = 8  # of one behind a second-best token
KINDS = ("describe", "describe", "board", "list", "describe", "relation")
FIRST = 7_000_000  # scenes apart from those of other measurements
MOST_TOKENS = 300


Recording = Callable[[Vlm, Vlm, Question, int], "Trace"]  # target, draft, what is asked, seed


@dataclass(frozen=True)
class Trace:
    """`ahead[t]`: the draft's continuation of ids[:t]; `aside[t]`: of that and its second-best token if it is wrong.

    `given[t][n]`: a lossy gate lets ahead[t][n] through; () if nothing is.
    """

    ids: tuple[int, ...]
    ahead: tuple[tuple[Choice, ...], ...]
    aside: tuple[tuple[Choice, ...], ...]
    given: tuple[tuple[bool, ...], ...] = ()

    @property
    def agreement(self) -> float:
        """Share of tokens that the draft would have said."""
        return sum(place[0].token == token for place, token in zip(self.ahead, self.ids, strict=True)) / len(self.ids)

    def choice(self, text: Sequence[int]) -> Choice:
        """What the draft says after `text`."""
        place, behind = self._place(text)
        return place[behind]

    def lets_through(self, text: Sequence[int]) -> bool:
        """Whether the gate lets through what the draft says after `text`."""
        strays = min(agreement(text, self.ids), len(self.ids) - 1)
        behind = len(text) - strays
        return bool(self.given) and behind < len(self.given[strays]) and self.given[strays][behind]

    def _place(self, text: Sequence[int]) -> tuple[tuple[Choice, ...], int]:
        strays = min(agreement(text, self.ids), len(self.ids) - 1)  # behind the end nothing counts
        if strays == len(text):
            return self.ahead[strays], 0
        first, behind = self.ahead[strays][0], len(text) - strays
        if text[strays] == first.token:
            place = self.ahead[strays]
        elif text[strays] == first.runner_up and self.aside[strays]:
            place, behind = self.aside[strays], behind - 1
        else:
            place = self.ahead[min(strays + behind, len(self.ids) - 1)]
            behind = 0
        return place, min(behind, len(place) - 1)

    def as_json(self) -> str:
        """One line."""
        places = [[[astuple(choice) for choice in place] for place in some] for some in (self.ahead, self.aside)]
        return json.dumps([self.ids, *places, self.given])

    @classmethod
    def from_json(cls, line: str) -> Trace:
        """The same again."""
        ids, ahead, aside, *rest = json.loads(line)
        given = rest[0] if rest else []  # traces of old have none
        says, astray = (tuple(tuple(Choice(*choice) for choice in place) for place in some) for some in (ahead, aside))
        return cls(tuple(ids), says, astray, tuple(tuple(place) for place in given))


def record(count: int, temperature: float, first: int = 0, one: Recording | None = None) -> Iterator[Trace]:
    """Traces of the embedded pair over held-out scenes. `one` makes them; None: `recorded`."""
    target, draft = load(str(target_folder())), load(str(draft_folder()))
    for number in range(first, first + count):
        wish = SamplingWish(temperature=temperature, max_tokens=MOST_TOKENS)
        question = held_out(FIRST + number, KINDS[number % len(KINDS)], wish)
        yield (one or recorded)(target, draft, question, number)


def recorded(target: Vlm, draft: Vlm, question: Question, seed: int, reducer: Reducer | None = None) -> Trace:
    """One answer by the coupled rule. `reducer`: chooses the visual tokens that enter the draft; None: all do."""
    prompt = target.prepare(question.messages, question.images)
    parameters = resolve(question.sampling, target.info.defaults, target.info.context_length - len(prompt.ids), seed)
    chooser, ending = Chooser(parameters, prompt.ids), Ending(parameters, target.tokenizer.decode)
    decoder, rows = prefill(target, prompt, target.see(prompt))
    ids = [chooser.choose(rows[-1], [])]
    while ending.push(ids[-1]) is None:
        ids.append(chooser.choose(extend(target, decoder, ids[-1:])[-1], ids))
    drafter = Drafter(draft, question.messages, question.images, reducer=reducer)
    drafter.follow(parameters, CommonIds.below(draft.info.rows), draft.info.placeholder_ids)
    ahead: list[tuple[Choice, ...]] = []
    aside: list[tuple[Choice, ...]] = []
    for place, token in enumerate(ids):
        agreed = place and ahead[-1][0].token == ids[place - 1]
        known = ahead[-1][1:] if agreed else ()
        ahead.append(continued(drafter.weigh, ids[:place], known, DEPTH))
        second = ahead[-1][0].runner_up
        strays = second is not None and second != token
        astray = continued(drafter.weigh, [*ids[:place], second], (), BRANCH) if second is not None and strays else ()
        aside.append(astray)
    return Trace(tuple(ids), tuple(ahead), tuple(aside))


def continued(
    says: Callable[[list[int]], Choice], text: Sequence[int], known: Sequence[Choice], depth: int
) -> tuple[Choice, ...]:
    """What a draft goes on to say by itself after `text`; the first of it is `known`."""
    choices = list(known)
    while len(choices) < depth:
        choices.append(says([*text, *(choice.token for choice in choices)]))
    return tuple(choices)


def kept(file: Path) -> list[Trace]:
    """The traces of a file."""
    return [Trace.from_json(line) for line in file.read_text(encoding="utf-8").splitlines()]
