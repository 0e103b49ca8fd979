"""Everything that CoVSpec refuses, by name.

A person or a peer can act on each of these: the message is one sentence with the field, the value and the limit.
Bugs are not here: they raise what Python raises and reach a peer as `EngineFailure` without a trace.

CovspecError
├── InvalidValue          a field holds what it may not: configuration, command line, message, prompt
│   ├── ImageError        a picture that cannot be used: no image, truncated, empty, too large
│   └── PromptTooLong     the prompt leaves no room for an answer in the model's context
├── OutOfStep             a message that does not follow from the ones before it
├── ModelError            a model folder that cannot be loaded, or a family that is not supported
├── ModelMismatch         two models, or two protocol versions, that do not fit each other
├── Unsupported           a valid wish beyond what this edge, engine or build can do
├── Unauthenticated       no token, or one that this edge does not know: nobody's
├── UnknownSession        no such session, or a wrong token: both are answered alike
├── Superseded            a newer stream has taken this session over
├── Overloaded            no room now; try again after a while
├── Unavailable           the edge is not there, not ready, or draining
└── EngineFailure         the engine broke; the edge's log has the reason
"""

from __future__ import annotations

from shared.excerpts import excerpt, named, printable


class CovspecError(Exception):
    """The root of the tree. `str()` is a sentence for a person, short and printable whatever it was made of."""

    def __init__(self, sentence: str = "") -> None:
        super().__init__(printable(sentence))


class InvalidValue(CovspecError):
    """`field` holds `value`, which `rule` does not allow. `field` is None where a peer told only the sentence."""

    field: str | None = None

    def __init__(self, field: str, value: object, rule: str) -> None:
        self.field = named(field)
        super().__init__(f"{self.field} is {excerpt(value)}: {rule}")


class ImageError(InvalidValue):
    """An image that cannot be used."""


class PromptTooLong(InvalidValue):
    """The prompt leaves no room for an answer in the model's context."""


class OutOfStep(CovspecError):
    """A message that does not follow from the ones before it."""


class ModelError(CovspecError):
    """A model folder that cannot be loaded, or a family that is not supported."""


class ModelMismatch(CovspecError):
    """Two models, or two protocol versions, that do not fit each other."""


class Unsupported(CovspecError):
    """A valid wish beyond what this edge, engine or build can do."""


class Unauthenticated(CovspecError):
    """No token, or one that this edge does not know: nobody's."""


class UnknownSession(CovspecError):
    """No such session, or a wrong token: both are answered alike."""


class Superseded(CovspecError):
    """A newer stream has taken this session over."""


class Overloaded(CovspecError):
    """No room now; try again after `retry_after` seconds. None: nobody knows when."""

    retry_after: float | None = None

    def __init__(self, sentence: str = "", retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class Unavailable(CovspecError):
    """The edge is not there, not ready, or draining."""


class EngineFailure(CovspecError):
    """The engine broke; the edge's log has the reason."""
