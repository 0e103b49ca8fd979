"""Draws scenes with the packaged sprite sheet alone: no system font, the same pixels for the same scene."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from shared.demo.backgrounds import pattern
from shared.demo.marks import ruled, with_mark
from shared.demo.scenes import Scene

FOLDER = Path(__file__).parent
STRONGEST_GRAIN = 7  # the noise of a scene lies in [-strength, strength], strength in 0 .. 7


@cache
def sprites() -> dict[str, Image.Image]:
    """Every noun's sprite, RGBA squares cut from the sheet."""
    index = json.loads((FOLDER / "sprites.json").read_text(encoding="utf-8"))
    with Image.open(FOLDER / "sprites.png") as opened:
        sheet = opened.convert("RGBA")
    side = index["side"]
    return {
        noun: sheet.crop((column * side, row * side, (column + 1) * side, (row + 1) * side))
        for noun, (row, column) in index["places"].items()
    }


def draw(scene: Scene, scale: float = 1.0) -> Image.Image:
    """The picture of a scene, RGB, `scale` times as large as the scene says."""
    height, width = round(scene.height * scale), round(scene.width * scale)
    strength = scene.grain % (STRONGEST_GRAIN + 1)
    rng = np.random.default_rng(scene.grain)
    grain = rng.integers(-strength, strength + 1, (height, width, 1), dtype=np.int16)
    shade = np.array(scene.shade, dtype=np.int16) + grain
    if scene.texture is not None:
        shade = shade + pattern(scene.texture, (height, width), scale)
    picture = Image.fromarray(np.clip(shade, 0, 255).astype(np.uint8), "RGB")
    if scene.ruled:
        picture = ruled(picture, scene)
    for mark in scene.marks:
        picture = with_mark(picture, mark, scale)
    for thing in scene.things:
        down, right, side = (value * scale for value in scene.box(thing))
        sprite = sprites()[thing.noun].resize((round(side), round(side)), Image.Resampling.BILINEAR, reducing_gap=2.0)
        sprite = sprite.rotate(thing.turn, Image.Resampling.BILINEAR)
        picture.paste(sprite, (round(right - side / 2), round(down - side / 2)), sprite)
    return picture
