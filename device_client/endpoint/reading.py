"""What a client sends, read as OpenAI's chat completions are: a request of ours, or a refusal that names the field.

Guarantees: a field is honoured, harmless, or refused by name (`known`); none is dropped in silence. Pictures are not
read here. Where other servers take a number that no model could, as vLLM and llama.cpp do, it means the same here: seed
-1 is any seed, max_tokens -1 no bound, top_k -1 no mask, and top_p 0 the smallest set of tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from device_client.endpoint.fields import (
    Fields,
    kind,
    list_of,
    number_of,
    object_of,
    read_json,
    text_of,
    truth_of,
    whole_of,
)
from device_client.endpoint.known import NUMBERS, check_request, check_stream_options
from device_client.endpoint.turns import Turn, read_turns
from shared.errors import InvalidValue
from shared.excerpts import Shown, shortened
from shared.speculation.request import MAX_SEED, ModelDefaults, SamplingWish, resolve
from shared.wire.codec_sampling import MAX_BIASES, MAX_END_IDS, MAX_STOP_BYTES, MAX_STOPS

_SMALLEST_TOP_P = 1e-6
_RANGES = {
    "temperature": (0.0, 100.0),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "repetition_penalty": (0.01, 100.0),
    "frequency_penalty": (-2.0, 2.0),
    "presence_penalty": (-2.0, 2.0),
}
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_TOKENS = 2**31 - 1


@dataclass(frozen=True)
class ChatRequest:
    """What is asked. `model`: None if any will do. `choices`: answers wanted. `usage`: a stream is to end with it."""

    model: str | None
    turns: tuple[Turn, ...]
    sampling: SamplingWish
    choices: int = 1
    stream: bool = False
    usage: bool = False
    log_probabilities: bool = False


def read_request(body: bytes | bytearray, max_choices: int) -> ChatRequest:
    """The request in `body`. Raises InvalidValue, Unsupported."""
    fields = {name: value for name, value in object_of("body", read_json(body)).items() if value is not None}
    check_request(fields)
    options = object_of("stream_options", fields["stream_options"]) if "stream_options" in fields else {}
    check_stream_options("stream_options", options)
    effort = fields.get("reasoning_effort", "none")
    if effort not in _EFFORTS:
        raise InvalidValue("reasoning_effort", Shown("unknown"), f"must be one of {', '.join(_EFFORTS)}")
    usage = options.get("include_usage")
    return ChatRequest(
        model=text_of("model", fields["model"]) if "model" in fields else None,
        turns=read_turns(fields.get("messages")),
        sampling=_sampling(fields),
        choices=whole_of("n", fields.get("n", 1), 1, max_choices),
        stream=truth_of("stream", fields.get("stream", False)),
        usage=usage is not None and truth_of("stream_options.include_usage", usage),
        log_probabilities=truth_of("logprobs", fields.get("logprobs", False)),
    )


def _sampling(fields: Fields) -> SamplingWish:
    numbers = {name: number_of(name, fields[name], *_RANGES[name]) for name in NUMBERS if name in fields}
    if "top_p" in numbers:
        numbers["top_p"] = max(numbers["top_p"], _SMALLEST_TOP_P)
    most = [_most(name, fields[name]) for name in ("max_completion_tokens", "max_tokens") if name in fields]
    wish = SamplingWish(
        **numbers,
        top_k=max(0, whole_of("top_k", fields["top_k"], -1, _TOKENS)) if "top_k" in fields else None,
        logit_bias=_biases(fields.get("logit_bias")),
        seed=_seed(fields["seed"]) if "seed" in fields else None,
        max_tokens=most[0] if most else None,
        stop=_stops(fields.get("stop", [])),
        stop_ids=_stop_ids(fields.get("stop_token_ids", [])),
        ignore_eos=truth_of("ignore_eos", fields.get("ignore_eos", False)),
    )
    resolve(wish, ModelDefaults(()), room=_TOKENS, seed=0)  # refuses what no edge would take
    return wish


def _most(name: str, value: Any) -> int | None:
    if not isinstance(value, bool) and value == -1:
        return None
    return whole_of(name, value, 1, _TOKENS, ", or be -1 for no bound")


def _seed(value: Any) -> int | None:
    seed = whole_of("seed", value, -(2**63), MAX_SEED)
    return None if seed == -1 else seed & MAX_SEED  # the client's type is signed


def _stops(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else list_of("stop", value)
    _at_most("stop", values, MAX_STOPS, "strings")
    stops = []
    for at, each in enumerate(values):
        where = "stop" if isinstance(value, str) else f"stop[{at}]"
        size = len(text_of(where, each).encode())
        if size > MAX_STOP_BYTES:
            raise InvalidValue(where, Shown(f"{size} bytes"), f"must be at most {MAX_STOP_BYTES} bytes")
        stops.append(each)
    return tuple(stops)


def _stop_ids(value: Any) -> tuple[int, ...]:
    name = "stop_token_ids"
    _at_most(name, list_of(name, value), MAX_END_IDS, "ids")
    return tuple(whole_of(f"{name}[{at}]", each, 0, _TOKENS) for at, each in enumerate(value))


def _biases(value: Any) -> tuple[tuple[int, float], ...]:
    name = "logit_bias"
    biases: dict[int, float] = {}
    entries = object_of(name, value) if value is not None else {}
    _at_most(name, entries, MAX_BIASES, "entries")
    for token, bias in entries.items():
        if not (token.isascii() and token.isdigit() and len(token) <= 10 and int(token) <= _TOKENS):
            raise InvalidValue(name, shortened(token), f"must be a token id, from 0 to {_TOKENS}")
        if int(token) in biases:
            raise InvalidValue(name, Shown(f"given twice for token {int(token)}"), "must be given once")
        if isinstance(bias, bool) or not isinstance(bias, int | float) or not -100 <= bias <= 100:
            raise InvalidValue(name, Shown(f"{kind(bias)} for token {int(token)}"), "must be a number from -100 to 100")
        biases[int(token)] = float(bias)
    return tuple(biases.items())


def _at_most(name: str, values: Any, most: int, noun: str) -> None:
    if len(values) > most:
        raise InvalidValue(name, Shown(f"{len(values)} {noun}"), f"must be at most {most} {noun}")
