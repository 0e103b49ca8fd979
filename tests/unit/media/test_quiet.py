"""A process says nothing of its own accord about the images of strangers."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
from shared.media.quiet import quiet_decoders

quiet_decoders()
import io

import numpy as np
from PIL import Image
from transformers.image_utils import infer_channel_dimension_format

from shared.errors import ImageError
from shared.media.images import open_image

infer_channel_dimension_format(np.zeros((3, 1, 1)))  # an image of one pixel
file = io.BytesIO()
Image.effect_noise((64, 64), 90).save(file, "TIFF", compression="tiff_deflate")
data = bytearray(file.getvalue())
data[8:40] = bytes(32)
try:
    open_image(bytes(data), 10**6, "x.tif")
except ImageError:
    print("refused")
"""


def test_what_libraries_have_to_say_of_an_image_is_not_on_stderr() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRANSFORMERS_VERBOSITY"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, check=True)
    assert (done.stdout, done.stderr) == ("refused\n", "")
