"""Data URIs as browsers read them: RFC 2397 with the forgiving base64 of the WHATWG's Infra and Fetch standards.

Guarantees: what is refused is an ImageError with the name that was given, never with the URI itself, which may be long.
"""

from __future__ import annotations

import base64
import re
import string

import numpy as np
import numpy.typing as npt

from shared.errors import ImageError
from shared.excerpts import Shown, excerpt

_SCHEME = "data:"
_EDGES = "".join(map(chr, range(0x21)))  # control characters and the space: no URL begins or ends with them
_BREAKS = "\t\n\r"  # in no URL, its scheme included
_NO_BREAKS = str.maketrans("", "", _BREAKS)
_MOST_BEGIN = 64  # characters in which a scheme ends, breaks and all
_WHITESPACE = b"\t\n\f\r "
_BASE64 = re.compile(r";\x20*base64\Z", re.IGNORECASE)
_ALPHABET = (string.ascii_letters + string.digits + "+/").encode()
_SLICE = 2**20  # bytes that are percent-decoded at once
_DIGITS = np.full(256, 16, np.uint8)  # by byte: the value of a hexadecimal digit; 16 is none
for _digit in "0123456789abcdefABCDEF":
    _DIGITS[ord(_digit)] = int(_digit, 16)


def is_data_uri(source: str) -> bool:
    """Whether `source` is one."""
    begin = source.lstrip(_EDGES)[:_MOST_BEGIN].translate(_NO_BREAKS)
    return begin[: len(_SCHEME)].lower() == _SCHEME


def decoded(uri: str, name: str) -> bytes:
    """The bytes in `uri`; its media type is not believed. Raises ImageError with `name`."""
    uri = uri.strip(_EDGES)
    for character in _BREAKS:
        uri = uri.replace(character, "")
    head, comma, body = uri[len(_SCHEME) :].partition(",")
    if not comma:
        raise _broken(name, "a data URI needs a comma before its data")
    try:
        data = _unescaped(body.partition("#")[0].encode())
    except UnicodeEncodeError:
        raise _broken(name, "holds characters that no URI can hold") from None
    data = _of_base64(data, name) if _BASE64.search(head.strip()) else data
    if not data:
        raise _broken(name, "holds no data")
    return data


def _of_base64(data: bytes, name: str) -> bytes:
    plain = data.translate(None, _WHITESPACE)
    if len(plain) % 4 == 0:
        plain = plain[:-2] + plain[-2:].rstrip(b"=")
    if foreign := plain.translate(None, _ALPHABET):
        character = foreign[:1].decode("ascii", "replace")
        hint = ", which has + and / where the form for URLs has - and _" if character in "-_" else ""
        raise _broken(name, f"{excerpt(character)} is not part of base64{hint}")
    if len(plain) % 4 == 1:
        raise _broken(name, "its base64 is cut short")
    return base64.b64decode(plain + b"=" * (-len(plain) % 4))


def _unescaped(text: bytes) -> bytes:
    """`text` without its percent-encoding, slice by slice: the library's way takes minutes and gigabytes at worst."""
    if b"%" not in text:
        return text
    pieces, begin = [], 0
    while begin < len(text):
        end = begin + _SLICE
        last = text.rfind(b"%", end - 2, end)
        end = last if last > begin else end  # no escape is cut in two
        pieces.append(_unescaped_slice(np.frombuffer(text[begin:end], np.uint8)))
        begin = end
    return b"".join(pieces)


def _unescaped_slice(text: npt.NDArray[np.uint8]) -> bytes:
    at = np.flatnonzero(text[:-2] == ord("%"))
    high, low = _DIGITS[text[at + 1]], _DIGITS[text[at + 2]]
    whole = (high < 16) & (low < 16)
    at, values = at[whole], (high * 16 + low)[whole]
    kept = np.ones(len(text), bool)
    kept[at + 1] = kept[at + 2] = False
    unescaped = text.copy()
    unescaped[at] = values
    return unescaped[kept].tobytes()


def _broken(name: str, rule: str) -> ImageError:
    return ImageError(name, Shown("a data URI"), rule)
