"""Hypothesis strategies for the wire: every value that the default limits allow, and any protobuf message at all."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message as AnyMessage
from hypothesis import strategies as st

from shared.shares import Count, Ratio
from shared.speculation.attended import SIDE, Attended, Box
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
    ResidualRow,
    Rule,
    SparseLaw,
    Timings,
    Yield,
)
from shared.speculation.prints import VocabularyPrint, VocabularyReference
from shared.speculation.request import (
    ImageReference,
    Message,
    Part,
    Picture,
    SamplingParameters,
    SamplingWish,
    Text,
)
from shared.speculation.traced import Span, SpanKind, Traced
from shared.wire.codec import FromDevice, FromEdge
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

LIMITS = Limits()

Kind = TypeVar("Kind", bound=AnyMessage)

ids = st.integers(0, 2**31 - 1)
uint32 = st.integers(0, 2**32 - 1)
# Characters of one to four bytes. Written out: a table of all of Unicode takes seconds on a machine's first run.
printable = "ab%'\"\\ é語🙂"
texts = st.text(printable + "\0\n\x1b\u2028\ufffd\U0010ffff", max_size=64)
lines = st.text(printable, max_size=64)
names = st.binary(min_size=16, max_size=16)
digests = st.binary(min_size=32, max_size=32)
paces = st.sampled_from(Pace)


def id_lists(most: int, low: int = 0, below: int = 2**31) -> st.SearchStrategy[tuple[int, ...]]:
    """Tuples of `low` to `most` ids below `below`."""
    return st.lists(st.integers(0, max(below - 1, 0)), min_size=low, max_size=most).map(tuple)


_scalars: dict[str, st.SearchStrategy[Any]] = {
    "temperature": st.floats(0.0, 100.0),
    "top_k": ids,
    "top_p": st.floats(1e-6, 1.0),
    "min_p": st.floats(0.0, 1.0),
    "repetition_penalty": st.floats(0.01, 100.0),
    "frequency_penalty": st.floats(-2.0, 2.0),
    "presence_penalty": st.floats(-2.0, 2.0),
    "seed": st.integers(0, 2**64 - 1),
    "max_tokens": st.integers(1, 2**31 - 1),
}
_lists: dict[str, st.SearchStrategy[Any]] = {
    "logit_bias": st.lists(st.tuples(ids, st.floats(-100.0, 100.0)), max_size=3).map(tuple),
    "stop": st.lists(texts.filter(bool), max_size=16).map(tuple),
    "stop_ids": id_lists(5),
}

wishes = st.builds(
    SamplingWish, **{name: st.none() | values for name, values in _scalars.items()}, **_lists, ignore_eos=st.booleans()
)
parameters = st.builds(SamplingParameters, **_scalars, **_lists, eos_ids=id_lists(5))


@st.composite
def vocabularies(draw: st.DrawFn) -> VocabularyPrint:
    """Prints whose last block may be partly filled."""
    size = draw(st.integers(1, 1000))
    return VocabularyPrint(size, draw(st.binary(min_size=4 * math.ceil(size / 64), max_size=4 * math.ceil(size / 64))))


judgings = st.builds(Judging, st.just(Rule.COUPLED), lossy=st.booleans()) | st.builds(
    Judging, st.just(Rule.REJECTION), st.sampled_from(Evidence), st.booleans()
)
profiles = st.builds(
    DeviceProfile,
    vocabulary=st.none() | st.builds(VocabularyReference, size=st.integers(1, 2**20), digest=names),
    window=st.integers(1, LIMITS.max_window),
    pace=st.none() | paces,
    judging=judgings,
    client=lines,
)


@st.composite
def opens(draw: st.DrawFn) -> Open:
    """Opens whose messages refer to pictures that are there: once, twice or never."""
    references = st.builds(ImageReference, digest=digests, size=st.integers(1, LIMITS.max_image_bytes))
    images = tuple(draw(st.lists(references, max_size=LIMITS.max_images)))
    parts: st.SearchStrategy[Part] = st.builds(Text, texts)
    if images:
        parts |= st.builds(Picture, st.integers(0, len(images) - 1))
    messages = st.builds(
        Message, role=st.sampled_from(["system", "user", "assistant"]), parts=st.lists(parts, max_size=4).map(tuple)
    )
    return Open(
        messages=tuple(draw(st.lists(messages, min_size=1, max_size=4))),
        images=images,
        sampling=draw(wishes),
        device=draw(profiles),
        committed=draw(id_lists(20)),
        log_probabilities=draw(st.booleans()),
        trace=draw(st.booleans()),
        attend=draw(st.none() | st.builds(Count, ids) | st.builds(Ratio, st.floats(0.0, 1.0))),
    )


@st.composite
def chunks(draw: st.DrawFn) -> ImageChunk:
    """Chunks that end inside the largest picture."""
    data = draw(st.binary(min_size=1, max_size=200))
    offset = draw(st.integers(0, LIMITS.max_image_bytes - len(data)))
    return ImageChunk(draw(st.integers(0, LIMITS.max_images - 1)), offset, data)


chances = st.floats(0.0, 1.0, exclude_min=True, width=32)
drawn = st.integers(1, 2**24).map(lambda count: count / 2**24)  # on the grid that a draft draws from


@st.composite
def sparse_laws(draw: st.DrawFn) -> SparseLaw:
    """Laws of two ids, in halves, quarters, ... of which one has one."""
    whole = 2 ** draw(st.integers(1, 24))
    return SparseLaw(tuple(sorted(draw(st.sets(ids, min_size=2, max_size=2)))), (1, whole - 1))


@st.composite
def residual_rows(draw: st.DrawFn) -> ResidualRow:
    """Rows of a few ids."""
    row = draw(st.dictionaries(ids, chances, min_size=1, max_size=5))
    return ResidualRow(tuple(sorted(row)), tuple(row[token] for token in sorted(row)), draw(st.booleans()))


@st.composite
def proposes(draw: st.DrawFn) -> Propose:
    """Proposes of every rule: acknowledgements, chains, trees, with and without given ids and evidence."""
    guess = draw(id_lists(LIMITS.max_window))
    count = len(guess)
    given = draw(st.just(0) | st.integers(0, 2**count - 1))
    judged = count - given.bit_count()
    seen, base = draw(ids), draw(ids)
    parents = st.tuples(*(st.integers(0, max(0, base - seen) + at) for at in range(count)))
    return Propose(
        seen=seen,
        base=base,
        ids=guess,
        given=given,
        draft_probability=draw(st.just(()) | st.lists(drawn, min_size=judged, max_size=judged).map(tuple)),
        parents=draw(st.just(()) | parents),
        laws=draw(st.just(()) | st.lists(sparse_laws(), min_size=judged, max_size=judged).map(tuple)),
        rows=draw(st.just(()) | st.lists(st.binary(max_size=8), min_size=judged, max_size=judged).map(tuple)),
        closed=draw(st.booleans()),
    )


finishes = st.builds(Finish, st.sampled_from([FinishReason.CANCELLED, FinishReason.DONE]))
resumes = st.builds(Resume, session=names, token=names, seen=st.integers(0, LIMITS.context_length))
from_device: st.SearchStrategy[FromDevice] = st.one_of(
    opens(), chunks(), proposes(), st.builds(Yield, st.booleans()), finishes, resumes, st.just(Ping()), vocabularies()
)


@st.composite
def openeds(draw: st.DrawFn) -> Opened:
    """What an edge may resolve."""
    common_ids = draw(ids)
    prompt_tokens = draw(st.integers(0, LIMITS.context_length))
    return Opened(
        session=draw(names),
        token=draw(names),
        sampling=draw(parameters),
        prompt_tokens=prompt_tokens,
        visual_tokens=draw(st.integers(0, prompt_tokens)),
        common_ids=common_ids,
        placeholder_ids=draw(id_lists(min(common_ids, 5), below=common_ids)),
        window=draw(st.integers(1, LIMITS.max_window)),
        pace=draw(paces),
        park_seconds=draw(ids),
        fingerprint=draw(names),
    )


told = st.floats(max_value=0.0, allow_infinity=False, allow_nan=False, width=32)


@st.composite
def commits(draw: st.DrawFn) -> Commit:
    """Commits of zero (an answer to Resume), one or several merged steps, the last of which may lack its own id."""
    accepted = tuple(draw(st.lists(st.integers(0, 8), max_size=5)))
    most = sum(accepted) + len(accepted)
    low, high = (max(most - 1, 0), most) if accepted else (0, 20)
    grown = draw(id_lists(high, low=low))
    return Commit(
        start=draw(st.integers(0, LIMITS.context_length - len(grown))),
        ids=grown,
        accepted=accepted,
        heard=draw(uint32),
        admitted=draw(st.none() | ids),
        timings=draw(st.none() | st.builds(Timings, uint32, uint32)),
        log_probabilities=tuple(draw(st.just([]) | st.lists(told, min_size=len(grown), max_size=len(grown)))),
        residual=draw(st.none() | residual_rows()),
        lossy=draw(st.integers(0, len(grown))),
    )


helds = st.builds(ImageHeld, id_lists(LIMITS.max_images, below=LIMITS.max_images))
finisheds = st.builds(
    Finished,
    reason=st.sampled_from([reason for reason in FinishReason if reason is not FinishReason.DONE]),
    length=st.integers(0, LIMITS.context_length),
)
_us = st.integers(0, 2**53)
spans = st.integers(0, 64).flatmap(
    lambda proposals: st.builds(
        Span, st.sampled_from(SpanKind), _us, uint32, ids, st.just(proposals), st.integers(0, proposals)
    )
)
traceds = st.builds(Traced, st.lists(spans, max_size=3).map(tuple), ids, _us, _us)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Boxes of any size, none included."""
    left, right = sorted(draw(st.tuples(st.integers(0, SIDE), st.integers(0, SIDE))))
    top, bottom = sorted(draw(st.tuples(st.integers(0, SIDE), st.integers(0, SIDE))))
    return left, top, right, bottom


