"""What a person asks: messages with pictures, sampling wishes, and what a model makes of those wishes.

`SamplingWish` is what the person said (None: not said); `SamplingParameters` is what holds for the answer. The edge
resolves the one into the other against its target's defaults and limits, and both ends then use the result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TypeAlias

from shared.errors import InvalidValue, PromptTooLong

MAX_SEED = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text of a message."""

    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The place of a picture in a message: the `index`-th of the request's images."""

    index: int


Part: TypeAlias = Text | Picture


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the chat, in the order of its parts. `role` is system, user or assistant."""

    role: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A picture by content: SHA-256 of its encoded bytes (32 bytes) and their number."""

    digest: bytes
    size: int

    @classmethod
    def of(cls, data: bytes) -> ImageReference:
        """The reference of `data`, a picture as encoded in a file."""
        return cls(hashlib.sha256(data).digest(), len(data))


def in_places(messages: Sequence[Message], digests: Sequence[bytes]) -> tuple[bytes, ...]:
    """The digests of the pictures in the order in which `messages` place them."""
    parts = [part for message in messages for part in message.parts]
    return tuple(digests[part.index] for part in parts if isinstance(part, Picture))


@dataclass(frozen=True, slots=True)
class SamplingWish:
    """Sampling parameters as the person gave them; None where nothing was said."""

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: tuple[tuple[int, float], ...] = ()
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    stop_ids: tuple[int, ...] = ()
    ignore_eos: bool = False


@dataclass(frozen=True, slots=True)
class SamplingParameters:
    """Sampling parameters that hold. Every field is checked when the object is made.

    temperature 0 is the noiseless case. top_k 0, top_p 1 and min_p 0 mask nothing; repetition_penalty 1,
    frequency_penalty 0 and presence_penalty 0 change nothing. `eos_ids` and `stop_ids` end the answer; eos_ids is
    empty if the person asked to ignore the end of sequence.
    """

    max_tokens: int
    seed: int = 0
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    stop: tuple[str, ...] = ()
    stop_ids: tuple[int, ...] = ()
    eos_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _within("temperature", self.temperature, 0.0, 100.0)
        _within("top_k", self.top_k, 0, 2**31 - 1)
        _within("top_p", self.top_p, 1e-6, 1.0)
        _within("min_p", self.min_p, 0.0, 1.0)
        _within("repetition_penalty", self.repetition_penalty, 0.01, 100.0)
        _within("frequency_penalty", self.frequency_penalty, -2.0, 2.0)
        _within("presence_penalty", self.presence_penalty, -2.0, 2.0)
        _within("seed", self.seed, 0, MAX_SEED)
        _within("max_tokens", self.max_tokens, 1, 2**31 - 1)
        for token, bias in self.logit_bias:
            _within("logit_bias", token, 0, 2**31 - 1)
            _within("logit_bias", bias, -100.0, 100.0)
        for name in ("stop_ids", "eos_ids"):
            for token in getattr(self, name):
                _within(name, token, 0, 2**31 - 1)
        if any(not text for text in self.stop):
            raise InvalidValue("stop", "", "an empty stop string would end every answer at once")

    def as_wish(self) -> SamplingWish:
        """The wish that any edge resolves into these parameters again."""
        shared = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "eos_ids"}
        return SamplingWish(**shared, ignore_eos=not self.eos_ids)

    @property
    def end_ids(self) -> frozenset[int]:
        """The ids after which nothing follows."""
        return frozenset(self.eos_ids) | frozenset(self.stop_ids)

    @property
    def has_penalties(self) -> bool:
        """Whether a row depends on the tokens before it through more than the model."""
        return self.repetition_penalty != 1.0 or self.frequency_penalty != 0.0 or self.presence_penalty != 0.0


@dataclass(frozen=True, slots=True)
class ModelDefaults:
    """What a model's own generation config says: sampling defaults and the ids that end a sequence.

    `suppressed_ids`: those that are never a token of an answer; the model's own rows rule them out.
    """

    eos_ids: tuple[int, ...]
    sampling: Mapping[str, float] = field(default_factory=dict)
    suppressed_ids: tuple[int, ...] = ()


def resolve(wish: SamplingWish, defaults: ModelDefaults, room: int, seed: int) -> SamplingParameters:
    """What holds for an answer: the person's word, else the model's default, else the neutral value.

    `room` is the number of tokens the context has left for the answer; what is larger, or not said, is cut to it.
    `seed` is used where none was given. Raises InvalidValue with field, value and limit, PromptTooLong without room.
    """
    if room < 1:
        raise PromptTooLong("room", room, "the prompt leaves no room for an answer in the model's context")
    chosen: dict[str, float] = dict(defaults.sampling)
    for item in fields(SamplingParameters):
        said = getattr(wish, item.name, None)
        if said is not None:
            chosen[item.name] = said
    chosen["seed"] = seed if wish.seed is None else wish.seed
    if wish.max_tokens is not None:
        _within("max_tokens", wish.max_tokens, 1, 2**31 - 1)
    most = chosen.get("max_tokens", room)
    chosen["max_tokens"] = min(int(most), room)
    return SamplingParameters(
        **chosen,  # type: ignore[arg-type]  # the keys are the fields of SamplingWish
        eos_ids=() if wish.ignore_eos else defaults.eos_ids,
    )


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also refuses NaN
        raise InvalidValue(name, value, f"must lie between {low} and {high}")
