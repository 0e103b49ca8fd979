"""One cell of the table: a method, a link and a temperature, measured on the wall clock or replayed on a virtual one.

Guarantees: what is written as a line of JSON is read back as the same value; a line that is not a cell is refused by
name. Both clocks write the same lines, so that one report reads both. None: this method, or this clock, has no such
figure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from benchmarks.speed.pairs import Estimate
from benchmarks.table.made import made_of
from benchmarks.table.methods import METHOD_NAMES, MethodName
from shared.errors import InvalidValue


class Clock(StrEnum):
    """What the seconds of a cell are."""

    WALL = "wall"
    VIRTUAL = "virtual"


class Exact(StrEnum):
    """What an answer owes the target.

    IDS: it is the target's own answer, compared id for id. LAW: it is drawn from the target's law, and which answer of
    that law it is depends on the draft (`rejection` above temperature 0). LOSSY: nobody compared some of its tokens.
    DRAFT: the draft's own answer.
    """

    IDS = "ids"
    LAW = "law"
    LOSSY = "lossy"
    DRAFT = "draft"


@dataclass(frozen=True)
class LinkShape:
    """An emulated link. `loss`: share of packets."""

    name: str
    round_trip_ms: float
    mbit: float
    loss: float = 0.0


@dataclass(frozen=True)
class Costs:
    """What the models cost. `steps_ms[n - 1]`: a target step over n tokens; `curve_seen`: from how many steps.

    `message_ms`: of a step, that each word of a device costs the edge beside its forward. `step_alone_ms`: a step of
    the target alone. `lead_ms`: from when the device could draft to when the edge said the first token; 0 if unknown.
    """

    step_alone_ms: float
    draft_ms: float
    steps_ms: tuple[float, ...] = ()
    curve_seen: int = 0
    message_ms: float = 0.0
    lead_ms: float = 0.0


@dataclass(frozen=True)
class Sent:
    """Bytes for 1024 tokens of the answer: of one kind of message, in one direction."""

    direction: str  # "up" or "down", as the ledger says
    kind: str  # as the ledger says; "image_chunk" is the picture
    payload: float
    framed: float


@dataclass(frozen=True)
class Cell:
    """One method on one link at one temperature. Rates and times are medians over answers unless told.

    `setting`: what the models cost, in words; wall and virtual cells that bear the same one are compared, so a replay
    of a wall run bears the wall's.
    `answers`: how many questions, each asked this way and of the target alone. `tokens`: of all their answers.
    `ratio`: tokens a second after the first token, of those of the target alone, in pairs, with its 95 % interval.
    `inter_token_p50_ms`, `p99`: between tokens of one answer, over all answers; tokens of one commit come together.
    `accepted_per_step`, `passes_per_token`, `target_tokens_per_token`: the last is tokens that went through the target
    after the prompt, for each that it emitted; a gated answer counts its unverified tokens too, for they go through.
    `accuracy`: share of answers that are right. `agreement`: share of answers that are the target's own, id for id.
    `differing`: answers that are not. `unverified`: share of tokens that nobody compared; None unless lossy.
    `device_seconds`: of processor time for a token. `device_joules`: where the machine tells, the part of what it used
    that the device had in its processor time.
    """

    clock: Clock
    setting: str
    method: MethodName
    link: LinkShape
    temperature: float
    data: str
    exact: Exact
    answers: int
    tokens: int
    costs: Costs
    tokens_per_second: float
    ratio: Estimate
    first_token_ms: float | None = None
    inter_token_p50_ms: float | None = None
    inter_token_p99_ms: float | None = None
    accepted_per_step: float | None = None
    passes_per_token: float | None = None
    target_tokens_per_token: float | None = None
    sent: tuple[Sent, ...] = ()
    accuracy: float | None = None
    agreement: float | None = None
    differing: int = 0
    unverified: float | None = None
    corrections: int | None = None
    foreseen: int | None = None
    device_seconds: float | None = None
    device_joules: float | None = None
    draft_agreement: float | None = None
    """Share of the target's own tokens that the draft would have said."""
    first_token_ratio: Estimate | None = None
    """Time to the first token, by that of the target alone, in the same pairs as `ratio`."""

    @property
    def key(self) -> tuple[str, str, str, float, str]:
        """What two clocks must have in common to be compared."""
        return self.setting, self.method, self.link.name, self.temperature, self.data

    @property
    def payload(self) -> float:
        """Bytes of payload both ways beside the picture, for 1024 tokens."""
        return sum(each.payload for each in self.sent if each.kind != "image_chunk")

    @property
    def framed(self) -> float:
        """The same with gRPC's and HTTP/2's frames."""
        return sum(each.framed for each in self.sent if each.kind != "image_chunk")

    def as_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))


def cell_of(values: Mapping[str, Any]) -> Cell:
    """A cell from plain values. Raises InvalidValue for what is none."""
    known = {field.name for field in fields(Cell)}
    if unknown := sorted(set(values) - known):
        raise InvalidValue("cell", unknown, "has fields that no cell has")
    if values.get("method") not in METHOD_NAMES:
        raise InvalidValue("cell method", values.get("method"), f"must be one of {', '.join(METHOD_NAMES)}")
    plain = dict(values)
    try:
        plain["clock"], plain["exact"] = Clock(plain["clock"]), Exact(plain["exact"])
        plain["link"], plain["ratio"] = LinkShape(**plain["link"]), Estimate(**plain["ratio"])
        if plain.get("first_token_ratio") is not None:
            plain["first_token_ratio"] = Estimate(**plain["first_token_ratio"])
        costs = dict(plain["costs"])
        plain["costs"] = Costs(**{**costs, "steps_ms": tuple(costs.get("steps_ms", ()))})
        plain["sent"] = tuple(Sent(**each) for each in plain.get("sent", ()))
        return Cell(**plain)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidValue("cell", str(error), "is not what a cell holds") from error


def read_cells(file: Path) -> list[Cell]:
    """The cells of a file of JSON lines; of cells with the same key and clock the last. What says what made them is
    passed over. Raises InvalidValue."""
    found: dict[object, Cell] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            values = json.loads(line)
            if made_of(values) is not None:
                continue
            cell = cell_of(values)
        except (json.JSONDecodeError, AttributeError, InvalidValue) as error:
            raise InvalidValue(f"{file}:{number}", line[:60], f"is not a cell: {error}") from error
        found.pop((cell.clock, cell.key), None)
        found[cell.clock, cell.key] = cell
    return list(found.values())


def append_cells(file: Path, cells: Iterable[Cell]) -> None:
    """Write them behind what is there."""
    with file.open("a", encoding="utf-8") as opened:
        opened.writelines(cell.as_json() + "\n" for cell in cells)
