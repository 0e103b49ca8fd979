"""Sampling parameters on the wire: a person's wish in Open, the edge's decision in Opened.

Ranges are those of SamplingParameters, which checks itself; here its refusals get the path of the field, and lists get
their sizes. A wish is checked before it is sent too: the person reads the same sentence without asking an edge.
"""

from __future__ import annotations

from typing import Any

from shared.errors import InvalidValue
from shared.speculation.request import SamplingParameters, SamplingWish
from shared.wire import checks
from shared.wire.v1 import verify_pb2 as pb

MAX_BIASES = 1024
MAX_STOPS = 16
MAX_STOP_BYTES = 256  # of one stop string, in UTF-8
MAX_END_IDS = 1024  # stop_ids, and eos_ids

_SCALARS = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "max_tokens",
)


def encode_wish(where: str, wish: SamplingWish) -> pb.Sampling:
    """`wish` for an Open. Raises what the edge would answer: InvalidValue with the path under `where`."""
    for index, stop in enumerate(wish.stop):
        checks.utf8_size(f"{where}.stop[{index}]", stop)
    said = {name: value for name in _SCALARS if (value := getattr(wish, name)) is not None}
    _check(where, {**said, "logit_bias": wish.logit_bias, "stop": wish.stop})
    message = _encode(wish)
    message.ignore_eos = wish.ignore_eos
    return message


def decode_wish(where: str, message: pb.Sampling) -> SamplingWish:
    """What a person wishes. Fields that are not set stay None."""
    if message.eos_ids:
        raise InvalidValue(f"{where}.eos_ids", checks.Shown("set"), "is the edge's to say; use stop_ids or ignore_eos")
    said = {name: getattr(message, name) for name in _SCALARS if message.HasField(name)}
    lists = _lists(where, message)
    _check(where, {**said, "logit_bias": lists["logit_bias"], "stop": lists["stop"]})
    return SamplingWish(**said, **lists, ignore_eos=message.ignore_eos)


def encode_parameters(parameters: SamplingParameters) -> pb.Sampling:
    """`parameters` for an Opened: every scalar is set."""
    message = _encode(parameters)
    message.eos_ids.extend(parameters.eos_ids)
    return message


def decode_parameters(where: str, message: pb.Sampling) -> SamplingParameters:
    """What holds for an answer. A scalar that is not set is refused: the ends would otherwise draw differently."""
    said = {}
    for name in _SCALARS:
        if not message.HasField(name):
            raise InvalidValue(f"{where}.{name}", checks.NOT_SET, "must be set in Opened")
        said[name] = getattr(message, name)
    eos_ids = checks.ids(f"{where}.eos_ids", message.eos_ids, MAX_END_IDS)
    return _parameters(where, {**said, **_lists(where, message), "eos_ids": eos_ids})


def _encode(sampling: SamplingWish | SamplingParameters) -> pb.Sampling:
    return pb.Sampling(  # None leaves a field unset
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        min_p=sampling.min_p,
        repetition_penalty=sampling.repetition_penalty,
        frequency_penalty=sampling.frequency_penalty,
        presence_penalty=sampling.presence_penalty,
        logit_bias=[pb.LogitBias(id=token, bias=bias) for token, bias in sampling.logit_bias],
        seed=sampling.seed,
        max_tokens=sampling.max_tokens,
        stop=sampling.stop,
        stop_ids=sampling.stop_ids,
    )


def _lists(where: str, message: pb.Sampling) -> dict[str, Any]:
    """The checked lists of `message` that a wish and parameters share, by field name."""
    checks.at_most(f"{where}.logit_bias", message.logit_bias, MAX_BIASES, "entries")
    checks.at_most(f"{where}.stop", message.stop, MAX_STOPS, "strings")
    return {
        "logit_bias": tuple((entry.id, entry.bias) for entry in message.logit_bias),
        "stop": tuple(
            checks.text(f"{where}.stop[{index}]", stop, MAX_STOP_BYTES) for index, stop in enumerate(message.stop)
        ),
        "stop_ids": checks.ids(f"{where}.stop_ids", message.stop_ids, MAX_END_IDS),
    }


def _check(where: str, said: dict[str, Any]) -> None:
    """Refuses what no model's defaults could make right."""
    _parameters(where, {"max_tokens": 1, **said})


def _parameters(where: str, fields: dict[str, Any]) -> SamplingParameters:
    try:
        return SamplingParameters(**fields)
    except InvalidValue as error:
        raise checks.rebuilt(InvalidValue, f"{where}.{error}") from None
