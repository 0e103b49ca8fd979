"""What a sentence repeats of a value that somebody sent: enough to recognise it, little enough for a line.

Guarantees: whatever the value is, the excerpt is short, holds printable characters only, shows no bytes as Python
writes them, and hides the user and the password of a URL. A large value takes no longer than a small one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import islice

LONGEST = 60  # characters of a text that a peer sent, where a line of checks cuts it
LONGEST_TEXT = 120  # characters of any text; of a longer one the end is shown too, as of a path
LONGEST_VALUE = 240  # characters of a value as it is shown, its quotes and escapes included
LONGEST_NAME = 120  # characters of the name of a field or a file
LONGEST_SENTENCE = 1000  # characters of a whole refusal
_ENTRIES = 8  # of a list or an object
_DEPTH = 2  # lists inside lists
_DIGITS = 40  # of a whole number
_SCANNED = 4096  # characters of a text that are looked at
_CREDENTIALS = re.compile(r"(?<=://)[^/?#]*@")
_CUT_CREDENTIALS = re.compile(r"(?<=://)[^/?#]*\Z")  # the text is cut before it shows whether a host has begun


class Shown(str):
    """A value told in words (`9 bytes`, `not set`): a sentence shows it without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def excerpt(value: object) -> str:
    """`value` as a sentence shows it: text in quotes, cut; bytes that are no text by their number."""
    return printable(_shown(value, _DEPTH), LONGEST_VALUE)


def printable(text: str, most: int = LONGEST_SENTENCE) -> str:
    """`text` of at most `most` characters; those that move a cursor or break a line are written as Python does."""
    cut = _cut(text, most)
    if cut.isprintable():
        return cut
    return _cut("".join(one if one.isprintable() else repr(one)[1:-1] for one in cut), most)


def named(text: str, most: int = LONGEST_NAME) -> str:
    """`text` as the name of a field, a file or an address, without quotes."""
    return printable(_without_credentials(text), most)


def shortened(text: str) -> str:
    """`text`, cut to what a sentence may repeat."""
    return _cut(text, LONGEST)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _middle_cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:80]}…{text[-39:]}"


def _without_credentials(text: str) -> str:
    if len(text) <= _SCANNED:
        return _CREDENTIALS.sub("…@", text)
    return _CUT_CREDENTIALS.sub("…", _CREDENTIALS.sub("…@", text[:_SCANNED])) + "…"


def _bytes(data: bytes | bytearray) -> str:
    """Short ones that are text, such as the first bytes of a file, help a person; others tell nobody anything."""
    if 0 < len(data) <= LONGEST and data.isascii() and data.decode().isprintable():
        return _shown(data.decode(), 0)
    return f"{len(data)} byte{'' if len(data) == 1 else 's'}"


def _several(told: Iterable[str], count: int, depth: int) -> str:
    """The first entries of a list of `count`; of one too deep inside others nothing but that."""
    if depth <= 0 and count:
        return "…"
    shown = list(islice(told, _ENTRIES))
    return ", ".join(shown if count <= _ENTRIES else [*shown, f"… {count} in all"])


def _shown(value: object, depth: int) -> str:
    match value:
        case str() if not isinstance(value, Shown):
            return repr(_middle_cut(_without_credentials(value)))
        case bytes() | bytearray():
            return _bytes(value)
        case int() if value.bit_length() > 3 * _DIGITS:
            return f"a whole number of about {value.bit_length() * 0.30103:.0f} digits"
        case Mapping():
            pairs = (f"{_shown(name, depth - 1)}: {_shown(one, depth - 1)}" for name, one in value.items())
            return "{" + _several(pairs, len(value), depth) + "}"
        case list():
            return f"[{_several((_shown(one, depth - 1) for one in value), len(value), depth)}]"
        case tuple():
            told = _several((_shown(one, depth - 1) for one in value), len(value), depth)
            return f"({told},)" if len(value) == 1 else f"({told})"
        case _:
            return repr(value)
