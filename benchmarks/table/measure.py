"""Measures one link at one temperature: every question is asked by every method and of the target alone, in turn.

Guarantees: the answers to a question are asked one right after the other, in an order that moves on by one with each
question and turns round, so that a machine that slows down moves all alike and nobody always comes first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks.speed.ends import Ends
from benchmarks.table.methods import MethodName
from benchmarks.table.questions import Asked
from benchmarks.table.starting import ALONE, SHADOWED, beside

MOST_TOKENS = 300  # of an answer


@dataclass(frozen=True)
class Heard:
    """An answer as the device had it, and the edge's steps behind its prompt.

    `arrivals`: of each token, seconds after the question. `steps`: tokens that went in, and seconds; first and last
    chunk of the prompt are among them only if proposals went in with it, and then without their time. `cpu`,
    `joules`: the device's; the latter where the machine tells.
    """

    ids: tuple[int, ...]
    text: str
    arrivals: tuple[float, ...]
    cpu: float
    figures: Mapping[str, Any] | None
    steps: tuple[tuple[int, float | None], ...] = ()
    joules: float | None = None

    @property
    def decoding(self) -> float:
        """Seconds from the first token to the last."""
        return self.arrivals[-1] - self.arrivals[0]

    @property
    def rate(self) -> float:
        """Tokens a second after the first."""
        return (len(self.ids) - 1) / self.decoding


@dataclass(frozen=True)
class Block:
    """One question asked every way. `matches`: where the draft would have said the target's token."""

    asked: Asked
    heard: Mapping[str, Heard]
    matches: tuple[bool, ...]


@dataclass(frozen=True)
class Extent:
    """How much: so many questions, and no new one begins after so many seconds."""

    questions: int
    seconds: float


def ways(methods: Sequence[MethodName]) -> list[str]:
    """Every way that a question is asked, for these methods and what they are paired with."""
    return list(dict.fromkeys([ALONE, *(SHADOWED for each in methods if beside(each) == SHADOWED), *methods]))


def in_turns(names: Sequence[str], number: int) -> list[str]:
    """The order for the `number`-th question."""
    at = number // 2 % len(names)
    turned = [*names[at:], *names[:at]]
    return turned if number % 2 == 0 else turned[::-1]


def measured(
    ends: Ends, methods: Sequence[MethodName], temperature: float, asked: Iterator[Asked], extent: Extent
) -> list[Block]:
    """The first question only warms up what is new: connections, estimates."""
    names, blocks = ways(methods), []
    begin = monotonic()
    for number, question in enumerate(asked):
        if number > extent.questions or (number > 1 and monotonic() - begin > extent.seconds):
            break
        heard = {name: _hear(ends, name, question, temperature) for name in in_turns(names, number)}
        order = _order(question, temperature)
        told = _answered(ends.order(agree=heard[ALONE].ids, **order), question)
        if number:
            blocks.append(Block(question, heard, tuple(told["matches"])))
    return blocks


def _hear(ends: Ends, name: str, question: Asked, temperature: float) -> Heard:
    file = ends.events[name in (ALONE, SHADOWED)]
    mark = file.stat().st_size
    said = _answered(ends.order(way=name, **_order(question, temperature)), question)
    arrivals, ids, steps = tuple(said["arrivals"]), tuple(said["ids"]), tuple(_steps(file, mark))
    return Heard(ids, said["text"], arrivals, said["cpu"], said["figures"], steps, said["joules"])


def _order(question: Asked, temperature: float) -> dict[str, Any]:
    return {
        "pictures": [str(picture) for picture in question.pictures],
        "prompt": question.prompt,
        "temperature": temperature,
        "seed": question.number,
        "tokens": MOST_TOKENS,
    }


def _answered(said: Mapping[str, Any], question: Asked) -> Mapping[str, Any]:
    if "failed" in said:
        raise RuntimeError(f"{question}: {said['failed']}")
    return said


def _steps(file: Path, mark: int) -> Iterator[tuple[int, float | None]]:
    with file.open("rb") as opened:
        opened.seek(mark)
        for line in opened:
            event = json.loads(line)
            if event["output_tokens"]:
                yield event["output_tokens"], (None if event["prompt_tokens"] else event["seconds"])
