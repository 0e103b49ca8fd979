"""Renders the nouns' emoji into one sheet with an index: `python -m training.sprites FONT`.

The only step that needs a colour emoji font; the world draws from the sheet.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from shared.demo.words import EMOJI

SIDE = 96
COLUMNS = 8
FONT_SIZE = 109  # the only size of the bitmap font
FOLDER = Path(__file__).parents[1] / "shared" / "demo"


def sprite(emoji: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """One emoji, cut to its ink and centred in a square."""
    canvas = Image.new("RGBA", (192, 192), (0, 0, 0, 0))
    ImageDraw.Draw(canvas).text((20, 20), emoji, font=font, embedded_color=True)
    box = canvas.getbbox()
    if box is None:
        raise ValueError(f"the font has no glyph for {emoji!r}")
    ink = canvas.crop(box)
    ratio = (SIDE - 4) / max(ink.size)
    ink = ink.resize((max(1, round(ink.width * ratio)), max(1, round(ink.height * ratio))), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    square.paste(ink, ((SIDE - ink.width) // 2, (SIDE - ink.height) // 2))
    return square


def make_sheet(font_path: Path, folder: Path) -> None:
    """Writes sprites.png and sprites.json."""
    font = ImageFont.truetype(str(font_path), FONT_SIZE)
    rows = -(-len(EMOJI) // COLUMNS)
    sheet = Image.new("RGBA", (COLUMNS * SIDE, rows * SIDE), (0, 0, 0, 0))
    places: dict[str, tuple[int, int]] = {}
    for index, (noun, emoji) in enumerate(EMOJI.items()):
        row, column = divmod(index, COLUMNS)
        sheet.paste(sprite(emoji, font), (column * SIDE, row * SIDE))
        places[noun] = (row, column)
    sheet.save(folder / "sprites.png", optimize=True)
    (folder / "sprites.json").write_text(json.dumps({"side": SIDE, "places": places}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    make_sheet(Path(sys.argv[1]), FOLDER)
