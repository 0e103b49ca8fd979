from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Pace(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PACE_UNSPECIFIED: _ClassVar[Pace]
    PACE_EAGER: _ClassVar[Pace]
    PACE_THRIFTY: _ClassVar[Pace]
    PACE_AUTO: _ClassVar[Pace]

class Rule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RULE_UNSPECIFIED: _ClassVar[Rule]
    RULE_COUPLED: _ClassVar[Rule]
    RULE_REJECTION: _ClassVar[Rule]

class Evidence(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVIDENCE_UNSPECIFIED: _ClassVar[Evidence]
    EVIDENCE_SCALAR: _ClassVar[Evidence]
    EVIDENCE_POINT: _ClassVar[Evidence]
    EVIDENCE_SPARSE: _ClassVar[Evidence]
    EVIDENCE_DENSE: _ClassVar[Evidence]

class FinishReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINISH_REASON_UNSPECIFIED: _ClassVar[FinishReason]
    FINISH_REASON_EOS: _ClassVar[FinishReason]
    FINISH_REASON_STOP: _ClassVar[FinishReason]
    FINISH_REASON_LENGTH: _ClassVar[FinishReason]
    FINISH_REASON_CANCELLED: _ClassVar[FinishReason]
    FINISH_REASON_DONE: _ClassVar[FinishReason]

class SpanKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SPAN_KIND_UNSPECIFIED: _ClassVar[SpanKind]
    SPAN_KIND_SEE: _ClassVar[SpanKind]
    SPAN_KIND_STEP: _ClassVar[SpanKind]
    SPAN_KIND_CHOOSE: _ClassVar[SpanKind]
PACE_UNSPECIFIED: Pace
PACE_EAGER: Pace
PACE_THRIFTY: Pace
PACE_AUTO: Pace
RULE_UNSPECIFIED: Rule
RULE_COUPLED: Rule
RULE_REJECTION: Rule
EVIDENCE_UNSPECIFIED: Evidence
EVIDENCE_SCALAR: Evidence
EVIDENCE_POINT: Evidence
EVIDENCE_SPARSE: Evidence
EVIDENCE_DENSE: Evidence
FINISH_REASON_UNSPECIFIED: FinishReason
FINISH_REASON_EOS: FinishReason
FINISH_REASON_STOP: FinishReason
FINISH_REASON_LENGTH: FinishReason
FINISH_REASON_CANCELLED: FinishReason
FINISH_REASON_DONE: FinishReason
SPAN_KIND_UNSPECIFIED: SpanKind
SPAN_KIND_SEE: SpanKind
SPAN_KIND_STEP: SpanKind
SPAN_KIND_CHOOSE: SpanKind

class VerifyRequest(_message.Message):
    __slots__ = ("open", "image_chunk", "propose", "finish", "resume", "ping", "vocabulary")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    IMAGE_CHUNK_FIELD_NUMBER: _ClassVar[int]
    PROPOSE_FIELD_NUMBER: _ClassVar[int]
    YIELD_FIELD_NUMBER: _ClassVar[int]
    FINISH_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    VOCABULARY_FIELD_NUMBER: _ClassVar[int]
    open: Open
    image_chunk: ImageChunk
    propose: Propose
    finish: Finish
    resume: Resume
    ping: Ping
    vocabulary: Vocabulary
    def __init__(self, open: _Optional[_Union[Open, _Mapping]] = ..., image_chunk: _Optional[_Union[ImageChunk, _Mapping]] = ..., propose: _Optional[_Union[Propose, _Mapping]] = ..., finish: _Optional[_Union[Finish, _Mapping]] = ..., resume: _Optional[_Union[Resume, _Mapping]] = ..., ping: _Optional[_Union[Ping, _Mapping]] = ..., vocabulary: _Optional[_Union[Vocabulary, _Mapping]] = ..., **kwargs) -> None: ...

class VerifyResponse(_message.Message):
    __slots__ = ("opened", "image_held", "commit", "finished", "drain", "queued", "pong", "traced", "attended", "vocabulary_wanted")
    OPENED_FIELD_NUMBER: _ClassVar[int]
    IMAGE_HELD_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    TRACED_FIELD_NUMBER: _ClassVar[int]
    ATTENDED_FIELD_NUMBER: _ClassVar[int]
    VOCABULARY_WANTED_FIELD_NUMBER: _ClassVar[int]
    opened: Opened
    image_held: ImageHeld
    commit: Commit
    finished: Finished
    drain: Drain
    queued: Queued
    pong: Pong
    traced: Traced
    attended: Attended
    vocabulary_wanted: VocabularyWanted
    def __init__(self, opened: _Optional[_Union[Opened, _Mapping]] = ..., image_held: _Optional[_Union[ImageHeld, _Mapping]] = ..., commit: _Optional[_Union[Commit, _Mapping]] = ..., finished: _Optional[_Union[Finished, _Mapping]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ..., queued: _Optional[_Union[Queued, _Mapping]] = ..., pong: _Optional[_Union[Pong, _Mapping]] = ..., traced: _Optional[_Union[Traced, _Mapping]] = ..., attended: _Optional[_Union[Attended, _Mapping]] = ..., vocabulary_wanted: _Optional[_Union[VocabularyWanted, _Mapping]] = ...) -> None: ...

class Open(_message.Message):
    __slots__ = ("protocol_version", "messages", "images", "sampling", "committed", "device", "log_probabilities", "trace", "attend")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    LOG_PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    ATTEND_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    images: _containers.RepeatedCompositeFieldContainer[ImageReference]
    sampling: Sampling
    committed: _containers.RepeatedScalarFieldContainer[int]
    device: DeviceProfile
    log_probabilities: bool
    trace: bool
    attend: Attend
    def __init__(self, protocol_version: _Optional[int] = ..., messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., images: _Optional[_Iterable[_Union[ImageReference, _Mapping]]] = ..., sampling: _Optional[_Union[Sampling, _Mapping]] = ..., committed: _Optional[_Iterable[int]] = ..., device: _Optional[_Union[DeviceProfile, _Mapping]] = ..., log_probabilities: _Optional[bool] = ..., trace: _Optional[bool] = ..., attend: _Optional[_Union[Attend, _Mapping]] = ...) -> None: ...

class Attend(_message.Message):
    __slots__ = ("count", "part")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    count: int
    part: float
    def __init__(self, count: _Optional[int] = ..., part: _Optional[float] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("role", "parts")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    role: str
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    def __init__(self, role: _Optional[str] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("text", "image")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    text: str
    image: int
    def __init__(self, text: _Optional[str] = ..., image: _Optional[int] = ...) -> None: ...

class ImageReference(_message.Message):
    __slots__ = ("sha256", "size")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    sha256: bytes
    size: int
    def __init__(self, sha256: _Optional[bytes] = ..., size: _Optional[int] = ...) -> None: ...

class ImageChunk(_message.Message):
    __slots__ = ("image", "offset", "data")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    image: int
    offset: int
    data: bytes
    def __init__(self, image: _Optional[int] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class ImageHeld(_message.Message):
    __slots__ = ("images",)
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, images: _Optional[_Iterable[int]] = ...) -> None: ...

class Sampling(_message.Message):
    __slots__ = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "frequency_penalty", "presence_penalty", "logit_bias", "seed", "max_tokens", "stop", "stop_ids", "ignore_eos", "eos_ids")
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    MIN_P_FIELD_NUMBER: _ClassVar[int]
    REPETITION_PENALTY_FIELD_NUMBER: _ClassVar[int]
    FREQUENCY_PENALTY_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_PENALTY_FIELD_NUMBER: _ClassVar[int]
    LOGIT_BIAS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    STOP_IDS_FIELD_NUMBER: _ClassVar[int]
    IGNORE_EOS_FIELD_NUMBER: _ClassVar[int]
    EOS_IDS_FIELD_NUMBER: _ClassVar[int]
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    frequency_penalty: float
    presence_penalty: float
    logit_bias: _containers.RepeatedCompositeFieldContainer[LogitBias]
    seed: int
    max_tokens: int
    stop: _containers.RepeatedScalarFieldContainer[str]
    stop_ids: _containers.RepeatedScalarFieldContainer[int]
    ignore_eos: bool
    eos_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, temperature: _Optional[float] = ..., top_k: _Optional[int] = ..., top_p: _Optional[float] = ..., min_p: _Optional[float] = ..., repetition_penalty: _Optional[float] = ..., frequency_penalty: _Optional[float] = ..., presence_penalty: _Optional[float] = ..., logit_bias: _Optional[_Iterable[_Union[LogitBias, _Mapping]]] = ..., seed: _Optional[int] = ..., max_tokens: _Optional[int] = ..., stop: _Optional[_Iterable[str]] = ..., stop_ids: _Optional[_Iterable[int]] = ..., ignore_eos: _Optional[bool] = ..., eos_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class LogitBias(_message.Message):
    __slots__ = ("id", "bias")
    ID_FIELD_NUMBER: _ClassVar[int]
    BIAS_FIELD_NUMBER: _ClassVar[int]
    id: int
    bias: float
    def __init__(self, id: _Optional[int] = ..., bias: _Optional[float] = ...) -> None: ...

class DeviceProfile(_message.Message):
    __slots__ = ("vocabulary", "window", "pace", "rule", "client", "evidence", "lossy")
    VOCABULARY_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    PACE_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    LOSSY_FIELD_NUMBER: _ClassVar[int]
    vocabulary: VocabularyReference
    window: int
    pace: Pace
    rule: Rule
    client: str
    evidence: Evidence
    lossy: bool
    def __init__(self, vocabulary: _Optional[_Union[VocabularyReference, _Mapping]] = ..., window: _Optional[int] = ..., pace: _Optional[_Union[Pace, str]] = ..., rule: _Optional[_Union[Rule, str]] = ..., client: _Optional[str] = ..., evidence: _Optional[_Union[Evidence, str]] = ..., lossy: _Optional[bool] = ...) -> None: ...

class VocabularyReference(_message.Message):
    __slots__ = ("size", "digest")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    size: int
    digest: bytes
    def __init__(self, size: _Optional[int] = ..., digest: _Optional[bytes] = ...) -> None: ...

class VocabularyWanted(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Vocabulary(_message.Message):
    __slots__ = ("size", "blocks")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    size: int
    blocks: bytes
    def __init__(self, size: _Optional[int] = ..., blocks: _Optional[bytes] = ...) -> None: ...

class Opened(_message.Message):
    __slots__ = ("session", "token", "sampling", "prompt_tokens", "visual_tokens", "common_ids", "placeholder_ids", "window", "pace", "park_seconds", "fingerprint")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    VISUAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMMON_IDS_FIELD_NUMBER: _ClassVar[int]
    PLACEHOLDER_IDS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    PACE_FIELD_NUMBER: _ClassVar[int]
    PARK_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    token: bytes
    sampling: Sampling
    prompt_tokens: int
    visual_tokens: int
    common_ids: int
    placeholder_ids: _containers.RepeatedScalarFieldContainer[int]
    window: int
    pace: Pace
    park_seconds: int
    fingerprint: bytes
    def __init__(self, session: _Optional[bytes] = ..., token: _Optional[bytes] = ..., sampling: _Optional[_Union[Sampling, _Mapping]] = ..., prompt_tokens: _Optional[int] = ..., visual_tokens: _Optional[int] = ..., common_ids: _Optional[int] = ..., placeholder_ids: _Optional[_Iterable[int]] = ..., window: _Optional[int] = ..., pace: _Optional[_Union[Pace, str]] = ..., park_seconds: _Optional[int] = ..., fingerprint: _Optional[bytes] = ...) -> None: ...

class Propose(_message.Message):
    __slots__ = ("seen", "base", "ids", "given", "draft_probability", "parents", "laws", "rows", "closed")
    SEEN_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    GIVEN_FIELD_NUMBER: _ClassVar[int]
    DRAFT_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    PARENTS_FIELD_NUMBER: _ClassVar[int]
    LAWS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    seen: int
    base: int
    ids: _containers.RepeatedScalarFieldContainer[int]
    given: int
    draft_probability: _containers.RepeatedScalarFieldContainer[float]
    parents: _containers.RepeatedScalarFieldContainer[int]
    laws: _containers.RepeatedCompositeFieldContainer[SparseLaw]
    rows: _containers.RepeatedScalarFieldContainer[bytes]
    closed: bool
    def __init__(self, seen: _Optional[int] = ..., base: _Optional[int] = ..., ids: _Optional[_Iterable[int]] = ..., given: _Optional[int] = ..., draft_probability: _Optional[_Iterable[float]] = ..., parents: _Optional[_Iterable[int]] = ..., laws: _Optional[_Iterable[_Union[SparseLaw, _Mapping]]] = ..., rows: _Optional[_Iterable[bytes]] = ..., closed: _Optional[bool] = ...) -> None: ...

class SparseLaw(_message.Message):
    __slots__ = ("ids", "counts")
    IDS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[int]
    counts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, ids: _Optional[_Iterable[int]] = ..., counts: _Optional[_Iterable[int]] = ...) -> None: ...

class Yield(_message.Message):
    __slots__ = ("on",)
    ON_FIELD_NUMBER: _ClassVar[int]
    on: bool
    def __init__(self, on: _Optional[bool] = ...) -> None: ...

class Finish(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: FinishReason
    def __init__(self, reason: _Optional[_Union[FinishReason, str]] = ...) -> None: ...

class Resume(_message.Message):
    __slots__ = ("protocol_version", "session", "token", "seen")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    session: bytes
    token: bytes
    seen: int
    def __init__(self, protocol_version: _Optional[int] = ..., session: _Optional[bytes] = ..., token: _Optional[bytes] = ..., seen: _Optional[int] = ...) -> None: ...

class Ping(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Pong(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Commit(_message.Message):
    __slots__ = ("start", "ids", "accepted", "heard", "admitted", "timings", "residual", "log_probabilities", "lossy")
    START_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    HEARD_FIELD_NUMBER: _ClassVar[int]
    ADMITTED_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    RESIDUAL_FIELD_NUMBER: _ClassVar[int]
    LOG_PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    LOSSY_FIELD_NUMBER: _ClassVar[int]
    start: int
    ids: _containers.RepeatedScalarFieldContainer[int]
    accepted: _containers.RepeatedScalarFieldContainer[int]
    heard: int
    admitted: int
    timings: Timings
    residual: ResidualRow
    log_probabilities: _containers.RepeatedScalarFieldContainer[float]
    lossy: int
    def __init__(self, start: _Optional[int] = ..., ids: _Optional[_Iterable[int]] = ..., accepted: _Optional[_Iterable[int]] = ..., heard: _Optional[int] = ..., admitted: _Optional[int] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., residual: _Optional[_Union[ResidualRow, _Mapping]] = ..., log_probabilities: _Optional[_Iterable[float]] = ..., lossy: _Optional[int] = ...) -> None: ...

class Timings(_message.Message):
    __slots__ = ("step_us", "held_us")
    STEP_US_FIELD_NUMBER: _ClassVar[int]
    HELD_US_FIELD_NUMBER: _ClassVar[int]
    step_us: int
    held_us: int
    def __init__(self, step_us: _Optional[int] = ..., held_us: _Optional[int] = ...) -> None: ...

class ResidualRow(_message.Message):
    __slots__ = ("ids", "probabilities", "partial")
    IDS_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[int]
    probabilities: _containers.RepeatedScalarFieldContainer[float]
    partial: bool
    def __init__(self, ids: _Optional[_Iterable[int]] = ..., probabilities: _Optional[_Iterable[float]] = ..., partial: _Optional[bool] = ...) -> None: ...

class Finished(_message.Message):
    __slots__ = ("reason", "length")
    REASON_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    reason: FinishReason
    length: int
    def __init__(self, reason: _Optional[_Union[FinishReason, str]] = ..., length: _Optional[int] = ...) -> None: ...

class Queued(_message.Message):
    __slots__ = ("place",)
    PLACE_FIELD_NUMBER: _ClassVar[int]
    place: int
    def __init__(self, place: _Optional[int] = ...) -> None: ...

class Traced(_message.Message):
    __slots__ = ("spans", "heard", "heard_us", "said_us")
    SPANS_FIELD_NUMBER: _ClassVar[int]
    HEARD_FIELD_NUMBER: _ClassVar[int]
    HEARD_US_FIELD_NUMBER: _ClassVar[int]
    SAID_US_FIELD_NUMBER: _ClassVar[int]
    spans: _containers.RepeatedCompositeFieldContainer[Span]
    heard: int
    heard_us: int
    said_us: int
    def __init__(self, spans: _Optional[_Iterable[_Union[Span, _Mapping]]] = ..., heard: _Optional[int] = ..., heard_us: _Optional[int] = ..., said_us: _Optional[int] = ...) -> None: ...

class Attended(_message.Message):
    __slots__ = ("counts", "boxes")
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    BOXES_FIELD_NUMBER: _ClassVar[int]
    counts: _containers.RepeatedScalarFieldContainer[int]
    boxes: bytes
    def __init__(self, counts: _Optional[_Iterable[int]] = ..., boxes: _Optional[bytes] = ...) -> None: ...

class Span(_message.Message):
    __slots__ = ("kind", "begin_us", "duration_us", "prompt_tokens", "proposals", "stood")
    KIND_FIELD_NUMBER: _ClassVar[int]
    BEGIN_US_FIELD_NUMBER: _ClassVar[int]
    DURATION_US_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    PROPOSALS_FIELD_NUMBER: _ClassVar[int]
    STOOD_FIELD_NUMBER: _ClassVar[int]
    kind: SpanKind
    begin_us: int
    duration_us: int
    prompt_tokens: int
    proposals: int
    stood: int
    def __init__(self, kind: _Optional[_Union[SpanKind, str]] = ..., begin_us: _Optional[int] = ..., duration_us: _Optional[int] = ..., prompt_tokens: _Optional[int] = ..., proposals: _Optional[int] = ..., stood: _Optional[int] = ...) -> None: ...

class Drain(_message.Message):
    __slots__ = ("seconds", "length")
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    seconds: int
    length: int
    def __init__(self, seconds: _Optional[int] = ..., length: _Optional[int] = ...) -> None: ...

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("protocol_version", "model", "family", "vocabulary", "special_tokens_sha256", "chat_template_sha256", "limits", "paces", "rules", "version", "lossy", "image_processor_sha256", "trees", "attends", "fingerprint")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    VOCABULARY_FIELD_NUMBER: _ClassVar[int]
    SPECIAL_TOKENS_SHA256_FIELD_NUMBER: _ClassVar[int]
    CHAT_TEMPLATE_SHA256_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    PACES_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LOSSY_FIELD_NUMBER: _ClassVar[int]
    IMAGE_PROCESSOR_SHA256_FIELD_NUMBER: _ClassVar[int]
    TREES_FIELD_NUMBER: _ClassVar[int]
    ATTENDS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    model: str
    family: str
    vocabulary: Vocabulary
    special_tokens_sha256: bytes
    chat_template_sha256: bytes
    limits: Limits
    paces: _containers.RepeatedScalarFieldContainer[Pace]
    rules: _containers.RepeatedScalarFieldContainer[Rule]
    version: str
    lossy: bool
    image_processor_sha256: bytes
    trees: bool
    attends: bool
    fingerprint: bytes
    def __init__(self, protocol_version: _Optional[int] = ..., model: _Optional[str] = ..., family: _Optional[str] = ..., vocabulary: _Optional[_Union[Vocabulary, _Mapping]] = ..., special_tokens_sha256: _Optional[bytes] = ..., chat_template_sha256: _Optional[bytes] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., paces: _Optional[_Iterable[_Union[Pace, str]]] = ..., rules: _Optional[_Iterable[_Union[Rule, str]]] = ..., version: _Optional[str] = ..., lossy: _Optional[bool] = ..., image_processor_sha256: _Optional[bytes] = ..., trees: _Optional[bool] = ..., attends: _Optional[bool] = ..., fingerprint: _Optional[bytes] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_window", "max_ahead", "context_length", "max_images", "max_image_bytes", "max_image_pixels", "max_chunk_bytes", "max_text_bytes", "max_sessions")
    MAX_WINDOW_FIELD_NUMBER: _ClassVar[int]
    MAX_AHEAD_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGES_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGE_PIXELS_FIELD_NUMBER: _ClassVar[int]
    MAX_CHUNK_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_TEXT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    max_window: int
    max_ahead: int
    context_length: int
    max_images: int
    max_image_bytes: int
    max_image_pixels: int
    max_chunk_bytes: int
    max_text_bytes: int
    max_sessions: int
    def __init__(self, max_window: _Optional[int] = ..., max_ahead: _Optional[int] = ..., context_length: _Optional[int] = ..., max_images: _Optional[int] = ..., max_image_bytes: _Optional[int] = ..., max_image_pixels: _Optional[int] = ..., max_chunk_bytes: _Optional[int] = ..., max_text_bytes: _Optional[int] = ..., max_sessions: _Optional[int] = ...) -> None: ...
