"""Text on a terminal as it grows: what stands, dim behind it what is provisional, and under it a status line.

Guarantees: lines break between words; a word that grows over the end of its row moves to the next one, and nothing else
of what stands is ever redrawn. It moves by relative steps alone, so that scrolling does not matter, and never fills a
row's last column, in which terminals differ. It knows cells, not answers; styles are ready-made escape sequences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rich.cells import cell_len

_ERASE = "\x1b[J"  # from the cursor to the end of the screen
_ERASE_ROW = "\x1b[K"  # from the cursor to the end of the row
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"
_NEXT = "\r\n"
_LEAST_ROWS = 6  # a terminal of fewer shows what stands alone


@dataclass
class _Row:
    """The row that is written: how far it is, and the word at its end that may still grow.

    [0, begin) stands, [begin, column) is the word; `word` None: there is none, or it cannot move.
    """

    column: int = 0
    begin: int = 0
    word: list[tuple[str, str]] | None = field(default=None)  # characters of it with their styles

    def put(self, character: str, style: str, usable: int) -> tuple[str, int]:
        """What writes `character` in a row of so many usable cells, and how many rows it goes down."""
        if character == "\n":
            self.column, self.word = 0, None
            return _NEXT, 1
        cells = cell_len(character)
        over = self.column + cells > usable and self.column > 0
        if character == " ":
            self.word = None
            self.column += 0 if over else 1
            return "" if over else " ", 0  # one between two rows is not seen
        before = self._next_row(cells, style, usable) if over else ""
        if cells > 1:
            self.word = None  # scripts of wide characters have no blanks: a row may end behind any of them
        elif self.word is None:
            self.begin, self.word = self.column, [(style, character)]
        else:
            self.word.append((style, character))
        self.column += cells
        return f"{before}{character}", int(over)

    def _next_row(self, cells: int, style: str, usable: int) -> str:
        """What begins a row, with the word that did not end on the last one, if it fits on one."""
        length = self.column - self.begin
        if cells > 1 or self.word is None or self.begin == 0 or length + cells > usable:
            self.column, self.begin, self.word = 0, 0, None
            return _NEXT
        self.column, self.begin = length, 0
        moved = "".join(f"{_PLAIN if one else ''}{one}{character}" for one, character in self.word)
        return f"\x1b[{length}D{_ERASE_ROW}{_NEXT}{moved}{_PLAIN}{style}"


class LiveText:
    """`size`: columns and rows of the terminal now."""

    def __init__(self, write: Callable[[str], None], size: Callable[[], tuple[int, int]]) -> None:
        self._write = write
        self._size = size
        self._row = _Row()
        self._drawn = False

    def confirm(self, text: str, style: str = "") -> str:
        """What writes `text`, which stands from now on; the caller writes it."""
        usable = self._usable
        erase, self._drawn = (_ERASE if self._drawn else ""), False
        written = "".join(self._row.put(character, style, usable)[0] for character in text)
        return f"{erase}{style}{written}{_PLAIN if style else ''}"

    def tail(self, provisional: str, status: str) -> str:
        """What draws both behind what stands, and puts the cursor back."""
        width, height = self._size()
        if height < _LEAST_ROWS:
            return ""
        column = self._row.column
        # The word that stands before it is not moved for what may never come.
        row = _Row(column) if self._row.word is None else _Row(column, 0, [])
        shown, rows = _cut(provisional, row, self._usable, height // 2)
        line = _fit(status, width - 1)
        back = f"\x1b[{rows + 1}A\r" + (f"\x1b[{column}C" if column else "")
        erase, self._drawn = (_ERASE if self._drawn else ""), True
        return f"{erase}{_DIM}{shown}{_NEXT}{line}{_PLAIN}{back}"

    def show(self, *parts: str) -> None:
        """Write `parts` at once."""
        if text := "".join(parts):
            self._write(text)

    def end(self) -> None:
        """Leave what stands, and go to the beginning of a line."""
        self.show(_ERASE if self._drawn else "", _NEXT if self._row.column else "")
        self._row, self._drawn = _Row(), False

    @property
    def _usable(self) -> int:
        return max(1, self._size()[0] - 1)


def _cut(text: str, row: _Row, usable: int, most: int) -> tuple[str, int]:
    """The beginning of `text` that fits into `most` rows, and how many rows it goes down from `row`."""
    rows = 0
    shown: list[str] = []
    for character in text:
        written, down = row.put(character, _DIM, usable)
        if rows + down >= most:
            break
        rows += down
        shown.append(written)
    return "".join(shown), rows


def _fit(text: str, cells: int) -> str:
    used, shown = 0, []
    for character in text:
        used += cell_len(character)
        if used > cells:
            break
        shown.append(character)
    return "".join(shown)
