"""One stream as seen from outside: who asks, how much passes, how it ends. For limits, the log and the metrics.

Guarantees: it keeps numbers and names of things, nothing of what was asked or answered. Times are seconds of `clock`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from edge_server.allowance import UNIT, Allowance
from shared.errors import CovspecError
from shared.logs import Extra, facts
from shared.speculation.messages import Commit, Finished, Ping, Pong
from shared.wire.codec import FromDevice, FromEdge
from shared.wire.handshake import ImageChunk, Open, Opened, Queued, Resume


@dataclass
class Passed:
    """What went one way: messages and their payload bytes."""

    messages: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        """One more message."""
        self.messages += 1
        self.bytes += size


class Visit:
    """A stream named `request`, which may say `per_second` messages a second."""

    def __init__(self, request: str, per_second: float, clock: Callable[[], float] = monotonic) -> None:
        self.request = request
        self.tenant = ""
        self.begun = self.moved = clock()  # moved: when a word passed that was no mere sign of life
        self.first: type[FromDevice] | None = None  # of its messages: Open or Resume, if all is well
        self.client = ""
        self.up, self.down = Passed(), Passed()
        self.opened: Opened | None = None
        self.finished: Finished | None = None
        self.queue_seconds = 0.0
        self.first_token_seconds: float | None = None
        self.last_token_seconds = 0.0
        self.tokens = 0  # committed on this stream
        self.accepted = 0  # proposals among them
        self._queued_at: float | None = None
        self._allowance = Allowance(per_second, self.begun)
        self._clock = clock

    def heard(self, message: FromDevice, size: int) -> None:
        """The device has said `message` in `size` bytes. Raises Overloaded if it says too much."""
        now = self._clock()
        self.up.add(size)
        if not (isinstance(message, ImageChunk) and size >= UNIT):  # the pictures' own limits bound these
            self._allowance.take(size, now)
        if self.first is None:
            self.first = type(message)
            self.client = message.device.client if isinstance(message, Open) else ""
        if not isinstance(message, Ping):
            self.moved = now

    def said(self, message: FromEdge, size: int) -> None:
        """The edge has said `message` in `size` bytes."""
        now = self._clock()
        self.down.add(size)
        if isinstance(message, Pong):
            return
        self.moved = now
        match message:
            case Commit() if message.accepted:  # else a resume repeats what was said
                self._committed(message, now)
            case Queued() if self._queued_at is None:
                self._queued_at = now
            case Opened():
                self.opened = message
                self.queue_seconds = now - self._queued_at if self._queued_at is not None else 0.0
            case Finished():
                self.finished = message
            case _:
                pass

    @property
    def resumes(self) -> bool:
        """Whether it goes on with a session."""
        return self.first is Resume

    @property
    def seconds(self) -> float:
        """How old it is."""
        return self._clock() - self.begun

    @property
    def idle_seconds(self) -> float:
        """How long nothing has passed but signs of life."""
        return self._clock() - self.moved

    def told(self, outcome: str) -> Extra:
        """Its line in the log. `outcome`: see `outcome_of`."""
        opened, first = self.opened, self.first_token_seconds
        return facts(
            outcome=outcome,
            tenant=self.tenant or None,
            client=self.client or None,
            begun=None if self.first is None else self.first.__name__.lower(),
            seconds=round(self.seconds, 3),
            queue_seconds=round(self.queue_seconds, 3) or None,
            first_token_seconds=None if first is None else round(first, 3),
            prompt_tokens=None if opened is None else opened.prompt_tokens,
            visual_tokens=None if opened is None else opened.visual_tokens,
            tokens=self.tokens,
            accepted=self.accepted,
            bytes_up=self.up.bytes,
            bytes_down=self.down.bytes,
        )

    def _committed(self, commit: Commit, now: float) -> None:
        self.tokens += len(commit.ids)
        self.accepted += sum(commit.accepted)
        self.last_token_seconds = now - self.begun
        if self.first_token_seconds is None:
            self.first_token_seconds = self.last_token_seconds


def outcome_of(visit: Visit, refusal: CovspecError | None) -> str:
    """How a stream ended, in a word: why its answer was over, else the kind of refusal, else `left`."""
    if visit.finished is not None:
        return visit.finished.reason.value
    if refusal is not None:
        return next(kind.__name__ for kind in type(refusal).__mro__ if not kind.__name__.startswith("_"))
    return "left"
