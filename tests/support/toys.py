"""Toy models whose steps a test counts, holds or breaks: each is given to a toy as what it sleeps with."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

_SECONDS = 20.0  # after which a step that nobody lets go fails, and with it the test


@dataclass
class Steps:
    """Counts forwards; holds them while `hold` says so; breaks the one numbered `bomb`. From the model's thread."""

    bomb: int | None = None
    count: int = 0
    _open: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._open.set()

    def __call__(self, _: float) -> None:
        self.count += 1
        number = self.count
        if not self._open.wait(_SECONDS):
            raise RuntimeError("nobody let this step go")
        if number == self.bomb:
            raise RuntimeError("a secret of the machine room")

    def hold(self) -> None:
        """Let no forward end from now on."""
        self._open.clear()

    def let_go(self) -> None:
        """Let forwards end again."""
        self._open.set()
