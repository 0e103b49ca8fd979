"""How long an edge may be silent before it is asked for a sign of life, and how long that may take.

Pure: what was measured is an argument. An edge may rightly be silent for long: it waits for proposals or for an
acknowledgement, or takes a long step. So silence alone condemns nobody; an unanswered question does.
"""

from __future__ import annotations

from dataclasses import dataclass

HELLO_SECONDS = 3.0  # to connect, and to hear that the stream has come: not less than two round trips and a lost packet
_SHORTEST_QUIET, _LONGEST_QUIET = (
    0.25,
    10.0,
)  # 10 s keeps a stream alive at proxies that cut idle ones, after 60 s often
_SIGNS = 3  # that may be late: a picture fills the link meanwhile
_STEPS = 3  # an edge that commits at each step is late after so many
_SHORTEST_REPLY, _ROUND_TRIPS = 1.0, 5  # a lost packet of a thin stream costs TCP up to about 0.9 s


@dataclass(frozen=True, slots=True)
class Tempo:
    """What was measured of the edge. `step`: seconds of its last step, 0: not known; `round_trip`: None: not known."""

    step: float = 0.0
    round_trip: float | None = None


def hello_seconds(tempo: Tempo) -> float:
    """How long a new stream may take to be accepted."""
    return max(HELLO_SECONDS, _ROUND_TRIPS * (tempo.round_trip or 0.0))


def unasked_seconds(tempo: Tempo, signs: float) -> float:
    """How long nothing may come from an edge that gives a sign of life unasked, one every `signs` seconds."""
    return _SIGNS * signs + reply_seconds(tempo)


def quiet_seconds(tempo: Tempo, answered: int) -> float:
    """How long nothing may come before the edge is asked, if it has `answered` so often and said nothing else since.

    Each answer doubles it: who waits for a person, or for a draft, is not asked four times a second.
    """
    return min(_LONGEST_QUIET, max(_SHORTEST_QUIET, _STEPS * tempo.step) * 2.0 ** min(answered, 16))


def reply_seconds(tempo: Tempo) -> float:
    """How long the answer may take: it waits for no step."""
    return max(_SHORTEST_REPLY, _ROUND_TRIPS * (tempo.round_trip or 0.0))
