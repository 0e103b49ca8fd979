"""Laws of what a terminal shows while an answer grows, on an emulated terminal."""

from __future__ import annotations

import pyte
import pyte.modes
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from device_client.live import LiveText

QUICK = settings(derandomize=True, deadline=None, max_examples=150)
WIDTH, HEIGHT = 11, 40

letters = st.sampled_from("abc \né漢")
texts = st.text(letters, max_size=30)


def lines_of(text: str) -> list[str]:
    """The rows of a terminal of this width after `text`; a wide character goes to the next row as a whole."""
    rows = []
    for line in text.split("\n"):
        row = ""
        for character in line:
            if cell_len(row + character) > WIDTH:
                rows.append(row)
                row = ""
            row += character
        rows.append(row)
    return [row.rstrip() for row in rows]


class Terminal:
    def __init__(self, height: int = HEIGHT) -> None:
        self.screen = pyte.Screen(WIDTH, height)
        self.screen.set_mode(pyte.modes.LNM)  # a newline goes to the first column, as terminals are set up
        stream = pyte.Stream(self.screen)
        self.live = LiveText(stream.feed, lambda: (WIDTH, height))

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]


@QUICK
@example([("aaaaaaaaaaa", "", ""), ("\n", "b", ""), ("\na", "", "")])
@given(st.lists(st.tuples(texts, texts, st.text(st.characters(categories=["L"]), max_size=20)), max_size=5))
def test_what_stands_is_there_as_it_is_whatever_was_drawn_behind_it(steps: list[tuple[str, str, str]]) -> None:
    terminal, said = Terminal(), ""
    for text, provisional, status in steps:
        said += text
        terminal.live.show(terminal.live.confirm(text, "\x1b[1;33m"), terminal.live.tail(provisional, status))
    terminal.live.end()
    expected = lines_of(said)
    assert terminal.lines[: len(expected)] == expected
    assert not any(terminal.lines[len(expected) :])
    assert terminal.screen.cursor.x == 0


@QUICK
@given(texts, st.text(st.sampled_from("abc"), min_size=1, max_size=60))
def test_what_is_provisional_is_dim_behind_it_and_the_status_below(text: str, provisional: str) -> None:
    terminal = Terminal()
    terminal.live.show(terminal.live.confirm(text), terminal.live.tail(provisional, "12 tok/s"))
    cursor = terminal.screen.cursor
    expected = lines_of(text + provisional)
    rows = [row for row, line in enumerate(terminal.lines) if line == "12 tok/s"]
    assert rows
    assert rows[-1] - cursor.y <= HEIGHT // 2
    shown = terminal.lines[: rows[-1]]
    assert shown[:-1] == expected[: len(shown) - 1]
    assert expected[len(shown) - 1].startswith(shown[-1])
    assert cursor.x < WIDTH


@QUICK
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=12))
def test_a_terminal_that_scrolls_loses_nothing_of_what_stands(steps: list[tuple[str, str]]) -> None:
    small, said = Terminal(height=8), ""
    for text, provisional in steps:
        said += text
        small.live.show(small.live.confirm(text), small.live.tail(provisional, "status"))
    small.live.end()
    visible, expected = [line for line in small.lines if line], [line for line in lines_of(said) if line]
    assert visible == expected[len(expected) - len(visible) :]
    assert len(visible) == len(expected) or len(lines_of(said)) > 4


def test_a_terminal_of_few_rows_shows_what_stands_alone() -> None:
    live = LiveText(lambda _: None, lambda: (80, 4))
    assert live.tail("more", "status") == ""
