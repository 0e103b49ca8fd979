"""A model's generation config: what it changes in an answer is done or refused, never dropped in silence.

Every field that transformers knows is HONOURED, HARMLESS (stock `generate()` says the same text without it, or it is
about more than one text) or in REFUSED: then it must be neutral. A field of another program is harmless. Guarantees:
what is resolved from these defaults is valid, so no request is refused for a field that nobody sent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from shared.errors import ModelError
from shared.excerpts import excerpt
from shared.speculation.request import ModelDefaults

HONOURED = frozenset(
    [
        "eos_token_id",
        "do_sample",
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "repetition_penalty",
        "max_new_tokens",
        "suppress_tokens",
        "bad_words_ids",
    ]
)
HARMLESS = frozenset(  # beams and groups are refused by their number; limits are those of the request and the context
    [
        "_from_model_config",
        "assistant_confidence_threshold",
        "assistant_early_exit",
        "assistant_ensemble_weight",
        "assistant_lookbehind",
        "bos_token_id",
        "cache_config",
        "cache_implementation",
        "compile_config",
        "continuous_batching_config",
        "decoder_start_token_id",
        "disable_compile",
        "diversity_penalty",
        "early_stopping",
        "length_penalty",
        "low_memory",
        "max_cache_len",
        "max_length",
        "max_matching_ngram_size",
        "num_assistant_tokens",
        "num_assistant_tokens_schedule",
        "num_return_sequences",
        "output_attentions",
        "output_hidden_states",
        "output_logits",
        "output_scores",
        "pad_token_id",
        "prefill_chunk_size",
        "prompt_lookup_num_tokens",
        "remove_invalid_values",
        "renormalize_logits",
        "return_dict_in_generate",
        "speculation_type",
        "target_lookbehind",
        "transformers_version",
        "use_cache",
        "use_mtp",
    ]
)
MAX_ENDS = 1024  # ids that end a sequence: as many as the edge can tell a device
_Rule = Callable[[Any], bool]


def _one_of(*neutral: Any) -> _Rule:
    return lambda value: value in neutral


def _outside(low: float, high: float) -> _Rule:
    """Neutral are numbers that lie not strictly between."""
    return lambda value: _is_number(value) and not low < value < high


REFUSED: Mapping[str, _Rule] = MappingProxyType(
    {
        **dict.fromkeys(("begin_suppress_tokens", "constraints", "force_words_ids", "stop_strings"), _one_of([], "")),
        **dict.fromkeys(("forced_bos_token_id", "forced_eos_token_id", "exponential_decay_length_penalty"), _one_of()),
        **dict.fromkeys(("no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "penalty_alpha"), _one_of(0)),
        **dict.fromkeys(("min_length", "min_new_tokens"), _outside(0, math.inf)),
        **dict.fromkeys(("num_beams", "num_beam_groups"), _one_of(0, 1)),
        **dict.fromkeys(("encoder_repetition_penalty", "guidance_scale"), _one_of(1)),
        **dict.fromkeys(("watermarking_config", "sequence_bias"), _one_of({}, [])),
        **dict.fromkeys(("dola_layers", "max_time"), _one_of()),
        **dict.fromkeys(("is_assistant", "token_healing"), _one_of(False)),
    }
)
REFUSED_SAMPLING: Mapping[str, _Rule] = MappingProxyType(  # without do_sample they change nothing
    {
        "typical_p": _outside(-math.inf, 1),
        "top_h": _one_of(),
        "epsilon_cutoff": _outside(0, 1),
        "eta_cutoff": _outside(0, 1),
    }
)


def model_defaults(name: str, fields: Mapping[str, Any], eos_id: int | None, rows: int) -> ModelDefaults:
    """The defaults of the model called `name` with a generation config of these fields. Raises ModelError.

    `eos_id`: the tokenizer's, which ends a sequence if the config does not say. `rows`: how many ids there are.
    A config without do_sample means the noiseless case, whatever temperature it also holds.
    """
    said = _Fields(name, {field: value for field, value in fields.items() if value is not None}, rows)
    sampled = said.flag("do_sample")
    said.neutral({**REFUSED, **(REFUSED_SAMPLING if sampled else {})})
    sampling = {"repetition_penalty": said.number("repetition_penalty", 0.01, 100.0)}
    if sampled:
        top_p = said.number("top_p", 0.0, math.inf)
        top_k = said.whole("top_k", -1, 2**31 - 1)
        temperature = said.number("temperature", 0.0, 100.0)
        sampling |= {
            "temperature": 1.0 if temperature is None else temperature,
            "top_k": None if top_k is None else max(0, top_k),  # -1 and 0 mask nothing
            "top_p": None if top_p is None else min(1.0, max(1e-6, top_p)),  # 0 leaves the best alone
            "min_p": said.number("min_p", 0.0, 1.0),
        }
    sampling["max_tokens"] = said.whole("max_new_tokens", 1, 2**31 - 1)
    eos_ids = said.ends() if "eos_token_id" in said.fields else () if eos_id is None else (eos_id,)
    return ModelDefaults(
        eos_ids=eos_ids,
        sampling={field: value for field, value in sampling.items() if value is not None},
        suppressed_ids=said.suppressed(eos_ids),
    )


class _Fields:
    """The fields that say something, each read by its rule or refused with its value."""

    def __init__(self, name: str, fields: Mapping[str, Any], rows: int) -> None:
        self.fields = fields
        self._name = name
        self._rows = rows

    def neutral(self, rules: Mapping[str, _Rule]) -> None:
        for field, rule in rules.items():
            if field in self.fields and not rule(self.fields[field]):
                rule_said = "stock generate() would answer otherwise by it, and here it is not supported"
                raise self._refused(field, rule_said)

    def flag(self, field: str) -> bool:
        value = self.fields.get(field, False)
        if not isinstance(value, bool) and not (_is_number(value) and value in (0, 1)):
            raise self._refused(field, "must be true or false")
        return bool(value)

    def number(self, field: str, low: float, high: float) -> float | None:
        value = self.fields.get(field)
        if value is not None and not (_is_number(value) and low <= value <= high):
            upper = "from 0 on" if math.isinf(high) else f"between {low:g} and {high:g}"
            raise self._refused(field, f"must be a number {upper}")
        return None if value is None else float(value)

    def whole(self, field: str, low: int, high: int) -> int | None:
        value = self.fields.get(field)
        if value is not None and not (_is_number(value) and low <= value <= high and value == int(value)):
            raise self._refused(field, f"must be a whole number between {low} and {high}")
        return None if value is None else int(value)

    def ends(self) -> tuple[int, ...]:
        value = self.fields["eos_token_id"]
        ids = value if isinstance(value, list | tuple) else [value]
        if len(ids) > MAX_ENDS or not all(_is_id(each) and 0 <= each < self._rows for each in ids):
            raise self._refused(
                "eos_token_id", f"must be an id from 0 to {self._rows - 1}, or up to {MAX_ENDS} of them"
            )
        return tuple(dict.fromkeys(ids))

    def suppressed(self, eos_ids: Sequence[int]) -> tuple[int, ...]:
        """Ids that never are a token of an answer. Words of several tokens are refused, ids of no row say nothing."""
        plain = self.fields.get("suppress_tokens", [])
        if not isinstance(plain, list | tuple) or not all(_is_id(each) for each in plain):
            raise self._refused("suppress_tokens", "must be a list of token ids")
        words = self.fields.get("bad_words_ids", [])
        if not isinstance(words, list | tuple) or not all(
            isinstance(word, list | tuple) and len(word) == 1 and _is_id(word[0]) for word in words
        ):
            raise self._refused("bad_words_ids", "must be a list of words of one token id each")
        ids = {*plain, *(word[0] for word in words if word[0] not in eos_ids)}
        known = tuple(sorted(token for token in ids if 0 <= token < self._rows))
        if len(known) == self._rows:
            raise self._refused("suppress_tokens", "leaves no token to say")
        return known

    def _refused(self, field: str, rule: str) -> ModelError:
        value = excerpt(self.fields.get(field))
        return ModelError(f"{self._name}: its generation config says {field} is {value}: {rule}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300  # nor is NaN one


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
