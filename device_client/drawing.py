"""Draws scores of places over a picture: panels, a title and a scale, with Pillow's own font.

A title in a script that this font lacks is set in one of the system's. It knows boxes and numbers from 0 to 1, nothing
of models.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

Box = tuple[float, float, float, float]  # left, top, right, bottom from 0 to 1
Colour = tuple[int, int, int]
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

PANEL = 560  # pixels of a panel's longer side; twice that where the panels stand one below the other
WIDE = 2.0  # width by height, beyond which they do
_GAP, _LINE = 24, 30
_PAPER, _INK, _FRAME = (250, 250, 247), (28, 28, 32), (255, 214, 10)
_SCALE: tuple[Colour, ...] = ((33, 18, 80), (92, 36, 126), (178, 54, 108), (236, 110, 66), (252, 216, 94))  # dark: 0
FONTS = (  # with many scripts, as Linux, macOS and Windows name them; the first that has most is taken
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSans-Regular.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "segoeui.ttf",
)
_NOWHERE = "\U0010fffe"  # no character: no font has it
_DIM, _VEIL = 0.22, 0.72  # how much is left of what is left out; how much a score covers


@dataclass(frozen=True)
class Panel:
    """`values`: one for each box, or None for the picture itself with what is left out dimmed."""

    title: str
    values: tuple[float, ...] | None


def draw(
    picture: Image.Image, boxes: Sequence[Box], kept: Collection[int], title: str, panels: Sequence[Panel]
) -> Image.Image:
    """The panels two by two, of a wide picture one below the other. In each the kept places are framed."""
    columns = 1 if picture.width > WIDE * picture.height else 2
    scale = PANEL * 2 / columns / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    large = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    cell = max(size[0], 300), size[1] + _LINE
    wide = columns * cell[0] + (columns + 1) * _GAP
    rows = -(-len(panels) // columns)
    font = font_for(title, 20)
    lines = wrapped(title, wide - 2 * _GAP, font.getlength)
    top = _GAP + _LINE * len(lines)
    sheet = Image.new("RGB", (wide, top + rows * (cell[1] + _GAP) + _LINE + _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        pen.text((_GAP, _GAP // 2 + number * _LINE), line, _INK, font)
    for number, panel in enumerate(panels):
        corner = _GAP + number % columns * (cell[0] + _GAP), top + number // columns * (cell[1] + _GAP)
        pen.text(corner, panel.title, _INK, _font(17))
        sheet.paste(_panel(large, boxes, kept, panel), (corner[0], corner[1] + _LINE))
    _legend(pen, (_GAP, sheet.height - _LINE - _GAP // 2))
    return sheet


def _panel(picture: Image.Image, boxes: Sequence[Box], kept: Collection[int], panel: Panel) -> Image.Image:
    grey = picture.convert("L").convert("RGB")
    black = Image.new("RGB", picture.size)
    shown = Image.blend(black, grey, _DIM if panel.values is None else 1.0)
    for number, box in enumerate(boxes):
        place = _pixels(box, picture.size)
        if place[2] <= place[0] or place[3] <= place[1]:
            continue
        if panel.values is not None:
            veil = Image.new("RGB", (place[2] - place[0], place[3] - place[1]), colour(panel.values[number]))
            shown.paste(Image.blend(grey.crop(place), veil, _VEIL), place)
        elif number in kept:
            shown.paste(picture.crop(place), place)
    if len(kept) < len(boxes):
        pen = ImageDraw.Draw(shown)
        for number in kept:
            left, top, right, bottom = _pixels(boxes[number], picture.size)
            if right > left and bottom > top:
                pen.rectangle((left, top, right - 1, bottom - 1), outline=_FRAME, width=2)
    return shown


def colour(value: float) -> Colour:
    """From dark violet for 0 to yellow for 1, with lightness that always rises."""
    place = min(1.0, max(0.0, value)) * (len(_SCALE) - 1)
    below = min(int(place), len(_SCALE) - 2)
    low, high, part = _SCALE[below], _SCALE[below + 1], place - below
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(low, high, strict=True))
    return red, green, blue


def _legend(pen: ImageDraw.ImageDraw, corner: tuple[int, int]) -> None:
    """The scale, and what a frame means."""
    left, top = corner
    pen.text((left, top), "0", _INK, _font(17))
    for step in range(200):
        pen.line((left + 18 + step, top + 3, left + 18 + step, top + 18), colour(step / 199))
    pen.text((left + 226, top), "1", _INK, _font(17))
    pen.rectangle((left + 270, top + 2, left + 288, top + 19), fill=(120, 120, 124), outline=_FRAME, width=3)
    pen.text((left + 298, top), "kept", _INK, _font(17))


def _pixels(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(x * side) for x, side in zip(box, size * 2, strict=True))
    return left, top, right, bottom


def font_for(text: str, size: int) -> Font:
    """Pillow's own font, unless a font of the system has more of the characters."""
    return max((_font(size), *_of_the_system(size)), key=lambda font: sum(_has(font, each) for each in set(text)))


def wrapped(text: str, width: float, length: Callable[[str], float]) -> list[str]:
    """Lines that fit, at most two; what is longer ends in an ellipsis. A word longer than a line is cut anywhere.

    `length`: of a text in the units of `width`.
    """
    lines: list[str] = []
    rest = " ".join(text.split())
    while rest and len(lines) < 2:
        fits = bisect_right(range(1, len(rest) + 1), width, key=lambda count: length(rest[:count]))
        end = max(1, fits)
        if end < len(rest) and rest[end] != " " and " " in rest[:end]:
            end = rest.rindex(" ", 0, end)
        lines.append(rest[:end])
        rest = rest[end:].lstrip()
    if rest:
        last = lines[-1]
        while last and length(last + " …") > width:
            last = last[:-1]
        lines[-1] = last + " …"
    return lines or [""]


def _has(font: Font, character: str) -> bool:
    """Whether it has a shape for it, and not the box that stands for what is missing."""
    return bytes(font.getmask(character)) != bytes(font.getmask(_NOWHERE))


def _of_the_system(size: int) -> Iterator[Font]:
    for name in FONTS:
        with suppress(OSError):  # it is not here
            yield ImageFont.truetype(name, size)


def _font(size: int) -> Font:
    return ImageFont.load_default(size)
