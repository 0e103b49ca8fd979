"""Attention over a row that holds the new tokens of many sequences, one behind the other, without padding.

Everything else in a decoder layer treats tokens one by one and runs over the row as it is; here each sequence's keys
and values go to its own store, and its queries see that store alone. It is registered with transformers as one more
attention function, so the modelling code stays stock. What it cannot do is refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as attention

from shared.errors import ModelError
from shared.vlm.store import Store

NAME = "covspec_packed"
_KNOWN_LAYERS = frozenset({"full_attention", "sliding_attention"})
_UNKNOWN_TERMS = ("softcap", "s_aux", "position_bias")  # what some families add to their scores


@dataclass(frozen=True)
class Sight:
    """What the first tokens of a sequence see, and where they count, if that is not simply all before them.

    `ends`: token i sees slots [0, ends[i]), i + 1 unless it looks ahead. `places`: what windows count, rising.
    Tokens behind them see what is before them; each is one place further on, from `beyond` on.
    """

    ends: Tensor  # [tokens]
    places: Tensor  # [tokens]
    beyond: int

    @property
    def lasts(self) -> bool:
        """Whether tokens behind these have another place than their slot."""
        return self.beyond != len(self.ends)

    def whole(self, tokens: int) -> int:
        """How many of the first `tokens` see none that is not among them: a piece that sees itself is not cut."""
        if not 0 < tokens <= len(self.ends) or int(self.ends[tokens - 1]) <= tokens:
            return tokens
        return int((self.ends == self.ends[tokens - 1]).nonzero()[0])

    def of(self, begin: int, end: int) -> tuple[Tensor, Tensor]:
        """`ends` and `places` of the slots [begin, end)."""
        count = len(self.ends)
        more = torch.arange(max(begin, count), max(end, count))
        ends = torch.cat([self.ends[begin:end], more + 1])
        places = torch.cat([self.places[begin:end], more - count + self.beyond])
        return ends, places


@dataclass(frozen=True)
class Twigs:
    """A tree of tokens, the last of a span: each sees its ancestors and itself, and what is before the tree."""

    sees: Tensor  # [tokens, tokens], boolean
    depths: Tensor  # [tokens]: how many of the tree are before it on its path

    @staticmethod
    def of(parents: Sequence[int]) -> Twigs:
        """The tree with these parents: earlier tokens, -1 for none."""
        sees = torch.eye(len(parents), dtype=torch.bool)
        for place, parent in enumerate(parents):
            if parent >= 0:
                sees[place] |= sees[parent]
        return Twigs(sees, sees.sum(1) - 1)


@dataclass(frozen=True)
class Span:
    """The next `count` tokens of the row belong to the sequence in `store`, right behind what it holds.

    `sight`: None where each token sees all before it, or those in its layer's window. `twigs`: None where the tokens
    are no tree.
    """

    store: Store
    count: int
    sight: Sight | None = None
    twigs: Twigs | None = None


class Packed:
    """One forward's row. It goes to the model as the keyword `packed`, and from there to every layer's attention."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = list(spans)
        self._counts = [span.count for span in spans]
        self._masks: dict[tuple[int, int, int | None], Tensor] = {}  # every layer of a kind asks for the same

    def attend(
        self, layer: int, query: Tensor, states: tuple[Tensor, Tensor], scaling: float | None, window: int | None
    ) -> Tensor:
        """query: [1, heads, tokens, head dim]; states: keys and values, each [1, key/value heads, tokens, head dim].

        Returns [1, tokens, heads, head dim]. `window`: how many tokens, itself included, a token sees; None: all.
        """
        queries, keys, values = (self._split(each) for each in (query, *states))
        pieces = [
            self._attend_one(number, queries[number], store.write(layer, keys[number], values[number]), scaling, window)
            for number, store in enumerate(span.store for span in self._spans)
        ]
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)

    def _split(self, row: Tensor) -> Sequence[Tensor]:
        return (row,) if len(self._counts) == 1 else torch.split_with_sizes(row, self._counts, dim=2)

    def _attend_one(
        self, number: int, query: Tensor, held: tuple[Tensor, Tensor], scaling: float | None, window: int | None
    ) -> Tensor:  # [1, n, heads, head dim]
        keys, values = held
        _, heads, count, head_dim = query.shape
        _, shared_heads, slots, _ = keys.shape
        groups = heads // shared_heads
        sight, plain = self._spans[number].sight, self._spans[number].twigs is None
        if (
            sight is None and plain and 1 < count == slots and (window is None or slots <= window)
        ):  # a beginning: torch knows that mask
            output = attention(query, keys, values, is_causal=True, scale=scaling, enable_gqa=groups > 1)
            return output.transpose(1, 2)
        if window is not None and slots >= window + count:  # the first slots are behind the window of every query
            keys, values = keys[:, :, 1 - window - count :], values[:, :, 1 - window - count :]
        # The heads that share a key/value head stand as more queries of it: no copies of keys, on any device.
        grouped = query.reshape(1, shared_heads, groups * count, head_dim)
        masked = count > 1 or (sight is not None and window is not None)
        mask = self._mask(number, groups, window, query, keys.shape[2]) if masked else None
        output = attention(grouped, keys, values, attn_mask=mask, scale=scaling)
        return output.reshape(1, heads, count, -1).transpose(1, 2)

    def _mask(self, number: int, groups: int, window: int | None, query: Tensor, slots: int) -> Tensor:
        """What is added to the scores of n queries over the last `slots`: [groups x n, slots], 0 or -inf."""
        mask = self._masks.get((number, groups, window))
        if mask is None:
            count = query.shape[2]
            span = self._spans[number]
            if span.sight is None and span.twigs is None:
                sees = torch.ones(count, slots, dtype=torch.bool, device=query.device).tril(slots - count)
                if window is not None:
                    sees = sees.triu(slots - count + 1 - window)
            else:
                sees = _seen(span, slots, window).to(query.device)
            mask = query.new_zeros(count, slots).masked_fill(~sees, -torch.inf).repeat(groups, 1)
            self._masks[number, groups, window] = mask
        return mask


