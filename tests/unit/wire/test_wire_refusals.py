"""Refusals that both directions share: the protocol version, an empty payload, bytes that are no message."""

from __future__ import annotations

import re

import pytest

from shared.errors import InvalidValue, ModelMismatch
from shared.wire.codec import (
    parse_info,
    parse_request,
    parse_response,
)
from shared.wire.v1 import verify_pb2 as pb
from tests.support.wire_messages import VALID, changed, decoded, refused


@pytest.mark.parametrize("top", VALID)
def test_the_message_that_the_table_spoils_is_valid_at_its_limits(top: str) -> None:
    decoded(VALID[top])


@pytest.mark.parametrize("path", ["open.protocol_version", "resume.protocol_version", "info.protocol_version"])
@pytest.mark.parametrize("version", [0, 2])
def test_another_protocol_is_refused_with_both_versions(path: str, version: int) -> None:
    error = refused(changed(path, version))
    assert type(error) is ModelMismatch
    assert str(error) == f"{path} is {version}: this build speaks protocol version 1"


def test_a_message_without_payload_is_refused() -> None:
    assert str(refused(pb.VerifyRequest())) == (
        "request.payload is not set: must be open, image_chunk, propose, yield, finish, resume, ping or vocabulary"
    )
    assert str(refused(pb.VerifyResponse())) == (
        "response.payload is not set: must be opened, image_held, commit, finished, drain, queued, pong, traced,"
        " attended or vocabulary_wanted"
    )


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05ab", b"\x08"])
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    for parse, name, kind in (
        (parse_request, "request", "VerifyRequest"),
        (parse_response, "response", "VerifyResponse"),
        (parse_info, "info", "GetServerInfoResponse"),
    ):
        sentence = f"{name} is {len(data)} bytes: must be a protobuf covspec.v1.{kind}"
        with pytest.raises(InvalidValue, match=f"^{re.escape(sentence)}$"):
            parse(data)
