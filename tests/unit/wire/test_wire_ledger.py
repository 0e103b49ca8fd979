"""The ledger's arithmetic against the bytes that protobuf really writes."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.speculation.messages import Commit, Propose, Yield
from shared.wire.codec import FromDevice, FromEdge, encode_request, encode_response
from shared.wire.handshake import Drain, ImageChunk
from shared.wire.ledger import Direction, Entry, Ledger, Tally, Traffic, framed
from shared.wire.v1 import verify_pb2 as pb
from tests.support.wire_strategies import from_device, from_edge

tallies = st.builds(Tally, *(st.integers(0, 9) for _ in range(3)))
traffics = st.lists(
    st.builds(Entry, st.sampled_from(Direction), st.sampled_from(["propose", "commit", "image_chunk"]), tallies)
).map(Traffic.of)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (0, 5 + 9),  # an empty message is a prefix in a frame
        (1, 6 + 9),
        (16384 - 5, 16384 + 9),  # exactly one frame
        (16384 - 4, 16385 + 18),
        (2 * 16384 - 5, 2 * 16384 + 18),
        (2**20, 2**20 + 5 + 65 * 9),
    ],
)
def test_framed_bytes_are_payload_prefix_and_frame_headers(payload: int, expected: int) -> None:
    assert framed(payload) == expected


@given(st.lists(from_device, max_size=4), st.lists(from_device, max_size=4))
def test_a_whole_has_counted_what_its_parts_have(one: list[FromDevice], other: list[FromDevice]) -> None:
    whole = Ledger()
    parts = [Ledger(whole), Ledger(whole)]
    for part, messages in zip(parts, (one, other), strict=True):
        for message in messages:
            part.count(encode_request(message))
    assert parts[0].traffic() + parts[1].traffic() == whole.traffic()


@given(st.lists(from_device, max_size=4), st.lists(from_edge, max_size=4))
def test_the_ledger_counts_the_bytes_that_are_written(requests: list[FromDevice], responses: list[FromEdge]) -> None:
    ledger = Ledger()
    ups = [encode_request(request) for request in requests]
    downs = [encode_response(response) for response in responses]
    for up in ups:
        ledger.count(up)
    for down in downs:
        ledger.count(down)
    traffic = ledger.traffic()
    for tally, messages in ((traffic.up, ups), (traffic.down, downs)):
        sizes = [len(message.SerializeToString()) for message in messages]
        assert tally == Tally(len(sizes), sum(sizes), sum(framed(size) for size in sizes))
    assert traffic.total == traffic.up + traffic.down


def test_each_kind_and_direction_has_its_own_entry() -> None:
    ledger = Ledger()
    chunk = encode_request(ImageChunk(0, 0, b"x" * 20000))
    propose = encode_request(Propose(0, 0, (1, 2, 3)))
    commit = encode_response(Commit(0, (1, 2, 3, 4), (3,)))
    for message in (chunk, chunk, propose, commit, encode_request(Yield(True)), encode_response(Drain(1))):
        ledger.count(message)
    traffic = ledger.traffic()
    assert [(entry.direction, entry.kind) for entry in traffic.entries] == [
        (Direction.DOWN, "commit"),
        (Direction.DOWN, "drain"),
        (Direction.UP, "image_chunk"),
        (Direction.UP, "propose"),
        (Direction.UP, "yield"),
    ]
    size = len(chunk.SerializeToString())
    assert traffic.kind("image_chunk") == Tally(2, 2 * size, 2 * (size + 5 + 18))
    assert traffic.kind("finish") == Tally()
    assert traffic.beside_pictures.up.messages == 2
    assert traffic.beside_pictures.up.payload == traffic.up.payload - 2 * size
    assert traffic.beside_pictures.down == traffic.down


def test_a_message_without_payload_is_counted_as_unknown() -> None:
    ledger = Ledger()
    ledger.count(pb.VerifyRequest())
    ledger.count(pb.VerifyResponse())
    assert ledger.traffic().kind("unknown") == Tally(2, 0, 28)


def test_a_snapshot_does_not_change_with_its_ledger() -> None:
    ledger = Ledger()
    before = ledger.traffic()
    ledger.count(encode_response(Drain(1)))
    assert before == Traffic()
    assert before.total == Tally()
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.entries = ()  # type: ignore[misc]


@given(traffics, traffics)
def test_traffics_add_up_in_any_order(one: Traffic, other: Traffic) -> None:
    both = one + other
    assert both == other + one
    assert both.up == one.up + other.up
    assert both.down == one.down + other.down
    assert both.beside_pictures == one.beside_pictures + other.beside_pictures
    assert one + Traffic() == one
