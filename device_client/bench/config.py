"""How much `device-client bench` asks. Light to import: the command line's help needs it."""

from __future__ import annotations

from dataclasses import dataclass

from cyclopts import Parameter

from shared.errors import InvalidValue

MOST_PAIRS = 1000


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What a person may set about the measurement itself."""

    pairs: int = 8
    """Questions that are asked both ways. The interval narrows with their root."""

    def __post_init__(self) -> None:
        if not 1 <= self.pairs <= MOST_PAIRS:
            raise InvalidValue("pairs", self.pairs, f"must lie between 1 and {MOST_PAIRS}")
