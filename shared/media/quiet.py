"""Libraries say nothing of a stranger's bytes by themselves: what is wrong is in the refusal, not on stderr."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import warnings

from PIL import _imaging


def quiet_decoders() -> None:
    """For a whole process, at its start: no line of libtiff, Pillow or transformers about an image.

    Otherwise a peer would write to this process' stderr, whatever the form of its log.
    """
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it is read when transformers is imported
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    with contextlib.suppress(OSError, AttributeError, TypeError):  # libtiff may be linked in without its names
        libtiff = ctypes.CDLL(_imaging.__file__)
        libtiff.TIFFSetErrorHandler(None)
        libtiff.TIFFSetWarningHandler(None)
