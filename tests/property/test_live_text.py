"""Laws of what a terminal shows while an answer grows, on an emulated terminal."""

from __future__ import annotations

import re
from itertools import pairwise

import pyte
import pyte.modes
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from device_client.live import LiveText

QUICK = settings(derandomize=True, deadline=None, max_examples=150)
WIDTH, HEIGHT = 11, 40

words = st.text(st.sampled_from("abcdefg"), min_size=1, max_size=12)
letters = st.sampled_from("abc \né漢")
texts = st.text(letters, max_size=30)


def lines_of(text: str, usable: int = WIDTH - 1) -> list[str]:
    """The rows of a terminal after `text`: whole words, each on the row that has room for it; wide characters alone."""
    rows = []
    for line in text.split("\n"):
        row = ""
        for word in re.findall(r" |漢|[^ 漢]+", line):
            goes_on = cell_len(word) > usable and not row.endswith((" ", "漢"))  # a word that no row has room for
            if cell_len(row + word) > usable and row and word != " " and not goes_on:
                rows.append(row)
                row = ""
            if word == " ":
                row += " " if cell_len(row) < usable else ""
                continue
            for character in word:
                if cell_len(row + character) > usable:
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
@given(texts, st.text(st.sampled_from("abc \n"), min_size=1, max_size=60))
def test_what_is_provisional_is_dim_behind_it_and_the_status_below(text: str, provisional: str) -> None:
    terminal = Terminal()
    terminal.live.show(terminal.live.confirm(text), terminal.live.tail(provisional, "12 tok/s"))
    cursor = terminal.screen.cursor
    rows = [row for row, line in enumerate(terminal.lines) if line == "12 tok/s"]
    assert rows
    assert rows[-1] - cursor.y <= HEIGHT // 2
    shown = terminal.lines[: rows[-1]]
    expected = lines_of(text + provisional)
    if provisional[0] in " \n" or not text or text[-1] in " \n漢":  # else it goes on with a word that stands
        assert shown[:-1] == expected[: len(shown) - 1]
        assert expected[len(shown) - 1].startswith(shown[-1])
    assert "".join(text.split() + provisional.split()).startswith("".join("".join(shown).split()))
    assert cursor.x < WIDTH - 1 or text


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


@QUICK
@given(
    st.integers(2, 60), st.lists(st.text(st.sampled_from("abcdefg"), min_size=1, max_size=12), max_size=40), st.data()
)
def test_no_word_that_fits_is_broken_however_it_comes(width: int, words: list[str], data: st.DataObject) -> None:
    screen = pyte.Screen(width, 600)
    stream = pyte.Stream(screen)
    live, text = LiveText(stream.feed, lambda: (width, 600)), " ".join(words)
    while text:
        count = data.draw(st.integers(1, len(text)))
        live.show(live.confirm(text[:count], "\x1b[1m"), live.tail(text[count : count + 9], "status"))
        text = text[count:]
    live.end()
    usable = max(1, width - 1)
    shown = [line.split() for line in screen.display if line.strip()]
    if all(len(word) <= usable for word in words):
        assert [word for line in shown for word in line] == words
    assert "".join(word for line in shown for word in line) == "".join(words)
    for line, following in pairwise(shown):  # none goes on below that had room here
        assert len(" ".join([*line, following[0]])) > usable


def test_a_word_that_moves_keeps_its_colours() -> None:
    terminal = Terminal()
    terminal.live.show(terminal.live.confirm("aaaa bb", ""), terminal.live.confirm("ccc", "\x1b[1;33m"))
    terminal.live.show(terminal.live.confirm("dd e", ""))
    assert terminal.lines[:2] == ["aaaa", "bbcccdd e"]
    colours = [terminal.screen.buffer[1][column].fg for column in range(9)]
    assert colours == ["default"] * 2 + ["brown"] * 3 + ["default"] * 4
