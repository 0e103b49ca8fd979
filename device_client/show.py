"""What a person sees: text on stdout, everything else on stderr.

On a terminal, what the device drafted and the edge confirmed is plain; what the edge had to say itself is coloured.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from rich.console import Console

from device_client.answer import Piece, Result, Source

Colour = Literal["auto", "always", "never"]

_STYLES = {Source.DRAFT: "", Source.TARGET: "bold yellow", Source.LOCAL: "dim"}


class Screen:
    """Writes one answer. `as_json`: nothing on stdout but one object at the end."""

    def __init__(self, colour: Colour, *, as_json: bool) -> None:
        forced = {"auto": None, "always": True, "never": False}[colour]
        self._out = Console(highlight=False, soft_wrap=True, force_terminal=forced, no_color=colour == "never" or None)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)
        self._as_json = as_json

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Show that `what` takes its time."""
        if self._err.is_terminal:
            with self._err.status(what):
                yield
        else:
            self.note(what)
            yield

    def note(self, sentence: str) -> None:
        """Say something beside the answer."""
        self._err.print(sentence, markup=False, style="dim")

    def legend(self) -> None:
        """Explain the colours, where there are any."""
        if self._out.is_terminal and not self._as_json:
            self._err.print(
                "[dim]plain: drafted here, confirmed by the edge ·[/] [bold yellow]coloured: the edge's own[/]"
            )

    def piece(self, piece: Piece) -> None:
        """Show a piece of the answer at once."""
        if not self._as_json:
            self._out.print(piece.text, end="", markup=False, style=_STYLES[piece.source])
            sys.stdout.flush()

    def end(self, result: Result | None, text: str) -> None:
        """End the answer and give its figures. `result` is None if the draft answered alone."""
        if self._as_json:
            said = {"text": text, "source": "draft alone"} if result is None else as_json(result)
            self._out.file.write(json.dumps(said, ensure_ascii=False) + "\n")
            return
        self._out.print()
        if result is not None:
            self.note(result.figures.line())


def as_json(result: Result) -> dict[str, object]:
    """A result as plain values."""
    return {
        "text": result.text,
        "ids": list(result.ids),
        "finish_reason": result.reason.value,
        "seed": result.parameters.seed,
        "temperature": result.parameters.temperature,
        "figures": result.figures.as_json(),
    }