attendeds = st.builds(
    Attended, st.lists(st.lists(boxes(), max_size=5).map(tuple), max_size=LIMITS.max_images).map(tuple)
)
queueds = st.builds(Queued, st.integers(1, 2**31 - 1))
from_edge: st.SearchStrategy[FromEdge] = st.one_of(
    openeds(),
    helds,
    queueds,
    commits(),
    finisheds,
    st.builds(Drain, ids, ids),
    st.just(Pong()),
    traceds,
    attendeds,
    st.just(VocabularyWanted()),
)

limits = st.builds(
    Limits,
    max_window=st.integers(1, 2**31 - 1),
    max_ahead=st.integers(1, 2**31 - 1),
    context_length=st.integers(1, 2**31 - 1),
    max_images=ids,
    max_image_bytes=st.integers(1, 2**53),
    max_image_pixels=st.integers(1, 2**53),
    max_chunk_bytes=st.integers(1, 2**31 - 1),
    max_text_bytes=st.integers(1, 2**53),
    max_sessions=st.integers(1, 2**31 - 1),
)
infos = st.builds(
    ServerInfo,
    model=lines,
    family=lines,
    fingerprint=names,
    vocabulary=vocabularies(),
    special_tokens=digests,
    chat_template=digests,
    limits=limits,
    paces=st.lists(paces, min_size=1, max_size=2).map(tuple),
    rules=st.lists(st.sampled_from(Rule), max_size=2).map(tuple),
    version=lines,
    lossy=st.booleans(),
    image_processor=st.just(b"") | digests,
    trees=st.booleans(),
    attends=st.booleans(),
)

