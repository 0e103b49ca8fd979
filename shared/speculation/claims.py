"""What goes with proposals on their way up, and the door where the edge checks it.

Guarantees: a proposal that is judged by the rule rejection has just the evidence that the session agreed on, and could
have been drawn from the law that is told; else it is refused with the field, the value and the limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shared.errors import InvalidValue, OutOfStep, Unsupported
from shared.speculation.laws import GRAIN
from shared.speculation.messages import Claim, Evidence, Judging, Propose, Rule, SparseLaw

_FIELDS = {
    Evidence.SCALAR: "draft_probability",
    Evidence.SPARSE: "laws",
    Evidence.DENSE: "rows",
}


def marked(propose: Propose, claims: Sequence[Claim]) -> Propose:
    """`propose` with the claims of its ids."""
    return replace(
        propose,
        given=sum(claim.given << place for place, claim in enumerate(claims)),
        draft_probability=tuple(claim.probability for claim in claims if claim.probability is not None),
        laws=tuple(claim.law for claim in claims if isinstance(claim.law, SparseLaw)),
        rows=tuple(claim.law for claim in claims if isinstance(claim.law, bytes)),
    )


def refuse_marks(propose: Propose) -> None:
    """A plain session's proposals are ids and nothing else. Raises Unsupported."""
    if propose.given or propose.closed or propose.draft_probability or propose.laws or propose.rows:
        name = next(name for name in ("given", "closed", *_FIELDS.values()) if getattr(propose, name))
        raise Unsupported(f"propose.{name} is set: this session compares ids, by the rule coupled and without a gate")


def claims_of(propose: Propose, judging: Judging, rows: int, *, correcting: bool) -> tuple[Claim, ...]:
    """What the proposals claim: one for each. `rows`: width of the target's row.

    `correcting`: the edge waits for a correction and this is it. Raises InvalidValue, OutOfStep, Unsupported.
    """
    given = [bool(propose.given >> place & 1) for place in range(len(propose.ids))]
    if not judging.lossy and any(given[correcting:]):
        raise OutOfStep("propose.given is set for an id that is no correction, and this session is not lossy")
    judged = [token for token, free in zip(propose.ids, given, strict=True) if not free]
    _check_evidence(propose, judging, len(judged))
    match judging.rule, judging.evidence:
        case Rule.REJECTION, Evidence.SCALAR:
            evidence = [Claim(probability=value) for value in propose.draft_probability]
        case Rule.REJECTION, Evidence.SPARSE:
            pairs = zip(propose.laws, judged, strict=True)
            evidence = [Claim(law=_sparse(at, law, token, rows)) for at, (law, token) in enumerate(pairs)]
        case Rule.REJECTION, Evidence.DENSE:
            lines = zip(propose.rows, judged, strict=True)
            evidence = [Claim(law=_dense(at, row, token, rows)) for at, (row, token) in enumerate(lines)]
        case _:
            evidence = [Claim()] * len(judged)
    left = iter(evidence)
    return tuple(
        Claim(given=True, corrects=correcting and place == 0) if free else next(left)
        for place, free in enumerate(given)
    )


def _check_evidence(propose: Propose, judging: Judging, count: int) -> None:
    """Each kind of evidence in its field, and nothing in the others."""
    if judging.rule is Rule.COUPLED and propose.closed:
        raise Unsupported("propose.closed is set: by the rule coupled each step adds a token of the target's own")
    wanted = _FIELDS.get(judging.evidence) if judging.rule is Rule.REJECTION else None
    for name in _FIELDS.values():
        told, needed = len(getattr(propose, name)), count if name == wanted else 0
        if told != needed:
            rule = f"must be {needed}: by the rule {judging.rule.value}"
            if judging.rule is Rule.REJECTION:
                rule += f" with evidence {judging.evidence.value}"
            raise InvalidValue(f"propose.{name}", f"{told} entries", rule)


def _sparse(at: int, law: SparseLaw, token: int, rows: int) -> SparseLaw:
    if law.ids[-1] >= rows:
        raise InvalidValue(f"propose.laws[{at}].ids", law.ids[-1], f"the target's ids are below {rows}")
    if token not in law.ids:
        raise InvalidValue(f"propose.laws[{at}].ids", f"{len(law.ids)} ids", f"must hold the proposal, {token}")
    return law


def _dense(at: int, row: bytes, token: int, rows: int) -> bytes:
    field = f"propose.rows[{at}]"
    if len(row) % 4 or not 4 * token < len(row) <= 4 * rows:
        rule = f"must be float32 for each id of the draft, of which there are {token + 1} to {rows}"
        raise InvalidValue(field, f"{len(row)} bytes", rule)
    counts = np.frombuffer(row, "<f4").astype(np.float64) * GRAIN
    if not (counts >= 0).all() or (counts != np.rint(counts)).any() or counts.sum() != GRAIN:  # also refuses NaN
        raise InvalidValue(field, "a row", f"must be whole numbers over {GRAIN} that sum to 1")
    if counts[token] == 0:
        raise InvalidValue(field, "a row", f"must have mass at the proposal, {token}")
    return row
