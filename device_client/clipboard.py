"""The clipboard's image: its bytes go through the same decoding as a file's, as another program put them there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from PIL import Image, ImageGrab

from device_client.chat import SeenPicture
from device_client.pictures import as_png, read_picture, seen
from shared.errors import ImageError, Unsupported

_WAYLAND = ("wl-paste", "-t", "image")
_X11 = ("xclip", "-selection", "clipboard", "-t", "image/png", "-o")
_MACOS = ("osascript", "-e", "get the clipboard as «class PNGf»")
# What those programs say of a clipboard that is empty, or holds something else.
_NOTHING = ("nothing is copied", "no selection", "no suitable type", "not available", "cannot convert", "no owner")
_SHOWN = 200  # characters of what they say


def clipboard_picture() -> SeenPicture:
    """The image in the clipboard. Raises ImageError if there is none, Unsupported if there is no clipboard."""
    if sys.platform == "win32":
        return _of_windows()
    output = _output(_MACOS if sys.platform == "darwin" else _linux())
    if sys.platform == "darwin":  # «data PNGf89504E47...»
        output = bytes.fromhex(output.decode("ascii", "ignore").rpartition("PNGf")[2].strip("»\r\n "))
    return seen(output, "clipboard")


def _of_windows() -> SeenPicture:
    grabbed = ImageGrab.grabclipboard()
    if isinstance(grabbed, list) and grabbed:  # files that were copied
        return read_picture(grabbed[0])
    if not isinstance(grabbed, Image.Image):
        raise _nothing()
    return as_png(grabbed)


def _linux() -> tuple[str, ...]:
    """The program that reads the clipboard of this session."""
    wayland, x11 = bool(os.environ.get("WAYLAND_DISPLAY")), bool(os.environ.get("DISPLAY"))
    if (wayland or not x11) and shutil.which(_WAYLAND[0]):
        return _WAYLAND
    if not wayland and shutil.which(_X11[0]):
        return _X11
    raise Unsupported("the clipboard cannot be read here: install wl-clipboard (Wayland) or xclip (X11)")


def _output(command: tuple[str, ...]) -> bytes:
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError as failed:
        raise Unsupported(f"the clipboard cannot be read here: {command[0]}: {failed.strerror}") from None
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode("utf-8", "replace").strip()
    if sys.platform == "darwin" or any(each in said.lower() for each in _NOTHING):
        raise _nothing()
    raise Unsupported(f"the clipboard cannot be read here: {command[0]}: {said[:_SHOWN]}")


def _nothing() -> ImageError:
    return ImageError("clipboard", "no picture", "copy one first")