_small = st.integers(0, 3)  # most checks are near 0, and a valid neighbour lets the next check be reached
_hostile: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_UINT32: _small | uint32,
    FieldDescriptor.TYPE_UINT64: _small | st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_DOUBLE: st.floats(),
    FieldDescriptor.TYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_STRING: st.sampled_from(["user", "assistant", "", "x" * 300]) | texts,
    FieldDescriptor.TYPE_BYTES: names | digests | st.binary(max_size=40),
    FieldDescriptor.TYPE_ENUM: st.integers(0, 6) | st.integers(-(2**31), 2**31 - 1),
}


@st.composite
def any_message(draw: st.DrawFn, kind: type[Kind]) -> Kind:
    """Any message of `kind`: fields set or not, numbers of their whole range, lists of any length."""
    message = kind()
    for field in kind.DESCRIPTOR.fields:
        if draw(st.integers(0, 3)) == 0:
            continue
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            nested = any_message(getattr(field.message_type, "_concrete_class"))  # noqa: B009
            if field.is_repeated:
                getattr(message, field.name).extend(draw(st.lists(nested, max_size=3)))
            else:
                getattr(message, field.name).CopyFrom(draw(nested))
        elif field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(_hostile[field.type], max_size=5)))
        else:
            setattr(message, field.name, draw(_hostile[field.type]))
    return message
