"""The codec against messages written out field by field: a round trip alone would not see two fields change places."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format

from shared.shares import Count, Ratio
from shared.speculation.attended import Attended
from shared.speculation.messages import (
    Commit,
    Evidence,
    Finish,
    Finished,
    FinishReason,
    Judging,
    Pace,
    Ping,
    Pong,
    Propose,
    Rule,
    SparseLaw,
    Timings,
    Yield,
)
from shared.speculation.prints import VocabularyPrint, VocabularyReference
from shared.speculation.request import (
    ImageReference,
    Message,
    Picture,
    SamplingParameters,
    SamplingWish,
    Text,
)
from shared.speculation.traced import Span, SpanKind, Traced
from shared.wire.codec import (
    FromDevice,
    FromEdge,
    decode_info,
    decode_request,
    decode_response,
    encode_info,
    encode_request,
    encode_response,
)
from shared.wire.handshake import (
    DeviceProfile,
    Drain,
    ImageChunk,
    ImageHeld,
    Limits,
    Open,
    Opened,
    Queued,
    Resume,
    ServerInfo,
    VocabularyWanted,
)
from shared.wire.v1 import verify_pb2 as pb

LIMITS = Limits()
SESSION, TOKEN, PRINTED = b"s" * 16, b"t" * 16, b"f" * 16
DIGEST, OTHER = b"d" * 32, b"e" * 32
PRINT = VocabularyPrint(65, b"blocks!!")
REFERENCE = VocabularyReference(65, b"r" * 16)
REFERENCE_TEXT = f'vocabulary {{ size: 65 digest: "{"r" * 16}" }}'
PRINT_TEXT = 'vocabulary { size: 65 blocks: "blocks!!" }'
NUMBERS = """temperature: 0.5 top_k: 1 top_p: 0.25 min_p: 0.125 repetition_penalty: 1.5 frequency_penalty: 1.25
    presence_penalty: -1.25 logit_bias { id: 3 bias: -4.5 } seed: 18446744073709551615 max_tokens: 6 stop: "end"
    stop_ids: 7"""
VALUES: dict[str, Any] = {
    "temperature": 0.5,
    "top_k": 1,
    "top_p": 0.25,
    "min_p": 0.125,
    "repetition_penalty": 1.5,
    "frequency_penalty": 1.25,
    "presence_penalty": -1.25,
    "logit_bias": ((3, -4.5),),
    "seed": 2**64 - 1,
    "max_tokens": 6,
    "stop": ("end",),
    "stop_ids": (7,),
}

REQUESTS: list[tuple[FromDevice, str]] = [
    (Ping(), "ping {}"),
    (PRINT, PRINT_TEXT),
    (
        Open(
            messages=(
                Message("system", (Text("Be brief."),)),
                Message("user", (Picture(1), Text("What?"), Picture(1))),
                Message("assistant", ()),
            ),
            images=(ImageReference(DIGEST, 10), ImageReference(OTHER, 20)),
            sampling=SamplingWish(**VALUES, ignore_eos=True),
            device=DeviceProfile(
                REFERENCE, 8, Pace.THRIFTY, Judging(Rule.REJECTION, Evidence.DENSE, lossy=True), "device 1"
            ),
            committed=(4, 5),
            attend=Ratio(0.25),
        ),
        f"""open {{ protocol_version: 1
        messages {{ role: "system" parts {{ text: "Be brief." }} }}
        messages {{ role: "user" parts {{ image: 1 }} parts {{ text: "What?" }} parts {{ image: 1 }} }}
        messages {{ role: "assistant" }}
        images {{ sha256: "{"d" * 32}" size: 10 }} images {{ sha256: "{"e" * 32}" size: 20 }}
        sampling {{ {NUMBERS} ignore_eos: true }} committed: [4, 5] attend {{ part: 0.25 }}
        device {{ {REFERENCE_TEXT} window: 8 pace: PACE_THRIFTY rule: RULE_REJECTION client: "device 1"
        evidence: EVIDENCE_DENSE lossy: true }} }}""",
    ),
    (
        Open((Message("user", (Text(""),)),), (), SamplingWish(), DeviceProfile(None, 1), attend=Count(64)),
        """open { attend { count: 64 } protocol_version: 1 messages { role: "user" parts { text: "" } } sampling {}
        device { window: 1 rule: RULE_COUPLED } }""",
    ),
    (ImageChunk(1, 2, b"three"), 'image_chunk { image: 1 offset: 2 data: "three" }'),
    (
        Propose(1, 2, (3, 0, 5), 0b100, (0.5, 0.25), (1, 1, 3)),
        "propose { seen: 1 base: 2 ids: [3, 0, 5] given: 4 draft_probability: [0.5, 0.25] parents: [1, 1, 3] }",
    ),
    (
        Propose(1, 2, (3, 4), laws=(SparseLaw((3, 9), (3, 1)), SparseLaw((4,), (8,))), closed=True),
        """propose { seen: 1 base: 2 ids: [3, 4] laws { ids: [3, 9] counts: [3, 1] } laws { ids: 4 counts: 8 }
        closed: true }""",
    ),
    (Propose(1, 2, (3,), rows=(b"rows",)), 'propose { seen: 1 base: 2 ids: 3 rows: "rows" }'),
    (Propose(9, 9), "propose { seen: 9 base: 9 }"),
    (Yield(True), "yield { on: true }"),
    (Yield(False), "yield {}"),
    (Finish(FinishReason.CANCELLED), "finish { reason: FINISH_REASON_CANCELLED }"),
    (Finish(FinishReason.DONE), "finish { reason: FINISH_REASON_DONE }"),
    (Resume(SESSION, TOKEN, 3), f'resume {{ protocol_version: 1 session: "{"s" * 16}" token: "{"t" * 16}" seen: 3 }}'),
]
RESPONSES: list[tuple[FromEdge, str]] = [
    (
        Opened(
            SESSION,
            TOKEN,
            SamplingParameters(**VALUES, eos_ids=(8, 9)),
            20,
            15,
            64,
            (62, 63),
            7,
            Pace.EAGER,
            60,
            PRINTED,
        ),
        f"""opened {{ session: "{"s" * 16}" token: "{"t" * 16}" sampling {{ {NUMBERS} eos_ids: [8, 9] }}
        prompt_tokens: 20 visual_tokens: 15 common_ids: 64 placeholder_ids: [62, 63] window: 7 pace: PACE_EAGER
        park_seconds: 60 fingerprint: "{"f" * 16}" }}""",
    ),
    (VocabularyWanted(), "vocabulary_wanted {}"),
    (ImageHeld((2, 0)), "image_held { images: [2, 0] }"),
    (
        Commit(3, (4, 0, 5), (1, 0), 6, 7, Timings(8, 9)),
        "commit { start: 3 ids: [4, 0, 5] accepted: [1, 0] heard: 6 admitted: 7 timings { step_us: 8 held_us: 9 } }",
    ),
    (Commit(0, (), admitted=0), "commit { admitted: 0 }"),
    (Commit(0, (1, 2)), "commit { ids: [1, 2] }"),
    (Commit(0, (1, 2), timings=Timings()), "commit { ids: [1, 2] timings {} }"),
    (Finished(FinishReason.EOS, 5), "finished { reason: FINISH_REASON_EOS length: 5 }"),
    (Finished(FinishReason.STOP, 5), "finished { reason: FINISH_REASON_STOP length: 5 }"),
    (Finished(FinishReason.LENGTH, 5), "finished { reason: FINISH_REASON_LENGTH length: 5 }"),
    (Finished(FinishReason.CANCELLED, 0), "finished { reason: FINISH_REASON_CANCELLED }"),
    (Queued(3), "queued { place: 3 }"),
    (Drain(30, 12), "drain { seconds: 30 length: 12 }"),
    (Pong(), "pong {}"),
    (
        Traced((Span(SpanKind.STEP, 5, 6, 7, 8, 4), Span(SpanKind.SEE, 0, 0), Span(SpanKind.CHOOSE, 1, 2)), 3, 4, 9),
        """traced { spans { kind: SPAN_KIND_STEP begin_us: 5 duration_us: 6 prompt_tokens: 7 proposals: 8 stood: 4 }
        spans { kind: SPAN_KIND_SEE } spans { kind: SPAN_KIND_CHOOSE begin_us: 1 duration_us: 2 }
        heard: 3 heard_us: 4 said_us: 9 }""",
    ),
    (
        Attended((((1, 2, 3, 65535),), (), ((0, 0, 256, 0), (0, 0, 0, 0)))),
        r"""attended { counts: [1, 0, 2]
        boxes: "\001\000\002\000\003\000\377\377\000\000\000\000\000\001\000\000\000\000\000\000\000\000\000\000" }""",
    ),
    (Attended(()), "attended {}"),
]


@pytest.mark.parametrize(("value", "written"), REQUESTS, ids=lambda value: type(value).__name__)
def test_a_request_is_what_the_protocol_says(value: FromDevice, written: str) -> None:
    message = text_format.Parse(written, pb.VerifyRequest())
    assert encode_request(value) == message
    assert decode_request(message, LIMITS) == value


@pytest.mark.parametrize(("value", "written"), RESPONSES, ids=lambda value: type(value).__name__)
def test_a_response_is_what_the_protocol_says(value: FromEdge, written: str) -> None:
    message = text_format.Parse(written, pb.VerifyResponse())
    assert encode_response(value) == message
    assert decode_response(message, LIMITS) == value


def test_what_an_edge_serves_is_what_the_protocol_says() -> None:
    limits = Limits(1, 2, 3, 4, 5, 6, 7, 8, 9)
    info = ServerInfo(
        "m",
        "f",
        PRINTED,
        PRINT,
        DIGEST,
        OTHER,
        limits,
        (Pace.THRIFTY, Pace.EAGER),
        (Rule.COUPLED,),
        "0.1",
        False,
        OTHER,
        True,
        True,
    )
    message = text_format.Parse(
        f"""protocol_version: 1 model: "m" family: "f" {PRINT_TEXT} special_tokens_sha256: "{"d" * 32}"
        chat_template_sha256: "{"e" * 32}" limits {{ max_window: 1 max_ahead: 2 context_length: 3 max_images: 4
        max_image_bytes: 5 max_image_pixels: 6 max_chunk_bytes: 7 max_text_bytes: 8 max_sessions: 9 }}
        paces: [PACE_THRIFTY, PACE_EAGER] rules: RULE_COUPLED version: "0.1" image_processor_sha256: "{"e" * 32}"
        trees: true attends: true fingerprint: "{"f" * 16}" """,
        pb.GetServerInfoResponse(),
    )
    assert encode_info(info) == message
    assert decode_info(message) == info


def test_what_a_device_leaves_open_is_none_or_coupled() -> None:
    opening = decode_request(
        text_format.Parse(
            'open { protocol_version: 1 messages { role: "user" } device { window: 1 } }', pb.VerifyRequest()
        ),
        LIMITS,
    )
    assert isinstance(opening, Open)
    assert opening.sampling == SamplingWish()
    assert opening.device == DeviceProfile(None, 1, None, Judging(), "")


def test_a_sampling_field_set_to_its_zero_is_not_a_field_that_was_not_set() -> None:
    wish = SamplingWish(temperature=0.0, top_k=0, seed=0)
    opening = Open((Message("user", ()),), (), wish, DeviceProfile(None, 1))
    assert encode_request(opening).open.sampling == text_format.Parse("temperature: 0 top_k: 0 seed: 0", pb.Sampling())


def test_a_time_too_long_for_its_field_is_told_as_the_longest() -> None:
    timings = encode_response(Commit(0, (), timings=Timings(2**32, 2**40))).commit.timings
    assert (timings.step_us, timings.held_us) == (2**32 - 1, 2**32 - 1)


def test_a_commit_without_timings_does_not_say_that_it_took_no_time() -> None:
    untold, nothing = pb.Commit(ids=[1]), pb.Commit(ids=[1], timings=pb.Timings())
    assert decode_response(pb.VerifyResponse(commit=untold), LIMITS) == Commit(0, (1,), timings=None)
    assert decode_response(pb.VerifyResponse(commit=nothing), LIMITS) == Commit(0, (1,), timings=Timings(0, 0))
