"""Text on a terminal as it grows: what stands, dim behind it what is provisional, and under it a status line.

Guarantees: what stands is written once and is never redrawn; only the cells behind it are. It moves by relative steps
alone, so that scrolling does not matter. It knows cells, not answers; styles are ready-made escape sequences.
"""

from __future__ import annotations

from collections.abc import Callable

from rich.cells import cell_len

_ERASE = "\x1b[J"  # from the cursor to the end of the screen
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"
_LEAST_ROWS = 6  # a terminal of fewer shows what stands alone


class LiveText:
    """`size`: columns and rows of the terminal now."""

    def __init__(self, write: Callable[[str], None], size: Callable[[], tuple[int, int]]) -> None:
        self._write = write
        self._size = size
        self._column = 0
        self._wrapped = False  # the last row was filled to its end
        self._drawn = False

    def confirm(self, text: str, style: str = "") -> str:
        """What writes `text`, which stands from now on; the caller writes it."""
        width, _ = self._size()
        erase, self._drawn = (_ERASE if self._drawn else ""), False
        if self._wrapped and text:
            text, self._wrapped = text.removeprefix("\n"), False  # the cursor is there already
        written = []
        for character in text:
            written += [" "] * _misses(character, self._column, width) + [character]
            self._column = _after(character, self._column, width)
        wrap = ""
        if self._column == width:  # terminals differ in where the cursor now is: put it on the next line
            wrap, self._column, self._wrapped = " \r", 0, True
        return f"{erase}{style}{''.join(written)}{_PLAIN if style else ''}{wrap}"

    def tail(self, provisional: str, status: str) -> str:
        """What draws both behind what stands, and puts the cursor back."""
        width, height = self._size()
        if height < _LEAST_ROWS:
            return ""
        provisional = provisional.removeprefix("\n") if self._wrapped else provisional
        shown, rows = _cut(provisional, self._column, width, height // 2)
        line = _fit(status, width - 1)
        back = f"\x1b[{rows + 1}A\r" + (f"\x1b[{self._column}C" if self._column else "")
        erase, self._drawn = (_ERASE if self._drawn else ""), True
        return f"{erase}{_DIM}{shown}\r\n{line}{_PLAIN}{back}"

    def show(self, *parts: str) -> None:
        """Write `parts` at once."""
        if text := "".join(parts):
            self._write(text)

    def end(self) -> None:
        """Leave what stands, and go to the beginning of a line."""
        self.show(_ERASE if self._drawn else "", "\r\n" if self._column else "")
        self._column, self._wrapped, self._drawn = 0, False, False


def _after(character: str, column: int, width: int) -> int:
    """The column after `character`; `width` itself where the next one wraps."""
    if character == "\n":
        return 0
    cells = cell_len(character)
    return cells if column + cells > width else column + cells


def _misses(character: str, column: int, width: int) -> int:
    """Cells at the end of a row that a wide character does not fit into: some terminals would cut it in two there."""
    cells = cell_len(character)
    return width - column if column < width < column + cells else 0


def _cut(text: str, column: int, width: int, most: int) -> tuple[str, int]:
    """The beginning of `text` that fits into `most` rows, and how many rows it goes down."""
    rows = 0
    shown: list[str] = []
    for character in text:
        after = _after(character, column, width)
        down = character == "\n" or (after <= column and cell_len(character) > 0)
        if rows + down >= most:
            break
        shown += [" "] * _misses(character, column, width)
        rows, column = rows + down, after
        shown.append("\r\n" if character == "\n" else character)
    return "".join(shown), rows


def _fit(text: str, cells: int) -> str:
    used, shown = 0, []
    for character in text:
        used += cell_len(character)
        if used > cells:
            break
        shown.append(character)
    return "".join(shown)
