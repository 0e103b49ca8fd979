"""What a client sends, read as OpenAI's chat completions are: a request of ours, or a refusal that names the field.

Guarantees: a field is honoured, harmless, or refused by name; none is dropped in silence. Pictures are not read here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from shared.errors import InvalidValue, Unsupported
from shared.excerpts import excerpt
from shared.speculation.request import MAX_SEED, ModelDefaults, SamplingWish, resolve

Fields: TypeAlias = Mapping[str, Any]
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Words:
    """A piece of text of a message."""

    text: str


@dataclass(frozen=True)
class Address:
    """A picture of a message, by its URI."""

    uri: str


@dataclass(frozen=True)
class Turn:
    """A message. `role`: system, user or assistant."""

    role: str
    parts: tuple[Words | Address, ...]


@dataclass(frozen=True)
class ChatRequest:
    """What is asked. `choices`: answers wanted. `usage`: whether a stream is to end with it."""

    model: str
    turns: tuple[Turn, ...]
    sampling: SamplingWish
    choices: int = 1
    stream: bool = False
    usage: bool = False
    log_probabilities: bool = False


_SAMPLING = ("temperature", "top_p", "min_p", "repetition_penalty", "frequency_penalty", "presence_penalty")
_HONOURED = {
    *_SAMPLING,
    *("model", "messages", "n", "stream", "stream_options", "seed", "stop", "max_tokens", "max_completion_tokens"),
    *("logprobs", "top_logprobs", "logit_bias", "top_k", "stop_token_ids", "ignore_eos"),
}
# They say something about the caller or about bookkeeping, and nothing about the answer.
_HARMLESS = {
    "user",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
}
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {  # what others would change; these values ask for nothing
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "reasoning_effort": ("none",),
    "verbosity": ("medium",),
    "web_search_options": (),
    "top_logprobs": (0,),
}
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


def read_request(body: bytes, max_choices: int) -> ChatRequest:
    """The request in `body`. Raises InvalidValue, Unsupported."""
    fields = _object("body", _json(body))
    fields = {name: value for name, value in fields.items() if value is not None}
    for name, value in fields.items():
        if name in _NEUTRAL:
            if value not in _NEUTRAL[name]:
                raise Unsupported(f"{name} is not supported by this endpoint")
        elif name not in _HONOURED | _HARMLESS:
            raise InvalidValue(name, value, "is no field of a chat completion that this endpoint knows")
    stream_options = _object("stream_options", fields.get("stream_options", {}))
    return ChatRequest(
        model=_typed("model", fields.get("model"), str),
        turns=_turns(fields.get("messages")),
        sampling=_sampling(fields),
        choices=_whole("n", fields.get("n", 1), 1, max_choices),
        stream=_typed("stream", fields.get("stream", False), bool),
        usage=_typed("stream_options.include_usage", stream_options.get("include_usage") or False, bool),
        log_probabilities=_typed("logprobs", fields.get("logprobs", False), bool),
    )


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as broken:
        raise InvalidValue("body", body, f"is no JSON: {broken}") from None


def _sampling(fields: Fields) -> SamplingWish:
    numbers = {name: _number(name, fields[name]) for name in _SAMPLING if name in fields}
    most = [
        _whole(name, fields[name], 1, 2**31 - 1) for name in ("max_completion_tokens", "max_tokens") if name in fields
    ]
    seed = _whole("seed", fields["seed"], -(2**63), MAX_SEED) if "seed" in fields else None
    wish = SamplingWish(
        **numbers,
        top_k=max(0, _whole("top_k", fields["top_k"], -1, 2**31 - 1)) if "top_k" in fields else None,
        logit_bias=_biases(fields.get("logit_bias", {})),
        seed=None if seed is None else seed & MAX_SEED,  # the client's type is signed
        max_tokens=most[0] if most else None,
        stop=_stops(fields.get("stop", ())),
        stop_ids=_stop_ids(fields.get("stop_token_ids", [])),
        ignore_eos=_typed("ignore_eos", fields.get("ignore_eos", False), bool),
    )
    resolve(wish, ModelDefaults(()), room=2**31 - 1, seed=0)  # refuses what no edge would take
    return wish


def _stops(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(_typed(f"stop[{at}]", each, str) for at, each in enumerate(_list("stop", value)))


def _stop_ids(value: Any) -> tuple[int, ...]:
    name = "stop_token_ids"
    return tuple(_whole(f"{name}[{at}]", each, 0, 2**31 - 1) for at, each in enumerate(_list(name, value)))


def _biases(value: Any) -> tuple[tuple[int, float], ...]:
    biases = []
    for token, bias in _object("logit_bias", value).items():
        if not (token.isascii() and token.isdigit()):
            raise InvalidValue("logit_bias", token, "must be a token id")
        biases.append((int(token), _number(f"logit_bias.{token}", bias)))
    return tuple(biases)


def _turns(value: Any) -> tuple[Turn, ...]:
    turns = tuple(_turn(f"messages[{at}]", each) for at, each in enumerate(_list("messages", value)))
    if not turns:
        raise InvalidValue("messages", [], "a chat needs at least one message")
    return turns


def _turn(where: str, value: Any) -> Turn:
    message = _object(where, value)
    role = _typed(f"{where}.role", message.get("role"), str)
    if role in ("tool", "function") or message.get("tool_calls") or message.get("function_call"):
        raise Unsupported(f"{where}: tools are not supported by this endpoint")
    if message.get("audio"):
        raise Unsupported(f"{where}: audio is not supported by this endpoint")
    if role not in _ROLES:
        raise InvalidValue(f"{where}.role", role, f"must be one of {', '.join(_ROLES)}")
    content = message.get("content")
    if isinstance(content, str):
        return Turn(_ROLES[role], (Words(content),))
    parts = tuple(_part(f"{where}.content[{at}]", each) for at, each in enumerate(_list(f"{where}.content", content)))
    return Turn(_ROLES[role], parts)


def _part(where: str, value: Any) -> Words | Address:
    part = _object(where, value)
    match part.get("type"):
        case "text":
            return Words(_typed(f"{where}.text", part.get("text"), str))
        case "image_url":
            image = _object(f"{where}.image_url", part.get("image_url"))
            return Address(_typed(f"{where}.image_url.url", image.get("url"), str))
        case kind:
            raise Unsupported(f"{where}: parts of type {excerpt(kind)} are not supported by this endpoint")


def _object(name: str, value: Any) -> Fields:
    if not isinstance(value, dict):
        raise InvalidValue(name, _kind(value), "must be an object")
    return value


def _list(name: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise InvalidValue(name, _kind(value), "must be a list")
    return value


def _typed(name: str, value: Any, kind: type[Kind]) -> Kind:
    if not isinstance(value, kind):
        raise InvalidValue(name, _kind(value), f"must be a {_KINDS[kind]}")
    return value


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValue(name, _kind(value), "must be a number")
    return float(value)


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValue(name, _kind(value), "must be a whole number")
    if not low <= value <= high:
        raise InvalidValue(name, value, f"must lie between {low} and {high}")
    return value


_KINDS: Mapping[type, str] = {str: "string", bool: "truth value"}


def _kind(value: Any) -> str:
    """What came instead, without its content, which may be long."""
    return "nothing" if value is None else type(value).__name__
