"""What a terminal shows of an answer, halfway and at its end, as a picture: `python -m benchmarks.screen run.svg`.

A real run: the packaged draft and a target 40 times as dear (as in the benchmark of speed), each on its core, over an
emulated link. Halfway is, of the later half, the moment at which most of what is shown is not confirmed yet.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path

import pyte
from pyte.screens import Char

from benchmarks.link import Kind, emulated_link, round_trip
from benchmarks.machine import Cores
from benchmarks.speed.models import small_draft
from deploy.processes import edge_process
from shared.demo.pair import samples
from tests.support.pseudo_terminal import ROWS, on_a_terminal

COLUMNS = 93  # no word of the first sample wraps
_CELL, _LINE, _MARGIN, _GAP = 8.4, 19, 16, 34
_COLOURS = {"default": "#e6edf3", "brown": "#e3b341", "brightblack": "#7d8590", "green": "#56d364"}
_BACKGROUND, _FRAME = "#0d1117", "#30363d"
_TAIL = re.compile(rb"\x1b\[\d+A\r(?:\x1b\[\d+C)?")  # ends what draws the provisional text (device_client/live)
_DIM, _GREY = b"\x1b[2m", b"\x1b[90m"  # pyte knows no dim

Row = tuple[Char, ...]


def main() -> int:
    """Run and draw; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.screen", description="A picture of a run.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--rtt", type=float, default=20.0, help="round trip in ms")
    parser.add_argument("--sample", type=int, default=0, help="number of the sample picture")
    wanted = parser.parse_args()
    picture, question = samples()[wanted.sample]
    typed = f'$ device-client ask {picture.name} "{question}"'
    raw = _run(picture, question, wanted.rtt)
    windows = [[*_rows(typed.encode()), *_rows(each)] for each in (_halfway(raw), raw)]
    wanted.out.write_text(drawn(windows), encoding="utf-8")
    return 0


def _run(picture: Path, question: str, rtt: float) -> bytes:
    """All that a device writes on a terminal."""
    cores = Cores.chosen()
    with tempfile.TemporaryDirectory() as folder, emulated_link(round_trip(rtt), kind=Kind.RELAY) as link:
        models = small_draft(Path(folder), cores)
        print(f"{models.said()}; RTT {rtt:g} ms; {cores}", file=sys.stderr)  # noqa: T201 - a command line's own output
        options = ("--model", models.target, "--dtype", models.target_dtype, "--threads", "1")
        with edge_process(*options, host=link.edge_host, prefix=link.edge(), core=cores.edge) as edge:
            ask = [sys.executable, "-m", "device_client", "ask", str(picture), question, "--dtype", models.draft_dtype]
            ask += ["--threads", "1", "--draft", models.draft, "--edge", link.device_address(edge.port)]
            pinned = link.device(["taskset", "--cpu-list", str(cores.devices), *ask])
            with on_a_terminal(pinned, COLUMNS) as terminal:
                code = terminal.end()
                assert code == 0, f"{shlex.join(pinned)}\n{terminal.raw.decode()}"
                return terminal.raw


def _halfway(raw: bytes) -> bytes:
    """`raw` up to the frame of its later half with the most provisional text."""
    frames = [found.end() for found in _TAIL.finditer(raw)]

    def provisional(end: int) -> int:
        return len(raw[raw.rfind(_DIM, 0, end) : end])

    return raw[: max(frames[len(frames) // 2 :], key=provisional)]


def _rows(raw: bytes) -> list[Row]:
    """What a terminal shows after `raw`, without empty rows at the end."""
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.ByteStream(screen).feed(raw.replace(_DIM, _GREY))
    rows = [tuple(screen.buffer[y][x] for x in range(COLUMNS)) for y in range(ROWS)]
    while rows and not "".join(cell.data for cell in rows[-1]).strip():
        rows.pop()
    return rows


def drawn(windows: list[list[Row]]) -> str:
    """An SVG of these terminals, one below the other."""
    width = COLUMNS * _CELL + 2 * _MARGIN
    heights = [len(rows) * _LINE + 2 * _MARGIN for rows in windows]
    height = sum(heights) + _GAP * (len(windows) - 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
        f' font-family="DejaVu Sans Mono,ui-monospace,Menlo,Consolas,monospace" font-size="14">'
    ]
    top = 0.0
    for rows, tall in zip(windows, heights, strict=True):
        box = f'x="1" y="{top + 1:g}" width="{width - 2:g}" height="{tall - 2:g}" rx="8"'
        parts.append(f'<rect {box} fill="{_BACKGROUND}" stroke="{_FRAME}"/>')
        for number, row in enumerate(rows):
            parts += _texts(row, top + _MARGIN + number * _LINE + 14)
        top += tall + _GAP
    return "\n".join([*parts, "</svg>\n"])


def _texts(row: Row, y: float) -> Iterator[str]:
    """A row as pieces of one style without spaces at their ends, each as wide as its cells."""
    x = 0
    for style, cells in groupby(row, key=lambda cell: (cell.fg, cell.bold, cell.underscore)):
        text = "".join(cell.data for cell in cells)
        if said := text.strip():
            colour, bold, underlined = style
            look = ' font-weight="bold"' * bold + ' text-decoration="underline"' * underlined
            left = _MARGIN + (x + text.index(said)) * _CELL
            place = f'x="{left:g}" y="{y:g}" textLength="{len(said) * _CELL:g}"'
            yield f'<text {place} fill="{_COLOURS[colour]}"{look}>{escape(said)}</text>'
        x += len(text)


if __name__ == "__main__":
    sys.exit(main())
