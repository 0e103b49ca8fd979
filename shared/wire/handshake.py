"""The messages that open, resume and describe a session. Values only; the codec makes and reads them.

The messages of a running answer are in `shared.speculation.messages`.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.shares import Share
from shared.speculation.messages import COUPLED, Judging, Pace, Rule
from shared.speculation.prints import VocabularyPrint, VocabularyReference
from shared.speculation.request import ImageReference, Message, SamplingParameters, SamplingWish

PROTOCOL_VERSION = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What an edge enforces on each session. Bytes, pixels and tokens as named."""

    max_window: int = 32
    max_ahead: int = 64
    context_length: int = 4096
    max_images: int = 8
    max_image_bytes: int = 32 * 2**20
    max_image_pixels: int = 64_000_000
    max_chunk_bytes: int = 2**20
    max_text_bytes: int = 2**20
    max_sessions: int = 64


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """What a device can do and wants. `vocabulary` None: it has no draft and will propose nothing."""

    vocabulary: VocabularyReference | None
    window: int
    pace: Pace | None = None
    judging: Judging = COUPLED
    client: str = ""


@dataclass(frozen=True, slots=True)
class Open:
    """Begins an answer, or begins it again after `committed` at an edge that does not know it.

    `log_probabilities`: whether commits are to say how likely the target found each id. `trace`: whether the edge is to
    tell when it did what. `attend`: how many of the target's visual tokens it is to tell as those attended to.
    """

    messages: tuple[Message, ...]
    images: tuple[ImageReference, ...]
    sampling: SamplingWish
    device: DeviceProfile
    committed: tuple[int, ...] = ()
    log_probabilities: bool = False
    trace: bool = False
    attend: Share | None = None


@dataclass(frozen=True, slots=True)
class ImageChunk:
    """Bytes `[offset, offset + len(data))` of picture `image`."""

    image: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ImageHeld:
    """Pictures that the edge has already: their chunks need not be sent."""

    images: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class VocabularyWanted:
    """The edge does not know the draft's vocabulary: its print is to be sent."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Goes on with `session` after a break; `seen` tokens are committed at the device."""

    session: bytes
    token: bytes
    seen: int


@dataclass(frozen=True, slots=True)
class Opened:
    """What holds for an answer, as the edge resolved it. `common_ids`: ids proposed are below."""

    session: bytes
    token: bytes
    sampling: SamplingParameters
    prompt_tokens: int
    visual_tokens: int
    common_ids: int
    placeholder_ids: tuple[int, ...]
    window: int
    pace: Pace
    park_seconds: int
    fingerprint: bytes  # of the target


@dataclass(frozen=True, slots=True)
class Queued:
    """All places of the edge are taken; the opening stands in line at `place`, 1 is next."""

    place: int


@dataclass(frozen=True, slots=True)
class Drain:
    """The edge goes away; open streams are cut after `seconds`. It has committed `length` tokens of this answer."""

    seconds: int
    length: int = 0


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What an edge serves. `fingerprint`: of the target (`shared.vlm.fingerprint`).

    `lossy`: devices may have proposals taken without comparing. `trees`: and propose trees.
    `attends`: they may ask where the target's text looks.
    """

    model: str
    family: str
    fingerprint: bytes
    vocabulary: VocabularyPrint
    special_tokens: bytes
    chat_template: bytes
    limits: Limits
    paces: tuple[Pace, ...]
    rules: tuple[Rule, ...]
    version: str
    lossy: bool = False
    image_processor: bytes = b""  # b"": not told
    trees: bool = False
    attends: bool = False
