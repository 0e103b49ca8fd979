"""Laws of the codec: what is said is what is heard, whatever a newer peer adds."""

from __future__ import annotations

from hypothesis import given

from shared.speculation.messages import Commit, Propose
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
from shared.wire.v1 import verify_pb2 as pb
from tests.support.wire_strategies import LIMITS, commits, from_device, from_edge, infos, proposes

UNKNOWN = b"\xc0\x3e\x01"  # field 1000, a varint: no message of this protocol has it


@given(from_device)
def test_the_edge_hears_what_the_device_said(message: FromDevice) -> None:
    data = encode_request(message).SerializeToString()
    assert decode_request(parse_request(data), LIMITS) == message


@given(from_edge)
def test_the_device_hears_what_the_edge_said(message: FromEdge) -> None:
    data = encode_response(message).SerializeToString()
    assert decode_response(parse_response(data), LIMITS) == message


@given(infos)
def test_the_device_reads_what_the_edge_serves(info: ServerInfo) -> None:
    assert decode_info(parse_info(encode_info(info).SerializeToString())) == info


@given(from_device, from_edge, infos)
def test_fields_of_a_newer_peer_are_ignored(request: FromDevice, response: FromEdge, info: ServerInfo) -> None:
    assert decode_request(parse_request(encode_request(request).SerializeToString() + UNKNOWN), LIMITS) == request
    assert decode_response(parse_response(encode_response(response).SerializeToString() + UNKNOWN), LIMITS) == response
    assert decode_info(parse_info(encode_info(info).SerializeToString() + UNKNOWN)) == info


@given(proposes(), commits())
def test_fields_of_a_newer_peer_inside_a_message_are_ignored(propose: Propose, commit: Commit) -> None:
    newer_propose = pb.Propose.FromString(encode_request(propose).propose.SerializeToString() + UNKNOWN)
    request = parse_request(pb.VerifyRequest(propose=newer_propose).SerializeToString())
    assert decode_request(request, LIMITS) == propose
    newer_commit = pb.Commit.FromString(encode_response(commit).commit.SerializeToString() + UNKNOWN)
    response = parse_response(pb.VerifyResponse(commit=newer_commit).SerializeToString())
    assert decode_response(response, LIMITS) == commit
