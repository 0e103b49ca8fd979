"""Where pictures come from: files, stdin, the clipboard, data URIs, and from the network only if the person says so.

Guarantees: a picture is read once and refused with the name that the person gave it; nothing is fetched without leave,
and of what is fetched no more than `MAX_BYTES`.
"""

from __future__ import annotations

import base64
import binascii
import io
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO

from PIL import Image

from device_client.chat import SeenPicture
from device_client.config import STDIN
from shared.errors import ImageError, Unsupported
from shared.excerpts import LONGEST, Shown, named
from shared.media.decoder import Encoded
from shared.media.images import MOST_PIXELS, open_image
from shared.media.orientation import ORIENTATION, turn
from shared.media.pixels import as_rgb

MAX_BYTES = 64 * 2**20  # of a picture that comes from elsewhere
FETCH_SECONDS = 20.0


def seen(data: bytes, name: str) -> SeenPicture:
    """The picture in `data`. Raises ImageError with `name`."""
    return SeenPicture(data, open_image(data, MOST_PIXELS, name))


def read_picture(source: str, *, allow_url: bool = False) -> SeenPicture:
    """The picture that `source` names: a file, `stdin:`, a data URI, or a URL. Raises ImageError, Unsupported."""
    if source == STDIN:
        return seen(sys.stdin.buffer.read(), "stdin")
    if source.startswith("data:") or is_url(source):
        return picture_of_uri(source, allow_url=allow_url)
    try:
        return seen(Path(source).read_bytes(), source)
    except OSError as failed:
        raise ImageError("picture", source, f"cannot be read: {failed.strerror}") from None


def picture_of_uri(uri: str, *, allow_url: bool = False) -> SeenPicture:
    """The picture of a data URI or, with leave, of an http(s) URL; never a file. Raises ImageError, Unsupported."""
    file = file_of_uri(uri, allow_url=allow_url)
    return seen(file.data, file.name)


def file_of_uri(uri: str, *, allow_url: bool = False) -> Encoded:
    """The same, not decoded. Raises ImageError, Unsupported."""
    if uri.startswith("data:"):
        return Encoded(_of_data_uri(uri), _short(uri))
    if not is_url(uri):
        raise ImageError("picture", _short(uri), "must be a data URI such as data:image/png;base64,…")
    if not allow_url:
        raise Unsupported(f"{_short(uri)} is a URL: pictures are fetched from the network only with --allow-url")
    return Encoded(_fetched(uri), _short(uri))


def is_url(source: str) -> bool:
    """Whether `source` is an address of the network."""
    return source.lower().startswith(("http://", "https://"))


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


def _of_data_uri(uri: str) -> bytes:
    """The bytes of an RFC 2397 URI; the media type is not believed."""
    head, comma, body = uri.partition(",")
    if not comma:
        raise ImageError("picture", _short(uri), "a data URI needs a comma before its data")
    if not head.endswith(";base64"):
        return urllib.parse.unquote_to_bytes(body)
    try:
        return base64.b64decode(urllib.parse.unquote_to_bytes(body), validate=True)
    except binascii.Error as broken:
        raise ImageError("picture", _short(uri), f"is no base64: {broken}") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An address may not send us to another one, which may be one of our own network."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: object, newurl: str
    ) -> None:
        return None


def _fetched(url: str) -> bytes:
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(url, timeout=FETCH_SECONDS) as response:
            data: bytes = response.read(MAX_BYTES + 1)
    except (urllib.error.URLError, OSError, ValueError) as failed:
        raise ImageError("picture", _short(url), f"cannot be fetched: {getattr(failed, 'reason', failed)}") from None
    if len(data) > MAX_BYTES:
        raise ImageError("picture", _short(url), f"must be at most {MAX_BYTES} bytes")
    return data


def _short(source: str) -> str:
    return named(source, LONGEST)
