"""Every field that the official client can send, with every value that somebody may: taken, or refused by its path."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from device_client.endpoint.fields import MOST_MARKS
from device_client.endpoint.reading import ChatRequest, read_request
from device_client.endpoint.refusals import UnsupportedField, refusal_of
from shared.errors import CovspecError, InvalidValue
from shared.wire.codec_sampling import decode_wish, encode_wish
from tests.support.hostile_json import FIELDS, NESTED, NUMBERS, OTHERS, body_of, fits


def outcome(body: bytes) -> ChatRequest | CovspecError:
    """What becomes of a request, which is never anything else."""
    try:
        return read_request(body, 8)
    except (InvalidValue, UnsupportedField) as refused:
        return refused


@pytest.mark.parametrize("field", [*(f'"{name}": %s' for name in FIELDS), *NESTED])
def test_a_field_is_taken_or_refused_by_its_path_whatever_it_holds(field: str) -> None:
    top = field.split('"')[1]
    for value in (*NUMBERS, *OTHERS):
        if not fits(field, value):
            continue
        result = outcome(body_of(field.replace("%s", value)))
        if isinstance(result, CovspecError):
            refusal = refusal_of(result)
            assert refusal.status == 400
            assert refusal.param is not None, (value, str(result))
            assert refusal.param.startswith(top), (value, refusal)
            assert len(refusal.message) < 300, value
            json.dumps(refusal.body).encode()


def test_an_edge_takes_every_number_that_was_taken_here() -> None:
    for name, value in product(FIELDS, NUMBERS):
        result = outcome(body_of(f'"{name}": {value}'))
        if isinstance(result, ChatRequest):
            assert decode_wish("it", encode_wish("it", result.sampling)) == result.sampling, (name, value)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ('"seed": -1', ("seed", None)),
        ('"seed": -2', ("seed", 2**64 - 2)),
        ('"seed": 5.0', ("seed", 5)),
        ('"max_tokens": -1', ("max_tokens", None)),
        ('"max_tokens": -1.0', ("max_tokens", None)),
        ('"max_completion_tokens": 7.0', ("max_tokens", 7)),
        ('"max_tokens": 9, "max_completion_tokens": 7', ("max_tokens", 7)),
        ('"top_p": 0', ("top_p", 1e-6)),
        ('"top_p": -0.0', ("top_p", 1e-6)),
        ('"top_k": -1', ("top_k", 0)),
        ('"temperature": 1e-400', ("temperature", 0.0)),
        ('"stop": "x"', ("stop", ("x",))),
        ('"logit_bias": {"007": 1}', ("logit_bias", ((7, 1.0),))),
    ],
)
def test_numbers_mean_what_they_mean_to_other_servers(field: str, expected: tuple[str, Any]) -> None:
    result = outcome(body_of(field))
    assert isinstance(result, ChatRequest)
    name, value = expected
    assert getattr(result.sampling, name) == value
    assert str(getattr(result.sampling, name)) == str(value)


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"  \n",
            b"null",
            b"[]",
            b"3",
            b'"x"',
            b"{",
            b"{]}",
            b"{'a': 1}",
            b"\xff",
            b"\x00",
            b"{} {}",
            b'{"a" 1}',
        ),
        *(b"[" * 100_000, b'{"a":' * 100_000, b"[" * 10_000 + b"]" * 10_000, '{"é": 1}'.encode("latin-1")),
        *(
            '{"a": 1}'.encode("utf-16"),
            '{"a": 1}'.encode("utf-32"),
            b'{"a\x00b": 1}',
            b"[" + b"0," * MOST_MARKS + b"0]",
        ),
        b'{"model": "m", "model": "m"}',
    ],
)
def test_what_is_no_object_of_json_is_refused_in_a_sentence(body: bytes) -> None:
    refused = outcome(body)
    assert isinstance(refused, InvalidValue)
    assert refused.field in ("body", "model")
    assert len(str(refused)) < 200
    assert "\\x" not in str(refused)


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert isinstance(outcome(b"\xef\xbb\xbf" + body_of('"n": 1')), ChatRequest)
