"""What tells the tokens of prompts from each other by content, so that two decoders know what they hold alike.

A mark is three numbers, [.., 3] int64: of a token of text (0, 0, id), of a visual token 16 bytes that its picture alone
has and its number in it. Guarantees: two pictures have the same marks only if whoever named them by content said the
same, and the model shows both in the same way; what nobody has named is like itself alone. It runs no forward.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

import torch
from torch import Tensor

_BYTES = 16  # of a picture: no two alike by chance


def of_text(ids: Tensor) -> Tensor:  # [tokens] -> [tokens, 3]
    """The marks of text."""
    return torch.stack([torch.zeros_like(ids), torch.zeros_like(ids), ids], dim=-1)


def of_pictures(digests: Sequence[bytes], shown: Sequence[object], counts: Sequence[int]) -> Tensor:
    """The marks of visual tokens, `counts` of each picture: [visual tokens, 3].

    `digests`: each picture's, by its content; () where nobody has said. `shown`: what else decides how the model sees
    each picture, such as its tiles.
    """
    if not digests:
        return unlike(sum(counts))
    marks = [_marks(digest + repr(how).encode(), n) for digest, how, n in zip(digests, shown, counts, strict=True)]
    return torch.cat([torch.zeros(0, 3, dtype=torch.long), *marks])


def unlike(count: int) -> Tensor:
    """Marks that no other tokens have: [count, 3]."""
    return _marks(secrets.token_bytes(_BYTES), count)


def of_mixed(marks: Tensor, tokens: Sequence[int], mixing: Tensor) -> Tensor:  # [visual tokens, 3] -> the same
    """The marks after each of `tokens` was replaced by a sum of all, weighted by a row of `mixing`."""
    weights = mixing.detach().cpu().contiguous().double().numpy().tobytes()
    recipe = marks.contiguous().numpy().tobytes() + repr(list(tokens)).encode() + weights
    return marks.index_copy(0, torch.tensor(tokens, dtype=torch.long), _marks(recipe, len(tokens)))


def _marks(content: bytes, count: int) -> Tensor:
    digest = hashlib.sha256(content).digest()
    first, second = (int.from_bytes(digest[i : i + 8], "little", signed=True) for i in (0, 8))
    return torch.stack([torch.full((count,), first), torch.full((count,), second), torch.arange(count)], dim=-1)
