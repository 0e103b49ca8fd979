"""What a hostile device says: whole conversations whose bytes, order or pictures are spoiled, from a seed.

Pure: the same generator says the same. A conversation is the list of its messages as bytes.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable

import numpy as np
from PIL import Image

from shared.speculation.messages import Finish, FinishReason, Ping, Propose, Yield
from shared.speculation.prints import VocabularyPrint
from shared.wire.codec import FromDevice, encode_request
from shared.wire.handshake import Open, Resume
from tests.support.raw_device import chunks, eager, opening

Conversation = list[bytes]
_FORMATS = ("png", "jpeg", "gif", "bmp", "webp")
_LARGE = (0, 1, 2**7, 2**14 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)


def conversation(rng: random.Random) -> tuple[str, Conversation]:
    """One spoiled conversation, and in which way it is."""
    name = rng.choice(list(_WAYS))
    return name, _WAYS[name](rng)


def _valid(rng: random.Random, picture: bytes | None = None) -> Conversation:
    pictures = () if picture is None else (picture,)
    said = opening("what is it?", *pictures)
    messages: list[FromDevice] = [eager(said) if rng.random() < 0.5 else said, *chunks(*pictures, size=700)]
    base = 0
    for _ in range(rng.randrange(5)):
        ids = tuple(rng.randrange(2, 256) for _ in range(rng.randrange(4)))
        messages.append(Propose(0, base, ids))
        base += len(ids)
    asides: list[FromDevice] = [Yield(rng.random() < 0.8), Ping()]
    messages += asides[: rng.randrange(3)]
    if rng.random() < 0.7:
        messages.append(Finish(FinishReason.CANCELLED))
    return [_bytes(message) for message in messages]


def spoiled_bytes(rng: random.Random) -> Conversation:
    """Bits flipped, bytes put in, taken out, repeated, in one to three of the messages."""
    said = _valid(rng, a_picture(rng) if rng.random() < 0.2 else None)
    for _ in range(rng.randint(1, 3)):
        index = rng.randrange(len(said))
        said[index] = _spoil(rng, said[index])
    return said


def spoiled_numbers(rng: random.Random) -> Conversation:
    """Fields with the largest and smallest numbers there are, which the checks have to find."""
    said = _valid(rng)
    large = rng.choice(_LARGE)
    small = large % 2**32
    odd: list[FromDevice] = [
        Propose(small, rng.choice(_LARGE) % 2**32, (small, small)),
        Propose(0, 0, tuple(rng.randrange(2**32) for _ in range(rng.randrange(1, 80)))),
        Propose(0, 0, (5,), given=large % 2**64),
        Propose(0, 0, (5,), draft_probability=(rng.choice([0.5, float("nan"), float("inf"), -1.0]),)),
        Propose(0, 0, (5,), parents=(small,)),
        Resume(rng.randbytes(16), rng.randbytes(16), small),
        VocabularyPrint(small, rng.randbytes(rng.randrange(80))),
    ]
    said.insert(rng.randint(1, len(said)), _bytes(rng.choice(odd)))
    return said


def spoiled_order(rng: random.Random) -> Conversation:
    """The right messages: shuffled, doubled, dropped, without their beginning, or two conversations in one."""
    said = _valid(rng, a_picture(rng) if rng.random() < 0.3 else None)
    match rng.randrange(5):
        case 0:
            rng.shuffle(said)
        case 1:
            said = [message for message in said for _ in range(rng.randint(1, 3))]
        case 2:
            said = [message for message in said if rng.random() < 0.7]
        case 3:
            said = said[rng.randint(1, len(said)) :]
        case _:
            said += _valid(rng)
    return said


def spoiled_picture(rng: random.Random) -> Conversation:
    """A picture that is none, under its right digest: what opens it has to find that out."""
    picture = a_picture(rng)
    match rng.randrange(4):
        case 0:
            picture = picture[: rng.randint(1, len(picture))]
        case 1:
            picture = rng.randbytes(rng.randint(1, 3000))
        case 2:
            picture = picture[: rng.randint(1, 40)] + rng.randbytes(200)
        case _:
            for _ in range(rng.randint(1, 4)):
                picture = _spoil(rng, picture) or b"?"
    return _valid(rng, picture)


def a_picture(rng: random.Random) -> bytes:
    """A small picture of some kind."""
    pixels = np.frombuffer(rng.randbytes(3 * 20 * 20), dtype=np.uint8).reshape(20, 20, 3)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, rng.choice(_FORMATS))
    return file.getvalue()


def _spoil(rng: random.Random, data: bytes) -> bytes:
    at = rng.randint(0, len(data))
    match rng.randrange(5):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + rng.randbytes(rng.randint(1, 12)) + data[at:]
        case 2:
            return data[:at] + data[at + rng.randint(1, 8) :]
        case 3:
            return data[:at] + data[max(0, at - rng.randint(1, 60)) : at] * rng.randint(1, 4) + data[at:]
        case _:
            flipped = bytearray(data or b"\0")
            for _ in range(rng.randint(1, 6)):
                flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
            return bytes(flipped)


def _bytes(message: FromDevice | Open) -> bytes:
    return encode_request(message).SerializeToString()


_WAYS: dict[str, Callable[[random.Random], Conversation]] = {
    "bytes": spoiled_bytes,
    "numbers": spoiled_numbers,
    "order": spoiled_order,
    "picture": spoiled_picture,
}
