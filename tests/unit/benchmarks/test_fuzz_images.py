"""Some hundred spoiled images of the many that the fuzz opens, and that the fuzz itself sees what it is to see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.fuzz.images import run_in_child

ROOT = Path(__file__).parents[3]


def test_spoiled_images_are_opened_or_refused_within_what_their_headers_say() -> None:
    tally = run_in_child(images=500, seed=11)
    assert (tally.wrong, tally.beyond, tally.started, tally.warned) == ([], [], [], 0)
    assert tally.opened + tally.refused == 500
    assert min(tally.opened, tally.refused) > 50


def test_a_loader_that_asks_every_decoder_is_found_out() -> None:
    """What stood here before: any format that Pillow registers, a decoder's own words, and its memory."""
    code = """
import io, json, os
from dataclasses import asdict
from PIL import Image
from benchmarks.fuzz import images
def guess(data, max_pixels, name):
    return Image.open(io.BytesIO(data)).convert("RGBA")
tally = images.fuzz(60, 11, guess)
print(len(tally.wrong))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 5
