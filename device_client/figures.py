"""What one answer cost: a recorder that is told what happens, and the figures it makes of that.

Times come from the caller's clock, in seconds; figures are in the unit that their name says. None: not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from device_client.draft.control import Taken
from device_client.flight import Flight
from device_client.trace.trace import Trace
from shared.speculation.messages import Commit
from shared.wire.ledger import Ledger, Traffic

LEAST_TOKENS, LEAST_SECONDS = 16, 0.2  # beyond the first 8, that a rate is told of: fewer may have come all at once
WARM_UP = 8  # tokens left out of the steady rate: they carry the prefill's and the pipeline's start


@dataclass(frozen=True)
class Figures:
    """The figures of one answer.

    `tokens_per_second` leaves out the first 8 tokens, `tokens_per_second_overall` counts from the question.
    `first_draft_ms`: from the question to the first token drafted.
    `accepted_per_step`: proposals that stood in a target step; `passes_per_token`: target steps for a token.
    `redrawn`: tokens that the device drew where the edge had rejected a proposal; they do not count as accepted.
    `lossy`: tokens that were taken without comparing; None: every token was the target's own.
    `drafted`: tokens that the draft chose; `thrown_away`: those of them that the target's text left no place for.
    `corrections`: drafted tokens in whose place the target said another, and, to a device that branches, those that it
    added behind a closed block; `foreseen`: those whose branch was ready.
    `beside`: tokens proposed beside the path, as a tree; `beside_stood`: those of them that the target said while the
    device's path went another way.
    """

    tokens: int
    seconds: float
    tokens_per_second: float | None
    tokens_per_second_overall: float
    first_token_ms: float | None
    first_draft_ms: float | None
    steps: int
    accepted_per_step: float | None
    passes_per_token: float | None
    drafted: int
    thrown_away: int
    corrections: int
    foreseen: int
    draft_ms: float | None
    step_ms: float | None
    rtt_ms: float | None
    reconnects: int
    traffic: Traffic
    redrawn: int = 0
    lossy: int | None = None
    beside: int = 0
    beside_stood: int = 0

    @property
    def loss(self) -> str | None:
        """What a result must say that is not the target's own; None if it is."""
        return None if self.lossy is None else f"lossy: {self.lossy} of {self.tokens} tokens unverified"

    @property
    def steady_rate(self) -> float | None:
        """`tokens_per_second`, if it was measured over enough tokens and time to mean something."""
        rate, steady = self.tokens_per_second, self.tokens - WARM_UP
        return rate if rate and steady >= LEAST_TOKENS and steady / rate >= LEAST_SECONDS else None

    @property
    def accepted(self) -> int:
        """Proposals that stood."""
        return round((self.accepted_per_step or 0.0) * self.steps)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values; bytes by direction and kind."""
        values = {name: value for name, value in asdict(self).items() if name != "traffic"}
        values["bytes"] = {
            direction: {
                entry.kind: {"messages": t.messages, "payload": t.payload, "framed": t.framed}
                for entry in self.traffic.entries
                if entry.direction.value == direction and (t := entry.tally)
            }
            for direction in ("up", "down")
        }
        return values

    def brief(self, columns: int | None = None) -> str:
        """The figures that a person wants of every answer, in one line of at most so many columns."""
        parts = [
            self.loss or "",
            f"{self.tokens} tokens" if self.tokens != 1 else "1 token",
            _said(self.steady_rate, "{:.0f} a second"),
            "" if self.first_token_ms is None else f"first after {self.first_token_ms / 1e3:.2f} s",
            f"draft supplied {self.accepted}",
            _said(self.rtt_ms, "link {:.0f} ms"),
            f"{self.reconnects} reconnects" if self.reconnects else "",
        ]
        told = [part for part in parts if part]
        while len(told) > 1 and columns is not None and len(" · ".join(told)) > columns:
            told.pop()
        return " · ".join(told)[:columns]

    def line(self) -> str:
        """All of them in one line."""
        beside = self.traffic.beside_pictures
        parts = [
            f"{self.tokens} tokens in {self.seconds:.2f} s",
            _said(self.steady_rate, "{:.1f} tok/s after the first 8"),
            _said(self.first_token_ms, "first token {:.0f} ms"),
            _said(self.accepted_per_step, "{:.2f} accepted per step"),
            _said(self.passes_per_token, "{:.2f} target passes per token"),
            f"{self.drafted} drafted, {self.thrown_away} thrown away",
            f"{self.foreseen} of {self.corrections} corrections foreseen" if self.corrections else "",
            f"{self.beside_stood} of {self.beside} proposed beside the path stood" if self.beside else "",
            _said(self.rtt_ms, "RTT {:.1f} ms"),
            _said(self.step_ms, "step {:.1f} ms"),
            _said(self.draft_ms, "draft {:.1f} ms"),
            f"picture {_size(self.traffic.kind('image_chunk').payload)}",
            f"beside it up {_size(beside.up.payload)} ({_size(beside.up.framed)} framed)",
            f"down {_size(beside.down.payload)} ({_size(beside.down.framed)} framed)",
        ]
        if self.loss is not None:
            parts.insert(0, self.loss)
        if self.reconnects:
            parts.append(f"{self.reconnects} reconnects")
        return " · ".join(part for part in parts if part)


@dataclass
class Recorder:
    """Gathers what happens during one answer. `begin`: when the question was asked. `trace`: if somebody wants one."""

    begin: float
    ledger: Ledger = field(default_factory=Ledger)
    flight: Flight = field(default_factory=Flight)
    trace: Trace | None = None
    reconnects: int = 0
    redrawn: int = 0
    lossy: int | None = None  # None until a gate is set, or the edge says that it took a token without comparing
    _arrivals: list[float] = field(default_factory=list)  # one per token
    _accepted: list[int] = field(default_factory=list)  # one per target step
    _stepped: int = 0  # tokens of those steps; what comes again after a break has none
    _steps: list[float] = field(default_factory=list)
    _drafts: list[float] = field(default_factory=list)
    _first_draft: float | None = None
    _drafted: int = 0
    _dropped: int = 0
    _corrected: int = 0
    _foreseen: int = 0
    _round_trips: list[float] = field(default_factory=list)

    @property
    def step_seconds(self) -> float:
        """A step of the target, as last told; 0 before."""
        return self.flight.step or 0.0

    def drafted(self, begin: float, now: float, tokens: int = 1) -> None:
        """A draft forward over so many tokens ran from `begin` to `now`."""
        self._drafts.append(now - begin)
        self._drafted += tokens
        if self.trace is not None:
            self.trace.drafted(begin, now)
        if self._first_draft is None:
            self._first_draft = now

    def begins(self, stage: str) -> None:
        """The draft's thread turns to `stage`, which is not a draft forward; "": to nothing."""
        if self.trace is not None:
            self.trace.begins(stage)

    def taken(self, taken: Taken) -> None:
        """A commit was taken."""
        self._dropped += taken.dropped
        self._corrected += taken.corrected
        self._foreseen += taken.foreseen

    def dropped(self, count: int) -> None:
        """So many drafted tokens were thrown away."""
        self._dropped += count

    def committed(self, commit: Commit, now: float) -> None:
        """A commit came."""
        self._arrivals += [now] * len(commit.ids)
        if commit.lossy:
            self.lossy = (self.lossy or 0) + commit.lossy
        self._accepted += commit.accepted
        self._stepped += len(commit.ids) if commit.accepted else 0
        if commit.timings is not None and commit.timings.step_us:
            self._steps.append(commit.timings.step_us / 1e6)
        round_trip = self.flight.committed(commit, now)
        if round_trip is not None:
            self._round_trips.append(round_trip)

    def figures(self) -> Figures:
        """What it all comes to."""
        tokens = len(self._arrivals)
        seconds = (self._arrivals[-1] - self.begin) if tokens else 0.0
        steady = self._arrivals[WARM_UP - 1 :]
        steps = len(self._accepted)
        return Figures(
            tokens=tokens,
            seconds=seconds,
            tokens_per_second=_rate(len(steady) - 1, steady[-1] - steady[0]) if len(steady) > 1 else None,
            tokens_per_second_overall=_rate(tokens, seconds) or 0.0,
            first_token_ms=1e3 * (self._arrivals[0] - self.begin) if tokens else None,
            first_draft_ms=None if self._first_draft is None else 1e3 * (self._first_draft - self.begin),
            steps=steps,
            accepted_per_step=max(0, sum(self._accepted) - self.redrawn) / steps if steps else None,
            passes_per_token=steps / self._stepped if self._stepped else None,
            drafted=self._drafted,
            thrown_away=self._dropped,
            corrections=self._corrected,
            foreseen=self._foreseen,
            draft_ms=_median_ms(self._drafts),
            step_ms=_median_ms(self._steps),
            rtt_ms=_median_ms(self._round_trips),
            reconnects=self.reconnects,
            traffic=self.ledger.traffic(),
            redrawn=self.redrawn,
            lossy=self.lossy,
        )


def _rate(count: int, seconds: float) -> float | None:
    return count / seconds if seconds > 0 else None


def _median_ms(seconds: Sequence[float]) -> float | None:
    return 1e3 * median(seconds) if seconds else None


def _said(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _size(count: int) -> str:
    return f"{count} B" if count < 1000 else f"{count / 1000:.1f} kB"
