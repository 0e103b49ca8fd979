"""Pruners by name, and the one call that prunes.

Guarantees of `prune`: kept indices are sorted, different, in range, and no more than the budget; a budget of all tokens
keeps them all as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import torch

from device_client.prune.cells import erc
from device_client.prune.covspec import covspec
from device_client.prune.diverse import divprune, pivoted_qr
from device_client.prune.plain import evenly, randomly, text_only
from device_client.prune.pooling import pool
from device_client.prune.sight import Ask, Kept, Pruner, Sight
from device_client.prune.verifier import verifier
from device_client.prune.visionzip import visionzip
from device_client.prune.wish import Choice

_ASKS = MappingProxyType({"relevance": Ask.QUESTION, "activity": Ask.UPDATE})


def _covspec(choice: Choice) -> Pruner:
    asks = frozenset(ask for part, ask in _ASKS.items() if part in choice.parts)
    return Pruner(partial(covspec, choice.parts), asks)


_MAKERS: Mapping[str, Callable[[Choice], Pruner]] = MappingProxyType(
    {
        "covspec": _covspec,
        "none": lambda _: Pruner(lambda sight, _: _everything(sight)),
        "text-only": lambda _: Pruner(text_only),
        "random": lambda choice: Pruner(partial(randomly, choice.seed)),
        "grid": lambda _: Pruner(evenly),
        "pool": lambda _: Pruner(pool),
        "divprune": lambda _: Pruner(partial(divprune, centred=False)),
        "divprune-centred": lambda _: Pruner(partial(divprune, centred=True)),
        "visionzip": lambda _: Pruner(visionzip, frozenset({Ask.GAZE})),
        "pivoted-qr": lambda _: Pruner(pivoted_qr),
        "erc": lambda _: Pruner(erc, frozenset({Ask.UPDATE, Ask.GREY})),
        "verifier": lambda _: Pruner(verifier, frozenset({Ask.VERIFIER})),
    }
)


def pruner(choice: Choice) -> Pruner:
    """The pruner of that name."""
    return _MAKERS[choice.name](choice)


def prune(chosen: Pruner, sight: Sight, budget: int) -> Kept:
    """The tokens that `chosen` keeps of `sight`, at most `budget`."""
    if budget >= sight.count:
        return _everything(sight)
    if budget <= 0:
        return Kept(())
    with torch.inference_mode():
        return chosen.choose(sight, budget)


def _everything(sight: Sight) -> Kept:
    return Kept(tuple(range(sight.count)))
