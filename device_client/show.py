"""What a person sees: text on stdout, everything else on stderr.

On a terminal what the device expects next is dim until the edge has confirmed it; then what the device drafted is
plain, and what the edge had to say itself is coloured, underlined where it contradicts what was dim. A line below tells
how it goes. Elsewhere stdout has the text and nothing else.
"""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Literal

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from rich.text import Text

from device_client.answer import Answer, Piece, Result, Source
from device_client.figures import Figures
from device_client.live import LiveText

Colour = Literal["auto", "always", "never"]

FRAME_SECONDS = 0.03  # between two looks at what is provisional
_STATUS_SECONDS = 0.2
_STYLES = {Source.DRAFT: Style(), Source.TARGET: Style(bold=True, color="yellow"), Source.LOCAL: Style(dim=True)}
_CORRECTION = Style(bold=True, color="yellow", underline=True)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline: an edge is not to drive a terminal
_TAB = "    "


class Screen:
    """Writes answers. `as_json`: nothing on stdout but one object at the end of each.

    `verbose`: all figures of each; `quiet`: nothing beside it but what went wrong.
    """

    def __init__(self, colour: Colour, *, as_json: bool, verbose: bool = False, quiet: bool = False) -> None:
        forced = {"auto": None, "always": True, "never": False}[colour]
        self._out = Console(highlight=False, soft_wrap=True, force_terminal=forced, no_color=colour == "never" or None)
        # On a terminal lines break between words; elsewhere each stays one line.
        self._err = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())
        self._as_json = as_json
        self._verbose, self._quiet = verbose, quiet
        self._stdout = sys.stdout
        live = self._stdout.isatty() and not self._out.is_dumb_terminal and not as_json
        self._live = LiveText(self._write, _size) if live else None
        self._expected = ""  # of what is dim, the part that no piece has confirmed or contradicted
        self._status = ""
        self._painted = self._counted = 0.0
        self._shown: list[Piece] = []
        self._provisional = ""  # what the draft says while the edge is away
        if isinstance(self._stdout, io.TextIOWrapper):
            self._stdout.reconfigure(errors="backslashreplace")  # a terminal of few characters is no reason to fail

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Show that `what` takes its time."""
        if self._quiet:
            yield
        elif self._err.is_terminal:
            with self._err.status(what):
                yield
        else:
            self.note(what)
            yield

    def note(self, sentence: str) -> None:
        """Say something beside the answer."""
        if self._live is not None:
            self._live.end()
        self._err.print(sentence, markup=False, style="dim")

    def hint(self, sentence: str) -> None:
        """Say what may help, unless nothing is to be said."""
        if not self._quiet:
            self.note(sentence)

    def line(self, verdict: str, sentence: str) -> None:
        """A line of a report, on stdout."""
        style = {"ok": "green", "note": "yellow"}.get(verdict, "bold red")
        self._out.print(Text.assemble((f"{verdict:<5}", style), sentence), soft_wrap=not self._stdout.isatty())

    def queued(self, place: int) -> None:
        """Say where the question stands in the edge's line."""
        if not self._quiet:
            self.note(f"waiting for a place at the edge: {_ordinal(place)} in line")

    def legend(self) -> None:
        """Explain the colours, where there are any."""
        if self._out.is_terminal and not self._out.no_color and not self._as_json and not self._quiet:
            dim = "[dim]dim: drafted here, not confirmed yet · [/]" if self._live is not None else ""
            self._err.print(
                f"{dim}[dim]plain: drafted here, confirmed by the edge ·[/] [bold yellow]coloured: the edge's own[/]"
                + (", [bold yellow underline]underlined: in place of what was dim[/]" if dim else "")
            )

    def piece(self, piece: Piece) -> None:
        """Show a piece of the answer at once: as it is, but for a terminal coloured and without its control codes."""
        if self._as_json:
            return
        if self._live is not None:
            text = _clean(piece.text)
            self._live.show(self._live.confirm(text, self._sequence(self._style(piece, text))))
            return
        self._shown.append(piece)
        self._say(piece)

    def provisional(self, text: str) -> None:
        """Show, on a terminal, what the draft says while the edge is away; "" takes it back and says the rest anew."""
        before, self._provisional = self._provisional, text
        if self._as_json or not self._out.is_terminal or self._live is not None:
            return  # a live terminal draws it with what else is provisional
        if text:
            self._say(Piece(text.removeprefix(before), Source.LOCAL))
        elif before:
            self._write("\n")
            self.note("the edge is back: what the draft had said alone is taken back")
            for piece in self._shown:
                self._say(piece)

    def end_alone(self, confirmed: str, provisional: str, loss: str | None = None) -> None:
        """End an answer whose edge did not come back: behind what it had `confirmed` stands the draft's own.

        `loss`: what a lossy session must say of what is confirmed.
        """
        lossy = {} if loss is None else {"lossy": loss}
        if loss is not None:
            self.note(loss)
        if self._as_json:
            said = {"text": confirmed + provisional, "source": "draft alone behind what is confirmed"}
            self._write(json.dumps(lossy | said | {"confirmed": confirmed}, ensure_ascii=False) + "\n")
            return
        if self._live is not None:
            self._live.show(self._live.confirm(_clean(provisional), self._sequence(_STYLES[Source.LOCAL])))
        elif not self._out.is_terminal:
            self._write(provisional)
        self._end_text()

    def _say(self, piece: Piece) -> None:
        text = piece.text
        if self._out.is_terminal:
            text = _STYLES[piece.source].render(
                _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text),
                color_system=None if self._out.no_color else ColorSystem.STANDARD,
            )
        self._write(text)

    @property
    def moves(self) -> bool:
        """Whether there is anything to `follow`."""
        return self._live is not None

    def follow(self, answer: Answer) -> None:
        """Draw what is provisional now, and how it goes, if a frame has passed."""
        now = monotonic()
        if self._live is None or now < self._painted + FRAME_SECONDS:
            return
        self._painted = now
        if now >= self._counted + _STATUS_SECONDS:
            told = "" if self._quiet else status_line(answer.figures(), connected=answer.connected)
            self._counted, self._status = now, told
        provisional = "" if self._out.no_color else self._provisional or answer.provisional
        self._expected = _clean(provisional)
        self._live.show(self._live.tail(self._expected, self._status))

    def broken(self, *, begun: bool) -> None:
        """The answer cannot go on: what is said of that begins a line of its own."""
        if begun and not self._as_json:
            self._end_text()

    def stopped(self) -> None:
        """The person has had enough of this answer."""
        self._end_text()
        self.note("stopped")

    def end(self, result: Result | None, text: str) -> None:
        """End the answer and give its figures. `result` is None if the draft answered alone."""
        if self._as_json:
            said = {"text": text, "source": "draft alone"} if result is None else as_json(result)
            self._write(json.dumps(said, ensure_ascii=False) + "\n")
            return
        self._end_text()
        if result is not None and (not self._quiet or result.figures.loss is not None):
            figures, columns = result.figures, _size()[0] - 1 if self._err.is_terminal else None
            self.note(figures.line() if self._verbose else figures.brief(columns))

    def _end_text(self) -> None:
        self._expected = self._provisional = ""
        self._shown.clear()
        if self._live is not None:
            self._live.end()
        elif not self._as_json:
            self._write("\n")

    def _style(self, piece: Piece, text: str) -> Style:
        """The style of a piece on a live terminal: a correction stands where something else was dim."""
        expected, confirmed = self._expected, self._expected.startswith(text)
        self._expected = expected[len(text) :] if confirmed else ""
        return _CORRECTION if expected and not confirmed and piece.source is Source.TARGET else _STYLES[piece.source]

    def _sequence(self, style: Style) -> str:
        """What switches `style` on."""
        if self._out.no_color:
            return ""
        return style.render("\0", color_system=ColorSystem.STANDARD).partition("\0")[0]

    def _write(self, text: str) -> None:
        self._stdout.write(text)
        self._stdout.flush()


class Notes(logging.Handler):
    """Log records as notes of a screen, so that they do not tear what it draws."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        self._screen.note(f"device-client: {self.format(record)}")


def status_line(figures: Figures, *, connected: bool) -> str:
    """How an answer goes, in one line."""
    rate = figures.steady_rate
    link = "" if figures.rtt_ms is None else f"link {figures.rtt_ms:.0f} ms"
    link = link if connected else "no link, trying again"
    known = figures.accepted + figures.thrown_away
    parts = [
        f"{figures.tokens} tokens",
        "" if rate is None else f"{rate:.1f} tok/s",
        f"{figures.accepted / known:.0%} of draft tokens accepted" if known else "",
        link,
    ]
    return " · ".join(part for part in parts if part)


def _clean(text: str) -> str:
    """`text` as a terminal may get it."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text).replace("\t", _TAB)


def _size() -> tuple[int, int]:
    columns, rows = shutil.get_terminal_size()
    return columns, rows


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
