"""Gumbel noise as a pure function of (seed, position, id): both ends compute the same, nobody sends it.

Guarantees: the 32 random bits behind a number are identical on every machine; the logarithms after them agree to one
ulp of float64. Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11), key = seed,
counter = (position, id div 4, choice, domain), lane = id mod 4.
"""

from __future__ import annotations

import enum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint64]  # 32-bit words, kept in 64 bits so that products do not overflow

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

# The noise lies within (-3.14, 22.88) because uniforms lie within [2**-33, 1 - 2**-33]: an id whose logit is more than
# SPAN * temperature below the best cannot win.
SPAN = 26.01

# Ids drawn at once: their arrays stay below 128 KiB. Larger ones the allocator may fetch from the system each time.
_CHUNK = 8192


class Domain(enum.IntEnum):
    """What a draw is for; draws of different domains are independent."""

    COUPLED = 0  # what a model says by itself
    DRAFT = 1  # rejection: what a draft proposes
    ACCEPT = 2  # rejection: whether that stands
    RESIDUAL = 3  # rejection: what takes its place


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Philox4x32 with 10 rounds, elementwise over arrays of 32-bit words."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        product0, product1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (product1 >> _HALF) ^ c1 ^ np.uint64(k0),
            product1 & _LOW,
            (product0 >> _HALF) ^ c3 ^ np.uint64(k1),
            product0 & _LOW,
        )
        k0, k1 = (k0 + _KEY_STEPS[0]) & 0xFFFFFFFF, (k1 + _KEY_STEPS[1]) & 0xFFFFFFFF
    return c0, c1, c2, c3


def word(seed: int, position: int, domain: Domain, choice: int = 0) -> int:
    """The 32 bits of id 0 at output position `position`: for draws that need one uniform number and no more."""
    zero, at, of = (np.full(1, value, np.uint64) for value in (0, position, domain))
    drawn = philox((at, zero, np.full(1, choice, np.uint64), of), (seed & 0xFFFFFFFF, seed >> 32))
    return int(drawn[0][0])


def gumbel(
    seed: int, position: int, ids: NDArray[np.int64], choice: int = 0, domain: Domain = Domain.COUPLED
) -> NDArray[np.float64]:
    """Standard Gumbel noise for each of `ids` at output position `position`: [ids].

    `seed` is a 64-bit key. g = -log(-log((x + 0.5) / 2**32)) with x the id's 32 bits.
    """
    if len(ids) > _CHUNK:
        chunks = (ids[begin : begin + _CHUNK] for begin in range(0, len(ids), _CHUNK))
        return np.concatenate([gumbel(seed, position, chunk, choice, domain) for chunk in chunks])
    every = ids >> 2
    news = np.diff(every, prepend=-1) != 0  # neighbours share a block, which is drawn once
    blocks = every[news].astype(np.uint64)

    def constant(word: int) -> Words:
        return np.full_like(blocks, word)

    counter = (constant(position), blocks, constant(choice), constant(domain))
    lanes = np.stack(philox(counter, (seed & 0xFFFFFFFF, seed >> 32)), axis=1).ravel()
    bits = lanes[4 * np.cumsum(news) - 4 + (ids & 3)]
    uniform: NDArray[np.float64] = (bits.astype(np.float64) + 0.5) / 2.0**32
    return -np.log(-np.log(uniform))
