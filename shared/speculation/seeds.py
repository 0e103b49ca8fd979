"""Seeds of answers that belong together: the choices of one question, and the turns of one chat.

Guarantees: the first answer has the seed itself; the others have seeds that are a pure function of (seed, choice, turn)
and as good as independent, so that no two of them share their noise.
"""

from __future__ import annotations

import hashlib


def derived_seed(seed: int, choice: int, turn: int) -> int:
    """The 64-bit seed of the `choice`-th answer in the `turn`-th turn, both from 0.

    The head of SHA-256 over the three numbers, little-endian in 8 bytes each; `seed` itself for (0, 0).
    """
    if choice == turn == 0:
        return seed
    numbers = b"".join(number.to_bytes(8, "little") for number in (seed, choice, turn))
    return int.from_bytes(hashlib.sha256(numbers).digest()[:8], "little")
