"""Every refusal of what a device says: one field of a valid message is spoiled, the sentence is read word for word."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from shared.errors import InvalidValue
from shared.speculation.request import Message, SamplingWish, Text
from shared.wire.codec import (
    encode_request,
    parse_request,
)
from shared.wire.handshake import (
    DeviceProfile,
    Open,
)
from shared.wire.v1 import verify_pb2 as pb
from tests.support.wire_messages import DIGEST, NAME, VALID, changed, decoded, refused

COUNTS = f"must be above 0 and sum to a power of two, at most {2**24}"
GRID = f"must be a whole number over {2**24}"
# The path of a field, what is put there, and the rest of the sentence that refuses it.
INVALID: list[tuple[str, Any, str]] = [
    ("open.messages", [], "is empty: must hold at least one message"),
    ("open.messages", [pb.Message(role="user")] * 1025, "is 1025 messages: must be at most 1024 messages"),
    ("open.messages[0].role", "tool", "is 'tool': must be system, user or assistant"),
    ("open.messages[0].role", "r" * 999, f"is '{'r' * 59}…': must be system, user or assistant"),
    ("open.messages[0].parts[1].image", 1, "is 1: must be below 1, the number of pictures"),
    ("open.images", [pb.ImageReference()] * 3, "is 3 pictures: must be at most 2 pictures"),
    ("open.images[0].sha256", DIGEST[1:], "is 31 bytes: must be 32 bytes"),
    ("open.images[0].sha256", DIGEST + b"d", "is 33 bytes: must be 32 bytes"),
    ("open.images[0].size", 0, "is 0: must lie between 1 and 1000"),
    ("open.images[0].size", 1001, "is 1001: must lie between 1 and 1000"),
    ("open.committed", [0] * 101, "is 101 ids: must be at most 100 ids"),
    ("open.committed[1]", [5, 2**31], f"is {2**31}: must be below {2**31}"),
    ("open.attend.part", math.nan, "is nan: must lie between 0 and 1"),
    ("open.attend.part", -0.25, "is -0.25: must lie between 0 and 1"),
    ("open.attend.part", 1.25, "is 1.25: must lie between 0 and 1"),
    ("open.attend.count", 2**31, f"is {2**31}: must be below {2**31}"),
    ("open.sampling.temperature", math.nan, "is nan: must lie between 0.0 and 100.0"),
    ("open.sampling.temperature", math.inf, "is inf: must lie between 0.0 and 100.0"),
    ("open.sampling.temperature", -0.5, "is -0.5: must lie between 0.0 and 100.0"),
    ("open.sampling.top_k", 2**31, f"is {2**31}: must lie between 0 and {2**31 - 1}"),
    ("open.sampling.top_p", 0.0, "is 0.0: must lie between 1e-06 and 1.0"),
    ("open.sampling.top_p", math.nan, "is nan: must lie between 1e-06 and 1.0"),
    ("open.sampling.min_p", 1.5, "is 1.5: must lie between 0.0 and 1.0"),
    ("open.sampling.min_p", math.nan, "is nan: must lie between 0.0 and 1.0"),
    ("open.sampling.repetition_penalty", 0.0, "is 0.0: must lie between 0.01 and 100.0"),
    ("open.sampling.repetition_penalty", math.inf, "is inf: must lie between 0.01 and 100.0"),
    ("open.sampling.frequency_penalty", -math.inf, "is -inf: must lie between -2.0 and 2.0"),
    ("open.sampling.presence_penalty", 2.5, "is 2.5: must lie between -2.0 and 2.0"),
    ("open.sampling.max_tokens", 0, f"is 0: must lie between 1 and {2**31 - 1}"),
    ("open.sampling.logit_bias", [pb.LogitBias()] * 1025, "is 1025 entries: must be at most 1024 entries"),
    ("open.sampling.logit_bias", [pb.LogitBias(id=2**31)], f"is {2**31}: must lie between 0 and {2**31 - 1}"),
    ("open.sampling.logit_bias", [pb.LogitBias(bias=math.nan)], "is nan: must lie between -100.0 and 100.0"),
    ("open.sampling.stop", ["a"] * 17, "is 17 strings: must be at most 16 strings"),
    ("open.sampling.stop[1]", ["a", "é" * 129], f"is '{'é' * 59}…': must be at most 256 bytes, not 258"),
    ("open.sampling.stop", [""], "is '': an empty stop string would end every answer at once"),
    ("open.sampling.stop_ids", [0] * 1025, "is 1025 ids: must be at most 1024 ids"),
    ("open.sampling.stop_ids[0]", [2**32 - 1], f"is {2**32 - 1}: must be below {2**31}"),
    ("open.sampling.eos_ids", [2], "is set: is the edge's to say; use stop_ids or ignore_eos"),
    ("open.device.vocabulary.size", 0, f"is 0: must lie between 1 and {2**20}"),
    ("open.device.vocabulary.size", 2**20 + 1, f"is {2**20 + 1}: must lie between 1 and {2**20}"),
    ("open.device.vocabulary.digest", b"", "is 0 bytes: must be 16 bytes"),
    ("open.device.vocabulary.digest", b"d" * 32, "is 32 bytes: must be 16 bytes"),
    ("vocabulary.size", 0, f"is 0: must lie between 1 and {2**20}"),
    ("vocabulary.size", 2**20 + 1, f"is {2**20 + 1}: must lie between 1 and {2**20}"),
    ("vocabulary.blocks", b"", "is 0 bytes: must be 8 bytes for 65 ids"),
    ("vocabulary.blocks", b"x" * 12, "is 12 bytes: must be 8 bytes for 65 ids"),
    ("open.device.window", 0, "is 0: must lie between 1 and 4"),
    ("open.device.window", 5, "is 5: must lie between 1 and 4"),
    ("open.device.pace", 7, "is 7: must be PACE_EAGER, PACE_THRIFTY or PACE_AUTO"),
    ("open.device.pace", -1, "is -1: must be PACE_EAGER, PACE_THRIFTY or PACE_AUTO"),
    ("open.device.rule", 3, "is 3: must be RULE_COUPLED or RULE_REJECTION"),
    ("open.device.client", "é" * 129, f"is '{'é' * 59}…': must be at most 256 bytes, not 258"),
    ("open.device.client", "a\nb", r"is 'a\nb': must hold printable characters only"),
    ("image_chunk.image", 2, "is 2: must be below 2, the number of pictures"),
    ("image_chunk.data", b"", "is 0 bytes: must be 1 to 100 bytes"),
    ("image_chunk.data", b"x" * 101, "is 101 bytes: must be 1 to 100 bytes"),
    ("image_chunk.offset", 901, "is 901: with 100 bytes of data must not go beyond 1000 bytes"),
    ("image_chunk.offset", 2**64 - 1, f"is {2**64 - 1}: with 100 bytes of data must not go beyond 1000 bytes"),
    ("propose.seen", 2**31, f"is {2**31}: must be below {2**31}"),
    ("propose.base", 2**32 - 1, f"is {2**32 - 1}: must be below {2**31}"),
    ("propose.ids", [1] * 5, "is 5 ids: must be at most 4 ids"),
    ("propose.ids[2]", [1, 2, 2**31], f"is {2**31}: must be below {2**31}"),
    ("propose.given", 8, "is 8: must be below 8: one bit for each of 3 ids"),
    ("propose.draft_probability", [0.5], "is 1 entries: must be empty or one for each of 2 ids"),
    ("propose.draft_probability", [0.5] * 3, "is 3 entries: must be empty or one for each of 2 ids"),
    ("propose.draft_probability[1]", [0.5, 0.0], "is 0.0: must be above 0 and at most 1"),
    ("propose.draft_probability[1]", [0.5, 1.5], "is 1.5: must be above 0 and at most 1"),
    ("propose.draft_probability[1]", [0.5, math.nan], "is nan: must be above 0 and at most 1"),
    ("propose.draft_probability[0]", [math.inf, 0.5], "is inf: must be above 0 and at most 1"),
    ("propose.draft_probability[1]", [2.0**-24, 2.0**-25], f"is {2.0**-25}: {GRID}"),
    ("propose.draft_probability[0]", [0.5 - 2.0**-25, 0.5], f"is {0.5 - 2.0**-25}: {GRID}"),
    ("propose.draft_probability[0]", [2.0**-149, 0.5], f"is {2.0**-149}: {GRID}"),
    ("propose.rows", [b"row"], "is 1 entries: must be empty or one for each of 2 ids"),
    ("propose.laws", [pb.SparseLaw(ids=[1], counts=[1])], "is 1 entries: must be empty or one for each of 2 ids"),
    ("propose.laws[1].ids", [], "is empty: must hold at least one id"),
    ("propose.laws[1].ids", [8, 8], "is 2 ids: must ascend"),
    ("propose.laws[1].ids", [7, 2**31], f"is {2**31}: must be below {2**31}"),
    ("propose.laws[1].ids", list(range(4097)), "is 4097 ids: must be at most 4096 ids"),
    ("propose.laws[1].counts", [4], "is 1 entries: must be empty or one for each of 2 ids"),
    ("propose.laws[1].counts", [0, 4], f"is 0 at an id: {COUNTS}"),
    ("propose.laws[1].counts", [1, 2], f"is a sum of 3: {COUNTS}"),
    ("propose.laws[1].counts", [2**24] * 2, f"is a sum of {2**25}: {COUNTS}"),
    ("propose.parents", [0, 1], "is 2 entries: must be empty or one for each of 3 ids"),
    ("propose.parents[0]", [1, 1, 1], "is 1: must lie between 0 and 0"),
    ("propose.parents[2]", [0, 1, 3], "is 3: must lie between 0 and 2"),
    ("finish.reason", 0, "is FINISH_REASON_UNSPECIFIED: must be FINISH_REASON_CANCELLED or FINISH_REASON_DONE"),
    ("finish.reason", 1, "is FINISH_REASON_EOS: must be FINISH_REASON_CANCELLED or FINISH_REASON_DONE"),
    ("finish.reason", 99, "is 99: must be FINISH_REASON_CANCELLED or FINISH_REASON_DONE"),
    ("resume.session", NAME[1:], "is 15 bytes: must be 16 bytes"),
    ("resume.token", NAME + b"n", "is 17 bytes: must be 16 bytes"),
    ("resume.seen", 101, "is 101: must lie between 0 and 100"),
]


def test_to_ask_where_the_target_looks_without_saying_how_much_is_refused() -> None:
    message = changed("open.committed", [])
    assert isinstance(message, pb.VerifyRequest)
    message.open.attend.ClearField("part")
    assert str(refused(message)) == "open.attend.share is not set: must be count or part"


@pytest.mark.parametrize(("path", "value", "rest"), INVALID, ids=lambda value: str(value)[:40])
def test_a_wrong_field_is_refused_with_field_value_and_limit(path: str, value: Any, rest: str) -> None:
    error = refused(changed(path, value))
    assert type(error) is InvalidValue
    assert str(error) == f"{path} {rest}"


def test_a_device_without_profile_is_refused_for_its_window() -> None:
    assert str(refused(changed("open.device", None))) == "open.device.window is 0: must lie between 1 and 4"


def test_a_part_without_content_is_refused() -> None:
    message = changed("open.messages", [pb.Message(role="user", parts=[pb.Part(text="a"), pb.Part()])])
    assert str(refused(message)) == "open.messages[0].parts[1].content is not set: must be text or image"


def test_text_is_limited_over_all_messages_in_bytes() -> None:
    turn = pb.Message(role="user", parts=[pb.Part(text="é" * 12), pb.Part(text="!")])
    assert isinstance(decoded(changed("open.messages", [turn] * 2)), Open)  # 50 bytes
    longer = pb.Message(role="system", parts=[pb.Part(text="a")])
    error = refused(changed("open.messages", [turn, turn, longer]))
    assert str(error) == "open.messages is 51 bytes of text: must be at most 50 bytes of text"


def test_parts_are_limited_over_all_messages() -> None:
    turn = pb.Message(role="user", parts=[pb.Part(text="")] * 2049)
    assert str(refused(changed("open.messages", [turn] * 2))) == (
        "open.messages is 4098 parts: must be at most 4096 parts"
    )


def test_text_that_is_not_utf8_is_refused() -> None:
    data = VALID["open"].SerializeToString().replace(b"user", b"us\xff\xfe")
    with pytest.raises(InvalidValue, match="must be a protobuf"):
        parse_request(data)


@pytest.mark.parametrize(
    ("messages", "wish", "client", "sentence"),
    [
        (
            "a\udc80",
            SamplingWish(),
            "",
            r"open.messages[0].parts[0].text is 'a\udc80': "
            + ("must be text that UTF-8 can carry; character 1 is not"),
        ),
        (
            "a",
            SamplingWish(stop=("\udc80",)),
            "",
            r"open.sampling.stop[0] is '\udc80': " + ("must be text that UTF-8 can carry; character 0 is not"),
        ),
        (
            "a",
            SamplingWish(),
            "\udc80",
            r"open.device.client is '\udc80': " + ("must be text that UTF-8 can carry; character 0 is not"),
        ),
        ("a", SamplingWish(top_k=-1), "", f"open.sampling.top_k is -1: must lie between 0 and {2**31 - 1}"),
        ("a", SamplingWish(seed=2**64), "", f"open.sampling.seed is {2**64}: must lie between 0 and {2**64 - 1}"),
        (
            "a",
            SamplingWish(temperature=math.nan),
            "",
            ("open.sampling.temperature is nan: must lie between 0.0 and 100.0"),
        ),
    ],
)
def test_a_device_refuses_before_sending_what_no_edge_would_take(
    messages: str, wish: SamplingWish, client: str, sentence: str
) -> None:
    opening = Open((Message("user", (Text(messages),)),), (), wish, DeviceProfile(None, 4, client=client))
    with pytest.raises(InvalidValue, match=f"^{re.escape(sentence)}$"):
        encode_request(opening)
