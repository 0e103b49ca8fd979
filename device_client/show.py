"""What a person sees: text on stdout, everything else on stderr.

On a terminal, what the device drafted and the edge confirmed is plain; what the edge had to say itself is coloured.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style

from device_client.answer import Piece, Result, Source

Colour = Literal["auto", "always", "never"]

_STYLES = {Source.DRAFT: Style(), Source.TARGET: Style(bold=True, color="yellow"), Source.LOCAL: Style(dim=True)}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline: an edge is not to drive a terminal


class Screen:
    """Writes one answer. `as_json`: nothing on stdout but one object at the end."""

    def __init__(self, colour: Colour, *, as_json: bool) -> None:
        forced = {"auto": None, "always": True, "never": False}[colour]
        self._out = Console(highlight=False, soft_wrap=True, force_terminal=forced, no_color=colour == "never" or None)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)
        self._as_json = as_json
        self._stdout = sys.stdout
        self._shown: list[Piece] = []
        self._provisional = ""
        if isinstance(self._stdout, io.TextIOWrapper):
            self._stdout.reconfigure(errors="backslashreplace")  # a terminal of few characters is no reason to fail

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

    def queued(self, place: int) -> None:
        """Say where the question stands in the edge's line."""
        self.note(f"waiting for a place at the edge: {_ordinal(place)} in line")

    def legend(self) -> None:
        """Explain the colours, where there are any."""
        if self._out.is_terminal and not self._out.no_color and not self._as_json:
            self._err.print(
                "[dim]plain: drafted here, confirmed by the edge ·[/] [bold yellow]coloured: the edge's own[/]"
            )

    def piece(self, piece: Piece) -> None:
        """Show a piece of the answer at once: as it is, but for a terminal coloured and without its control codes."""
        if self._as_json:
            return
        self._shown.append(piece)
        self._write(piece)

    def provisional(self, text: str) -> None:
        """Show, on a terminal, what the draft says while the edge is away; "" takes it back and says the rest anew."""
        before, self._provisional = self._provisional, text
        if self._as_json or not self._out.is_terminal:
            return
        if text:
            self._write(Piece(text.removeprefix(before), Source.LOCAL))
        elif before:
            self._stdout.write("\n")
            self._stdout.flush()
            self.note("the edge is back: what the draft had said alone is taken back")
            for piece in self._shown:
                self._write(piece)

    def end_alone(self, confirmed: str, provisional: str) -> None:
        """End an answer whose edge did not come back: behind what it had `confirmed` stands the draft's own."""
        if self._as_json:
            said = {"text": confirmed + provisional, "source": "draft alone behind what is confirmed"}
            self._stdout.write(json.dumps(said | {"confirmed": confirmed}, ensure_ascii=False) + "\n")
            return
        if not self._out.is_terminal:
            self._stdout.write(provisional)
        self._stdout.write("\n")
        self._stdout.flush()

    def _write(self, piece: Piece) -> None:
        text = piece.text
        if self._out.is_terminal:
            text = _STYLES[piece.source].render(
                _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text),
                color_system=None if self._out.no_color else ColorSystem.STANDARD,
            )
        self._stdout.write(text)
        self._stdout.flush()

    def end(self, result: Result | None, text: str) -> None:
        """End the answer and give its figures. `result` is None if the draft answered alone."""
        if self._as_json:
            said = {"text": text, "source": "draft alone"} if result is None else as_json(result)
            self._stdout.write(json.dumps(said, ensure_ascii=False) + "\n")
            return
        self._stdout.write("\n")
        self._stdout.flush()
        if result is not None:
            self.note(result.figures.line())


def _ordinal(place: int) -> str:
    if place == 1:
        return "next"
    ending = "th" if place // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"


def as_json(result: Result) -> dict[str, object]:
    """A result as plain values."""
    loss = result.figures.loss
    return ({} if loss is None else {"lossy": loss}) | {
        "text": result.text,
        "ids": list(result.ids),
        "finish_reason": result.reason.value,
        "seed": result.parameters.seed,
        "temperature": result.parameters.temperature,
        "figures": result.figures.as_json(),
    }
