"""Where pictures come from: files, stdin, the clipboard, data URIs, and from the network only if the person says so.

Guarantees: a picture is read once and refused with the name that the person gave it; nothing is fetched without leave,
and of what is fetched no more than `MAX_BYTES`.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Protocol, runtime_checkable

from PIL import Image

from device_client.chat import SeenPicture
from device_client.config import STDIN
from device_client.data_uri import decoded, is_data_uri
from shared.errors import ImageError, InvalidValue, Unsupported
from shared.excerpts import Shown
from shared.media.images import MOST_PIXELS, open_image
from shared.media.orientation import ORIENTATION, turn
from shared.media.pixels import as_rgb

MAX_BYTES = 64 * 2**20  # of a picture that comes from elsewhere
MOST_FILE_BYTES = 2**30  # of a file, which may be endless; no edge takes a larger one


def seen(data: bytes, name: str) -> SeenPicture:
    """The picture in `data`. Raises ImageError with `name`."""
    return SeenPicture(data, open_image(data, MOST_PIXELS, name))


def read_picture(source: str, *, allow_url: bool = False, most: int = MOST_FILE_BYTES) -> SeenPicture:
    """The picture that `source` names: a file, `stdin:`, a data URI, or a URL. Raises ImageError, Unsupported."""
    if source == STDIN:
        return picture_in(sys.stdin.buffer, "stdin", most)
    if is_data_uri(source) or is_url(source):
        return picture_of_uri(source, allow_url=allow_url)
    try:
        with Path(source).open("rb") as file:
            return picture_in(file, source, most)
    except OSError as failed:
        raise ImageError("picture", source, f"cannot be read: {failed.strerror}") from None
    except InvalidValue:
        raise
    except ValueError:  # a zero byte
        raise ImageError("picture", source, "cannot be read: no file can have this name") from None


@runtime_checkable
class Readable(Protocol):
    """A file opened for reading bytes, or what reads like one."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes."""


def picture_in(file: Readable, name: str, most: int = MOST_FILE_BYTES) -> SeenPicture:
    """The picture in an open file. Raises ImageError, OSError."""
    data = file.read(most + 1)
    if isinstance(data, str):
        raise ImageError("picture", Shown("a file opened as text"), "must be opened in mode 'rb'")
    if len(data) > most:
        raise ImageError("picture", name, f"must have at most {most} bytes")
    return seen(data, name)


def picture_of_uri(uri: str, *, allow_url: bool = False) -> SeenPicture:
    """The picture of a data URI or, with leave, of an http(s) URL; never a file. Raises ImageError, Unsupported."""
    if is_data_uri(uri):
        return seen(decoded(uri, "picture"), "picture")
    if not is_url(uri):
        raise ImageError("picture", Shown("no URI"), "must be a data URI such as data:image/png;base64,…")
    from device_client.fetching import fetched, shown  # heavy, and seldom wanted

    if not allow_url:
        raise Unsupported(f"{shown(uri)} is a URL: pictures are fetched from the network only with --allow-url")
    return seen(fetched(uri, "picture", MAX_BYTES), shown(uri))


def is_url(source: str) -> bool:
    """Whether `source` is an address of the network."""
    return source.lstrip().lower().startswith(("http://", "https://"))


def as_png(image: Image.Image) -> SeenPicture:
    """An image of Pillow's, treated as the file that it came from would be. Raises ImageError."""
    if image.width * image.height > MOST_PIXELS:
        raise ImageError("picture", image.size, f"must have at most {MOST_PIXELS} pixels")
    file = io.BytesIO()
    try:
        image.load()
        upright = as_rgb(image, turn(image.getexif().get(ORIENTATION, 1)))
        upright.save(file, "png")
    except Exception:  # closed, cut short, empty, of a mode without colours: Pillow says it in many ways
        raise ImageError("picture", Shown("a Pillow image"), "it is closed, cut short, empty or broken") from None
    return SeenPicture(file.getvalue(), upright.copy() if upright is image else upright)
