"""Checks of what a peer sends: each gives the value back, or refuses it with the field, the value and the limit.

They know neither the wire nor a conversation. A sentence never holds more of a value than a person can use: long text
is cut, bytes and lists are told by their number (which also keeps secrets out of logs).
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import TypeVar

from shared import excerpts
from shared.errors import CovspecError, InvalidValue
from shared.excerpts import printable

Shown, shortened = excerpts.Shown, excerpts.shortened  # for who checks with these
POSITIONS = 2**31  # positions, ids and counts stay below this, so that int32 tensors hold them

Error = TypeVar("Error", bound=CovspecError)

NOT_SET = Shown("not set")


def rebuilt(kind: type[Error], sentence: str) -> Error:
    """An error of `kind` that says `sentence` and nothing else: the one place that goes round `__init__`.

    The constructor of InvalidValue composes its sentence of parts; a sentence from a peer comes whole, and `__new__`
    alone keeps it.
    """
    return kind.__new__(kind, printable(sentence))


def within(field: str, value: int, low: int, high: int) -> int:
    """`value`, which must lie in [low, high]."""
    if not low <= value <= high:
        raise InvalidValue(field, value, f"must lie between {low} and {high}")
    return value


def position(field: str, value: int) -> int:
    """`value`, a position or a count of tokens: below POSITIONS."""
    if value >= POSITIONS:
        raise InvalidValue(field, value, f"must be below {POSITIONS}")
    return value


def at_most(field: str, values: Sized, most: int, noun: str) -> None:
    """Refuses more than `most` values; `noun` names them in the sentence."""
    if len(values) > most:
        raise InvalidValue(field, Shown(f"{len(values)} {noun}"), f"must be at most {most} {noun}")


def one_each(field: str, values: Sized, count: int) -> None:
    """Refuses a list that has not just one entry for each of `count` ids."""
    if len(values) != count:
        raise InvalidValue(field, Shown(f"{len(values)} entries"), f"must be empty or one for each of {count} ids")


def ids(field: str, values: Sequence[int], most: int, below: int = POSITIONS) -> tuple[int, ...]:
    """`values` as a tuple: at most `most` of them, each below `below`."""
    at_most(field, values, most, "ids")
    taken = tuple(values)
    if taken and max(taken) >= below:
        index = next(index for index, value in enumerate(taken) if value >= below)
        raise InvalidValue(f"{field}[{index}]", taken[index], f"must be below {below}")
    return taken


def exactly(field: str, data: bytes, size: int) -> bytes:
    """`data`, which must have `size` bytes."""
    if len(data) != size:
        raise InvalidValue(field, Shown(f"{len(data)} bytes"), f"must be {size} bytes")
    return data


def text(field: str, value: str, most: int) -> str:
    """`value`, of at most `most` bytes in UTF-8."""
    size = utf8_size(field, value)
    if size > most:
        raise InvalidValue(field, shortened(value), f"must be at most {most} bytes, not {size}")
    return value


def line(field: str, value: str, most: int) -> str:
    """`value`, a text of at most `most` bytes that may stand in a log or on a terminal: no control characters."""
    if not text(field, value, most).isprintable():
        raise InvalidValue(field, shortened(value), "must hold printable characters only")
    return value


def utf8_size(field: str, value: str) -> int:
    """Bytes of `value` in UTF-8. Half of a surrogate pair (undecodable bytes of a command line) has none."""
    try:
        return len(value.encode())
    except UnicodeEncodeError as error:
        rule = f"must be text that UTF-8 can carry; character {error.start} is not"
        raise InvalidValue(field, shortened(value), rule) from None
