"""A law of the codec: whatever bytes a peer sends decode, or are refused by a CovspecError and nothing else."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from shared.errors import CovspecError
from shared.wire.codec import (
    FromDevice,
    FromEdge,
    decode_info,
    decode_request,
    decode_response,
    encode_info,
    encode_request,
    encode_response,
    parse_info,
    parse_request,
    parse_response,
)
from shared.wire.handshake import ServerInfo
from shared.wire.statuses import status_of
from shared.wire.v1 import verify_pb2 as pb
from tests.support.wire_strategies import LIMITS, any_message, from_device, from_edge, infos


def hear(data: bytes) -> None:
    """Reads `data` as every message that it could be; each refusal must fit into a status."""
    refusals: list[CovspecError] = []
    for read in (
        lambda: decode_request(parse_request(data), LIMITS),
        lambda: decode_response(parse_response(data), LIMITS),
        lambda: decode_info(parse_info(data)),
    ):
        try:
            read()
        except CovspecError as error:
            refusals.append(error)
    for refusal in refusals:
        assert status_of(refusal)[1] == str(refusal)  # not cut


def cut(data: bytes, draw: st.DrawFn) -> bytes:
    return data[: draw(st.integers(0, len(data)))]


def flipped(data: bytes, draw: st.DrawFn) -> bytes:
    damaged = bytearray(data)
    for bit in draw(st.lists(st.integers(0, max(len(data) * 8 - 1, 0)), min_size=1, max_size=4)):
        if damaged:
            damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def spliced(data: bytes, draw: st.DrawFn) -> bytes:
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(st.binary(max_size=12)) + data[at:]


@st.composite
def damaged_bytes(draw: st.DrawFn) -> bytes:
    """A valid message's bytes, cut, with flipped bits or with bytes put in."""
    message: FromDevice | FromEdge | ServerInfo = draw(from_device | from_edge | infos)
    if isinstance(message, ServerInfo):
        data = encode_info(message).SerializeToString()
    elif isinstance(message, FromDevice):
        data = encode_request(message).SerializeToString()
    else:
        data = encode_response(message).SerializeToString()
    return draw(st.sampled_from([cut, flipped, spliced]))(data, draw)


@given(st.binary(max_size=300))
def test_random_bytes_decode_or_are_refused_by_name(data: bytes) -> None:
    hear(data)


@given(damaged_bytes())
def test_damaged_messages_decode_or_are_refused_by_name(data: bytes) -> None:
    hear(data)


@given(any_message(pb.VerifyRequest))
def test_any_request_decodes_to_what_encodes_again_or_is_refused_by_name(message: pb.VerifyRequest) -> None:
    with contextlib.suppress(CovspecError):
        heard = decode_request(message, LIMITS)
        assert decode_request(encode_request(heard), LIMITS) == heard


@given(any_message(pb.VerifyResponse))
def test_any_response_decodes_to_what_encodes_again_or_is_refused_by_name(message: pb.VerifyResponse) -> None:
    with contextlib.suppress(CovspecError):
        heard = decode_response(message, LIMITS)
        assert decode_response(encode_response(heard), LIMITS) == heard


@given(any_message(pb.GetServerInfoResponse))
def test_any_info_decodes_to_what_encodes_again_or_is_refused_by_name(message: pb.GetServerInfoResponse) -> None:
    with contextlib.suppress(CovspecError):
        heard = decode_info(message)
        assert decode_info(encode_info(heard)) == heard
