"""How right an answer is, from 0 to 1, by the customs of the data it belongs to. Pure functions of texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

_ARTICLES = frozenset({"a", "an", "the"})
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_AGREEING = 3  # of the ten people who were asked
_LETTER = re.compile(
    r"(?:^|(?i:answer\s*(?:is|:)?\s*|^option\s*))"
    r"(?:\(([A-Ja-j])\)|([B-HJ])(?=$|[\s.,:)])"
    r"|([AIa-j])(?=$|[.,:)]|\s*\n|\s+(?:is|because|since)\b))"  # else it is a word, or the beginning of one
)


class Scoring(StrEnum):
    """EXACT: it is one of the right ones, but for case, articles and marks. LETTER: it chooses the right letter first.

    VOTE: a third for each person who said the same, at most 1, as VQAv2 counts.
    """

    EXACT = "exact"
    LETTER = "letter"
    VOTE = "vote"


def score(said: str, right: Sequence[str], scoring: Scoring) -> float:
    """How right `said` is; `right` holds every right answer, or what each person said."""
    match scoring:
        case Scoring.LETTER:
            found = _LETTER.search(said.strip())
            letter = found[found.lastindex or 0].upper() if found else None
            return float(letter in [each.strip().upper() for each in right])
        case Scoring.VOTE:
            return min(1.0, sum(plain(each) == plain(said) for each in right) / _AGREEING)
        case Scoring.EXACT:
            return float(plain(said) in [plain(each) for each in right])


def plain(text: str) -> str:
    """Lower case, no articles, no marks but those within numbers, small numbers as digits."""
    words = re.sub(r"(?<!\d)[.,]|[.,](?!\d)|[^\w\s.,'-]", " ", text.lower()).split()
    kept = [str(_NUMBERS.index(word)) if word in _NUMBERS else word for word in words if word not in _ARTICLES]
    return " ".join(kept)
