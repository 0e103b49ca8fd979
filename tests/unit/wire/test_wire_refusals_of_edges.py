"""Every refusal of what an edge says: one field of a valid message is spoiled, the sentence is read word for word."""

from __future__ import annotations

import math
from typing import Any

import pytest

from shared.errors import InvalidValue
from tests.support.wire_messages import DIGEST, NAME, changed, refused

# The path of a field, what is put there, and the rest of the sentence that refuses it.
INVALID: list[tuple[str, Any, str]] = [
    ("opened.session", b"", "is 0 bytes: must be 16 bytes"),
    ("opened.token", NAME[1:], "is 15 bytes: must be 16 bytes"),
    ("opened.sampling.temperature", math.nan, "is nan: must lie between 0.0 and 100.0"),
    ("opened.sampling.temperature", None, "is not set: must be set in Opened"),
    ("opened.sampling.seed", None, "is not set: must be set in Opened"),
    ("opened.sampling.max_tokens", None, "is not set: must be set in Opened"),
    ("opened.sampling.max_tokens", 0, f"is 0: must lie between 1 and {2**31 - 1}"),
    ("opened.sampling.stop[0]", ["é" * 129], f"is '{'é' * 59}…': must be at most 256 bytes, not 258"),
    ("opened.sampling.eos_ids[0]", [2**31], f"is {2**31}: must be below {2**31}"),
    ("opened.sampling.eos_ids", [0] * 1025, "is 1025 ids: must be at most 1024 ids"),
    ("opened.prompt_tokens", 101, "is 101: must lie between 0 and 100"),
    ("opened.visual_tokens", 21, "is 21: must lie between 0 and 20"),
    ("opened.common_ids", 2**31, f"is {2**31}: must be below {2**31}"),
    ("opened.placeholder_ids[0]", [64], "is 64: must be below 64"),
    ("opened.placeholder_ids", [1] * 65, "is 65 ids: must be at most 64 ids"),
    ("opened.window", 0, "is 0: must lie between 1 and 4"),
    ("opened.window", 5, "is 5: must lie between 1 and 4"),
    ("opened.pace", 0, "is PACE_UNSPECIFIED: must be PACE_EAGER, PACE_THRIFTY or PACE_AUTO"),
    ("opened.park_seconds", 2**31, f"is {2**31}: must be below {2**31}"),
    ("opened.fingerprint", b"", "is 0 bytes: must be 16 bytes"),
    ("opened.fingerprint", NAME[1:], "is 15 bytes: must be 16 bytes"),
    ("image_held.images", [0] * 3, "is 3 pictures: must be at most 2 pictures"),
    ("image_held.images[1]", [1, 2], "is 2: must be below 2, the number of pictures"),
    ("queued.place", 0, f"is 0: must lie between 1 and {2**31 - 1}"),
    ("queued.place", 2**31, f"is {2**31}: must lie between 1 and {2**31 - 1}"),
    ("commit.start", 98, "is 98: with 3 ids must not go beyond the context of 100 tokens"),
    ("commit.ids", [1] * 101, "is 101 ids: must be at most 100 ids"),
    ("commit.ids[0]", [2**31, 1, 2], f"is {2**31}: must be below {2**31}"),
    ("commit.accepted", [3, 0], "is 3 proposals in 2 steps: makes 4 or 5 ids; there are 3"),
    ("commit.accepted", [0, 0], "is 0 proposals in 2 steps: makes 1 or 2 ids; there are 3"),
    ("commit.lossy", 4, "is 4: must lie between 0 and 3"),
    ("commit.residual.ids", [], "is empty: must hold at least one id"),
    ("commit.residual.ids", [5, 4], "is 2 ids: must ascend"),
    ("commit.residual.ids", [5, 2**31], f"is {2**31}: must be below {2**31}"),
    ("commit.residual.probabilities", [0.5], "is 1 entries: must be empty or one for each of 2 ids"),
    ("commit.residual.probabilities[1]", [0.5, 0.0], "is 0.0: must be above 0 and at most 1"),
    ("commit.residual.probabilities[0]", [math.nan, 0.5], "is nan: must be above 0 and at most 1"),
    ("commit.admitted", 2**31, f"is {2**31}: must be below {2**31}"),
    ("commit.log_probabilities", [-1.0], "is 1 entries: must be empty or one for each of 3 ids"),
    ("commit.log_probabilities[1]", [-1.0, 0.5, -1.0], "is 0.5: must be finite and at most 0"),
    ("commit.log_probabilities[0]", [float("nan"), -1.0, -1.0], "is nan: must be finite and at most 0"),
    ("commit.log_probabilities[2]", [-1.0, -1.0, float("-inf")], "is -inf: must be finite and at most 0"),
    (
        "finished.reason",
        0,
        "is FINISH_REASON_UNSPECIFIED: must be "
        + ("FINISH_REASON_EOS, FINISH_REASON_STOP, FINISH_REASON_LENGTH or FINISH_REASON_CANCELLED"),
    ),
    (
        "finished.reason",
        5,
        "is FINISH_REASON_DONE: must be "
        + ("FINISH_REASON_EOS, FINISH_REASON_STOP, FINISH_REASON_LENGTH or FINISH_REASON_CANCELLED"),
    ),
    ("finished.length", 101, "is 101: must lie between 0 and 100"),
    ("attended.counts", [1] * 3, "is 3 pictures: must be at most 2 pictures"),
    ("attended.counts", [100, 1], "is 101 boxes: must be at most 100 boxes"),
    ("attended.counts", [2**32 - 1, 2**32 - 1], f"is {2**33 - 2} boxes: must be at most 100 boxes"),
    ("attended.boxes", b"12345678" * 2, "is 16 bytes: must be 24 bytes"),
    ("attended.boxes", b"12345678" * 3 + b"1", "is 25 bytes: must be 24 bytes"),
    (
        "attended.boxes[2]",
        bytes(16) + b"\1\0\0\0\0\0\5\0",
        "is 1 0 0 5: must have left <= right and top <= bottom",
    ),
    (
        "attended.boxes[0]",
        b"\0\0\5\0\0\0\4\0" + bytes(16),
        "is 0 5 0 4: must have left <= right and top <= bottom",
    ),
    ("traced.spans[0].kind", 0, "is 0: must be see, step or choose"),
    ("traced.spans[0].begin_us", 2**53 + 1, f"is {2**53 + 1}: must lie between 0 and {2**53}"),
    ("traced.spans[0].stood", 9, "is 9: must lie between 0 and 8"),
    ("traced.said_us", 2**53 + 1, f"is {2**53 + 1}: must lie between 0 and {2**53}"),
    ("drain.seconds", 2**31, f"is {2**31}: must be below {2**31}"),
    ("info.model", "m\x1b[2J", r"is 'm\x1b[2J': must hold printable characters only"),
    ("info.model", "m" * 257, f"is '{'m' * 59}…': must be at most 256 bytes, not 257"),
    ("info.family", "\n", r"is '\n': must hold printable characters only"),
    ("info.version", "\0", r"is '\x00': must hold printable characters only"),
    ("info.fingerprint", b"", "is 0 bytes: must be 16 bytes"),
    ("info.fingerprint", DIGEST, "is 32 bytes: must be 16 bytes"),
    ("info.special_tokens_sha256", b"", "is 0 bytes: must be 32 bytes"),
    ("info.chat_template_sha256", DIGEST[1:], "is 31 bytes: must be 32 bytes"),
    ("info.image_processor_sha256", DIGEST[1:], "is 31 bytes: must be 32 bytes"),
    ("info.paces", [1] * 17, "is 17 paces: must be at most 16 paces"),
    ("info.paces[1]", [1, 0], "is PACE_UNSPECIFIED: must be PACE_EAGER, PACE_THRIFTY or PACE_AUTO"),
    ("info.rules", [1] * 17, "is 17 rules: must be at most 16 rules"),
    ("info.rules[0]", [0], "is RULE_UNSPECIFIED: must be RULE_COUPLED or RULE_REJECTION"),
    ("info.rules[1]", [2, 9], "is 9: must be RULE_COUPLED or RULE_REJECTION"),
    *(
        (f"info.limits.{name}", value, f"is {value}: must lie between {low} and {high}")
        for names, low, high in (
            (("max_window", "max_ahead", "context_length", "max_chunk_bytes", "max_sessions"), 1, 2**31 - 1),
            (("max_images",), 0, 2**31 - 1),
            (("max_image_bytes", "max_image_pixels", "max_text_bytes"), 1, 2**53),
        )
        for name in names
        for value in (low - 1, high + 1)
        if value >= 0
    ),
]


@pytest.mark.parametrize(("path", "value", "rest"), INVALID, ids=lambda value: str(value)[:40])
def test_a_wrong_field_is_refused_with_field_value_and_limit(path: str, value: Any, rest: str) -> None:
    error = refused(changed(path, value))
    assert type(error) is InvalidValue
    assert str(error) == f"{path} {rest}"


def test_a_vocabulary_needs_a_digest_for_every_block() -> None:
    error = refused(changed("info.vocabulary.size", 129))
    assert str(error) == "info.vocabulary.blocks is 8 bytes: must be 12 bytes for 129 ids"


def test_an_edge_without_a_pace_is_refused() -> None:
    error = refused(changed("info.paces", []))
    assert type(error) is InvalidValue
    assert str(error) == "info.paces is not set: must be at least one pace"
