"""The messages of a running answer, value <-> protobuf: the few microseconds that every window costs.

Checked here is what one message and the edge's limits can show. Whether it follows from the messages before it (seen,
base, start, the window) only a conversation knows.
"""

from __future__ import annotations

import math

from shared.errors import InvalidValue
from shared.speculation.messages import Commit, Finish, Finished, Propose, Timings, Yield
from shared.wire import checks
from shared.wire.codec_enums import REASONS, decode_device_reason, decode_edge_reason
from shared.wire.codec_laws import decode_evidence, decode_residual, encode_residual
from shared.wire.handshake import Drain, Limits
from shared.wire.v1 import verify_pb2 as pb

LONGEST_US = 2**32 - 1  # an hour and more: a longer time is told as this


def encode_propose(propose: Propose) -> pb.Propose:
    """`propose`."""
    return pb.Propose(
        seen=propose.seen,
        base=propose.base,
        ids=propose.ids,
        given=propose.given,
        draft_probability=propose.draft_probability,
        parents=propose.parents,
        laws=[pb.SparseLaw(ids=law.ids, counts=law.counts) for law in propose.laws],
        rows=propose.rows,
        closed=propose.closed,
    )


def decode_propose(message: pb.Propose, limits: Limits) -> Propose:
    """A guess of at most max_window ids."""
    ids = checks.ids("propose.ids", message.ids, limits.max_window)
    given = message.given
    if given >> len(ids):
        rule = f"must be below {2 ** len(ids)}: one bit for each of {len(ids)} ids"
        raise InvalidValue("propose.given", given, rule)
    plain = not (message.draft_probability or message.laws or message.rows)
    return Propose(
        seen=checks.position("propose.seen", message.seen),
        base=checks.position("propose.base", message.base),
        ids=ids,
        given=given,
        parents=_decode_parents(message, len(ids)) if message.parents else (),
        closed=message.closed,
        **({} if plain else decode_evidence(message, len(ids) - given.bit_count())),
    )


def encode_yield(message: Yield) -> pb.Yield:
    """`message`."""
    return pb.Yield(on=message.on)


def decode_yield(message: pb.Yield) -> Yield:
    """Whether the edge should step without proposals."""
    return Yield(message.on)


def encode_finish(finish: Finish) -> pb.Finish:
    """`finish`."""
    return pb.Finish(reason=REASONS[finish.reason])


def decode_finish(message: pb.Finish) -> Finish:
    """The device's last word: CANCELLED or DONE."""
    return Finish(decode_device_reason("finish.reason", message.reason))


def encode_commit(commit: Commit) -> pb.Commit:
    """`commit`."""
    return pb.Commit(
        start=commit.start,
        ids=commit.ids,
        accepted=commit.accepted,
        heard=commit.heard,
        admitted=commit.admitted,  # None leaves the field unset
        timings=None if commit.timings is None else _encode_timings(commit.timings),
        log_probabilities=commit.log_probabilities,
        residual=None if commit.residual is None else encode_residual(commit.residual),
        lossy=commit.lossy,
    )


def _encode_timings(timings: Timings) -> pb.Timings:
    return pb.Timings(step_us=min(timings.step_us, LONGEST_US), held_us=min(timings.held_us, LONGEST_US))


def decode_commit(message: pb.Commit, limits: Limits) -> Commit:
    """A growth of the text inside the context."""
    ids = checks.ids("commit.ids", message.ids, limits.context_length)
    start = message.start
    if start + len(ids) > limits.context_length:
        rule = f"with {len(ids)} ids must not go beyond the context of {limits.context_length} tokens"
        raise InvalidValue("commit.start", start, rule)
    timings = Timings(message.timings.step_us, message.timings.held_us) if message.HasField("timings") else None
    return Commit(
        start=start,
        ids=ids,
        accepted=_decode_accepted(message, len(ids)) if message.accepted else (),
        heard=message.heard,
        admitted=checks.position("commit.admitted", message.admitted) if message.HasField("admitted") else None,
        timings=timings,
        log_probabilities=_decode_log_probabilities(message, len(ids)) if message.log_probabilities else (),
        residual=decode_residual(message.residual) if message.HasField("residual") else None,
        lossy=checks.within("commit.lossy", message.lossy, 0, len(ids)),
    )


def encode_finished(finished: Finished) -> pb.Finished:
    """`finished`."""
    return pb.Finished(reason=REASONS[finished.reason], length=finished.length)


def decode_finished(message: pb.Finished, limits: Limits) -> Finished:
    """The edge's last word: why the text ended, or that the device's wish was heard."""
    return Finished(
        reason=decode_edge_reason("finished.reason", message.reason),
        length=checks.within("finished.length", message.length, 0, limits.context_length),
    )


def encode_drain(drain: Drain) -> pb.Drain:
    """`drain`."""
    return pb.Drain(seconds=drain.seconds, length=drain.length)


def decode_drain(message: pb.Drain) -> Drain:
    """How long streams stay open, and how far the edge has come."""
    length = checks.position("drain.length", message.length)
    return Drain(checks.position("drain.seconds", message.seconds), length)


def _decode_parents(message: pb.Propose, count: int) -> tuple[int, ...]:
    """One for each id: 0, or one of those held before it, of which there are base - seen before the first."""
    parents = tuple(message.parents)
    checks.one_each("propose.parents", parents, count)
    held = max(0, message.base - message.seen)
    for at, parent in enumerate(parents):
        checks.within(f"propose.parents[{at}]", parent, 0, held + at)
    return parents


def _decode_log_probabilities(message: pb.Commit, count: int) -> tuple[float, ...]:
    """One for each id, finite."""
    told = tuple(message.log_probabilities)
    checks.one_each("commit.log_probabilities", told, count)
    for at, value in enumerate(told):
        if not -math.inf < value <= 0.0:  # also refuses NaN
            raise InvalidValue(f"commit.log_probabilities[{at}]", value, "must be finite and at most 0")
    return told


def _decode_accepted(message: pb.Commit, count: int) -> tuple[int, ...]:
    """One count for each step. A step's ids are its accepted proposals and one more, which only the last may lack."""
    accepted = tuple(message.accepted)
    most = sum(accepted) + len(accepted)
    if not most - 1 <= count <= most:
        told = checks.Shown(f"{sum(accepted)} proposals in {len(accepted)} steps")
        raise InvalidValue("commit.accepted", told, f"makes {most - 1} or {most} ids; there are {count}")
    return accepted
