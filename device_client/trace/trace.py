"""Watches one answer: notes when its device does what, and takes what the edge tells of itself.

Guarantees: it only appends while the answer runs; all that is made of it is made afterwards (`timeline`). Told on the
event loop and on the draft's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, time
from typing import TypeAlias

from device_client.trace.offset import Offset
from shared.speculation.messages import Commit, Finished, Propose
from shared.speculation.traced import Span, Traced
from shared.wire.codec import FromEdge
from shared.wire.handshake import Opened, Queued

MOST = 500_000  # notes of each kind: a file that a browser can still open, and a bound on what an edge can make us hold

Told: TypeAlias = Propose | Opened | Queued | Commit | Finished


@dataclass
class EdgeSide:
    """One edge's account of the answer, on its own clock. Another session may be another machine."""

    session: bytes
    offset: Offset = field(default_factory=Offset)
    spans: list[Span] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stage:
    """What the draft's thread did in `[begin, end)` of the device's clock."""

    name: str
    begin: float
    end: float


@dataclass
class Trace:
    """The notes of one answer. `began` and all times: seconds of `clock`; `date`: the same moment since 1970."""

    clock: Callable[[], float] = monotonic
    stages: list[Stage] = field(default_factory=list)
    told: list[tuple[float, Told]] = field(default_factory=list)  # proposals that went out, and what came
    edges: list[EdgeSide] = field(default_factory=list)
    ended: float | None = None
    request: str = ""  # the answer's name in the logs of both ends

    def __post_init__(self) -> None:
        self.began = self.clock()
        self.date = time()
        self._stage: tuple[str, float] | None = None
        self._sent: list[float] = []  # when each Propose of this stream was posted
        self._stream = self.began  # when this stream's first word was posted

    def begins(self, stage: str) -> None:
        """The draft's thread turns to `stage` now; "": to nothing."""
        now = self.clock()
        if self._stage is not None and len(self.stages) < MOST:
            self.stages.append(Stage(*self._stage, now))
        self._stage = (stage, now) if stage else None

    def drafted(self, begin: float, end: float) -> None:
        """A token was drafted."""
        if len(self.stages) < MOST:
            self.stages.append(Stage("draft token", begin, end))

    def streams(self) -> None:
        """A stream begins: the edge counts its proposes from none."""
        self._sent.clear()
        self._stream = self.clock()

    def proposed(self, propose: Propose) -> None:
        """A Propose was posted."""
        now = self.clock()
        self._sent.append(now)
        self._note(now, propose)

    def heard(self, message: FromEdge) -> None:
        """The edge has said something."""
        now = self.clock()
        match message:
            case Traced():
                self._hear(message, now)
            case Opened():
                if not self.edges or self.edges[-1].session != message.session:
                    self.edges.append(EdgeSide(message.session))
                self._note(now, message)
            case Queued() | Commit() | Finished():
                self._note(now, message)
            case _:
                pass

    def ends(self) -> None:
        """The answer is over, one way or another."""
        if self.ended is None:
            self.begins("")
            self.ended = self.clock()

    def _note(self, now: float, told: Told) -> None:
        if len(self.told) < MOST:
            self.told.append((now, told))

    def _hear(self, traced: Traced, now: float) -> None:
        if not self.edges:  # before Opened nothing was asked of it
            return
        edge = self.edges[-1]
        edge.offset.said(traced.said_us / 1e6, now)
        if 0 < traced.heard <= len(self._sent):
            edge.offset.heard(self._sent[traced.heard - 1], traced.heard_us / 1e6)
        elif not edge.spans and traced.spans:  # the edge did nothing for us before we said the first word
            edge.offset.heard(self._stream, traced.spans[0].begin_us / 1e6)
        if len(edge.spans) < MOST:
            edge.spans.extend(traced.spans)
