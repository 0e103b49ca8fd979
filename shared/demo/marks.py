"""Draws what has no name: discs, rings, bars, crosses and strokes like letters, and the lines of a ruled board."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageDraw

from shared.demo.scenes import Mark, Scene

FINE = 4  # drawn this many times as large, then smoothed
Pen = ImageDraw.ImageDraw


def _line(pen: Pen, side: int, points: tuple[tuple[float, float], ...]) -> None:
    pen.line([(x * side, y * side) for x, y in points], fill=255, width=max(1, side // 7), joint="curve")


def _disc(pen: Pen, side: int) -> None:
    pen.ellipse((side * 0.1, side * 0.1, side * 0.9, side * 0.9), fill=255)


def _ring(pen: Pen, side: int) -> None:
    pen.ellipse((side * 0.1, side * 0.1, side * 0.9, side * 0.9), outline=255, width=max(1, side // 7))


def _bar(pen: Pen, side: int) -> None:
    pen.rectangle((side * 0.05, side * 0.38, side * 0.95, side * 0.62), fill=255)


def _cross(pen: Pen, side: int) -> None:
    pen.rectangle((side * 0.1, side * 0.4, side * 0.9, side * 0.6), fill=255)
    pen.rectangle((side * 0.4, side * 0.1, side * 0.6, side * 0.9), fill=255)


def _box(pen: Pen, side: int) -> None:
    pen.rectangle((side * 0.15, side * 0.15, side * 0.85, side * 0.85), fill=255)


def _stroke(*points: tuple[float, float]) -> Callable[[Pen, int], None]:
    return lambda pen, side: _line(pen, side, points)


SHAPES: dict[str, Callable[[Pen, int], None]] = {
    "disc": _disc,
    "ring": _ring,
    "bar": _bar,
    "cross": _cross,
    "box": _box,
    "zigzag": _stroke((0.1, 0.3), (0.35, 0.7), (0.6, 0.3), (0.9, 0.7)),
    "angle": _stroke((0.2, 0.1), (0.2, 0.85), (0.8, 0.85)),
    "wedge": _stroke((0.15, 0.85), (0.5, 0.12), (0.85, 0.85)),
    "hook": _stroke((0.2, 0.15), (0.8, 0.15), (0.8, 0.6), (0.45, 0.88)),
    "zed": _stroke((0.15, 0.15), (0.85, 0.15), (0.15, 0.85), (0.85, 0.85)),
}


def with_mark(picture: Image.Image, mark: Mark, scale: float) -> Image.Image:
    """The picture with one mark more."""
    side = max(2, round(mark.size * scale))
    mask = Image.new("L", (side * FINE, side * FINE))
    SHAPES[mark.shape](ImageDraw.Draw(mask), side * FINE)
    mask = mask.rotate(mark.turn, Image.Resampling.BILINEAR).resize((side, side), Image.Resampling.BOX)
    corner = round(mark.centre[1] * picture.width - side / 2), round(mark.centre[0] * picture.height - side / 2)
    picture.paste(Image.new("RGB", (side, side), mark.color), corner, mask)
    return picture


def ruled(picture: Image.Image, scene: Scene) -> Image.Image:
    """The picture with thin lines between the cells, a little darker than the background."""
    pen = ImageDraw.Draw(picture)
    color = tuple(max(0, value - 50) for value in scene.shade)
    thick = max(1, round(picture.height / scene.height * 1.5))
    for line in range(1, scene.side):
        down, right = picture.height * line / scene.side, picture.width * line / scene.side
        pen.line(((0, down), (picture.width, down)), fill=color, width=thick)
        pen.line(((right, 0), (right, picture.height)), fill=color, width=thick)
    return picture
