"""The laws of the rule rejection, value <-> protobuf: what goes up with proposals, and the row that comes down.

Checked here is what one message can show; whether a law is one over the target's ids only a conversation knows.
"""

from __future__ import annotations

from typing import TypedDict

from shared.errors import InvalidValue
from shared.speculation.laws import GRAIN
from shared.speculation.messages import ResidualRow, SparseLaw
from shared.wire import checks
from shared.wire.v1 import verify_pb2 as pb

MAX_LAW_IDS = 4096  # of a sparse law: one that has more is better sent whole


class Evidence(TypedDict, total=False):
    """The fields of a Propose that carry it."""

    draft_probability: tuple[float, ...]
    laws: tuple[SparseLaw, ...]
    rows: tuple[bytes, ...]


def decode_evidence(message: pb.Propose, judged: int) -> Evidence:
    """What goes with the proposals, of which `judged` are not given. Whether it is what the session agreed on is not
    known here.
    """
    laws, rows = message.laws, tuple(message.rows)
    if laws:
        checks.one_each("propose.laws", laws, judged)
    if rows:
        checks.one_each("propose.rows", rows, judged)
    return Evidence(
        draft_probability=_probabilities(message, judged) if message.draft_probability else (),
        laws=tuple(_law(f"propose.laws[{at}]", law) for at, law in enumerate(laws)),
        rows=rows,
    )


def encode_residual(row: ResidualRow) -> pb.ResidualRow:
    """`row`."""
    return pb.ResidualRow(ids=row.ids, probabilities=row.probabilities, partial=row.partial)


def decode_residual(message: pb.ResidualRow) -> ResidualRow:
    """A row of at least one id, ascending, each with mass."""
    ids = _ascending("commit.residual.ids", tuple(message.ids))
    chances = tuple(message.probabilities)
    checks.one_each("commit.residual.probabilities", chances, len(ids))
    _check_chances("commit.residual.probabilities", chances)
    return ResidualRow(ids, chances, message.partial)


def _probabilities(message: pb.Propose, judged: int) -> tuple[float, ...]:
    """One for each id that is judged. 0 is refused: the draft could not have drawn such an id."""
    drawn = tuple(message.draft_probability)
    checks.one_each("propose.draft_probability", drawn, judged)
    _check_chances("propose.draft_probability", drawn)
    for at, value in enumerate(drawn):
        if not (value * GRAIN).is_integer():  # no draw in whole numbers has such a chance
            raise InvalidValue(f"propose.draft_probability[{at}]", value, f"must be a whole number over {GRAIN}")
    return drawn


def _check_chances(field: str, chances: tuple[float, ...]) -> None:
    for at, value in enumerate(chances):
        if not 0.0 < value <= 1.0:  # also refuses NaN
            raise InvalidValue(f"{field}[{at}]", value, "must be above 0 and at most 1")


def _law(where: str, message: pb.SparseLaw) -> SparseLaw:
    checks.at_most(f"{where}.ids", message.ids, MAX_LAW_IDS, "ids")
    ids, counts = _ascending(f"{where}.ids", tuple(message.ids)), tuple(message.counts)
    checks.one_each(f"{where}.counts", counts, len(ids))
    whole = sum(counts)
    if not all(counts) or whole > GRAIN or whole & (whole - 1):
        told = checks.Shown(f"a sum of {whole}" if all(counts) else "0 at an id")
        raise InvalidValue(f"{where}.counts", told, f"must be above 0 and sum to a power of two, at most {GRAIN}")
    return SparseLaw(ids, counts)


def _ascending(field: str, ids: tuple[int, ...]) -> tuple[int, ...]:
    if not ids:
        raise InvalidValue(field, checks.Shown("empty"), "must hold at least one id")
    checks.position(field, ids[-1])
    if ids != tuple(sorted(set(ids))):  # a look at each pair takes three times as long
        raise InvalidValue(field, checks.Shown(f"{len(ids)} ids"), "must ascend")
    return ids
