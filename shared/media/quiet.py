"""Decoders say nothing by themselves: what they find in a stranger's bytes is in the refusal, not on stderr."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import warnings

from PIL import _imaging


def quiet_decoders() -> None:
    """For a whole process, at its start: no line of libtiff, no warning and no log line of Pillow's about an image.

    Otherwise a peer would write to this process' stderr, whatever the form of its log.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    with contextlib.suppress(OSError, AttributeError, TypeError):  # libtiff may be linked in without its names
        libtiff = ctypes.CDLL(_imaging.__file__)
        libtiff.TIFFSetErrorHandler(None)
        libtiff.TIFFSetWarningHandler(None)