def _seen(span: Span, slots: int, window: int | None) -> Tensor:
    """Which of the last `slots` up to the span's end each of its tokens sees: [count, slots], boolean."""
    count, end = span.count, span.store.length + span.count
    whole = torch.arange(end - slots, end)
    ends, places = (whole + 1, whole) if span.sight is None else span.sight.of(end - slots, end)
    sees = whole < ends[-count:, None]
    if span.twigs is not None:
        tree = len(span.twigs.depths)
        sees[-tree:, -tree:] = span.twigs.sees
        places = torch.cat([places[:-tree], places[-tree] + span.twigs.depths])
    if window is not None:
        sees &= places > places[-count:, None] - window
    return sees


def pack(model: Any, part: str = "text_config") -> None:
    """From now on the layers of `model` that `part` of its config describes ("": all) attend over packed rows.

    The model is no longer good for anything else. Raises ModelError.
    """
    from transformers import AttentionInterface, AttentionMaskInterface  # seconds to import, and only models need it

    config = getattr(model.config, part) if part else model.config
    if unknown := set(getattr(config, "layer_types", None) or ()) - _KNOWN_LAYERS:
        raise ModelError(f"layers of kind {', '.join(sorted(unknown))} are not supported")
    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, _no_mask)
    model.set_attn_implementation({part: NAME})


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **terms: Any,
) -> tuple[Tensor, None]:
    """The signature is transformers'."""
    packed = terms.get("packed")
    if not isinstance(packed, Packed):
        raise TypeError("a packed model takes a Packed as the keyword `packed`")
    if attention_mask is not None:
        raise ModelError("attention masks of a model's own are not supported")
    for name in _UNKNOWN_TERMS:
        if terms.get(name) is not None:
            raise ModelError(f"attention with {name} is not supported")
    window = terms.get("sliding_window")
    if window is None and getattr(module, "layer_type", None) == "sliding_attention":
        raise ModelError("a layer with a sliding window does not say how wide it is")
    return packed.attend(module.layer_idx, query, (key, value), terms.get("scaling"), window), None


def _no_mask(*_: Any, **__: Any) -> None:
    """A row of many sequences has no mask: each sequence has its own."""
