"""What is refused over HTTP: our errors as statuses and in OpenAI's form.

{"error": {"message": a sentence, "type": ..., "param": the field or null, "code": ... or null}}
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from shared.errors import (
    CovspecError,
    InvalidValue,
    Overloaded,
    PromptTooLong,
    Unavailable,
    Unsupported,
)

_LONGEST = 500  # characters of a sentence
_LONGEST_PARAM = 200
_FIELDS = {"images": "messages"}  # where the images of a request are


@dataclass(frozen=True)
class Refusal:
    """An HTTP status with its body, and the seconds after which to try again."""

    status: int
    message: str
    kind: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None
    retry_after: float | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The body in OpenAI's form."""
        param = None if self.param is None else _cut(self.param, _LONGEST_PARAM)
        said = {"message": _cut(self.message, _LONGEST), "type": self.kind, "param": param, "code": self.code}
        return {"error": said}

    @property
    def headers(self) -> dict[str, str]:
        """Headers that go with it. The official client waits for as long as retry-after says."""
        headers = {"www-authenticate": "Bearer"} if self.status == 401 else {}
        if self.retry_after is not None:
            headers["retry-after"] = str(max(1, math.ceil(self.retry_after)))
        return headers


class UnsupportedField(Unsupported):
    """A field asks for what this endpoint does not do."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


class NotServed(CovspecError):
    """A model that is not the edge's."""


class TooLarge(CovspecError):
    """A request of more bytes than are read."""


class TooSlow(CovspecError):
    """A request that does not come to its end in time."""


class TooMuchText(InvalidValue):
    """Messages with more text than the edge takes."""


class Misfit(CovspecError):
    """This device and its edge do not go together: nothing that the client has said is wrong."""


def refusal_of(error: CovspecError, param: str | None = None) -> Refusal:
    """What a client is told of `error`. `param`: the field, where the error itself does not know it."""
    message, mistaken = str(error), "invalid_request_error"
    match error:
        case PromptTooLong() | TooMuchText():
            return Refusal(400, message, mistaken, "messages", "context_length_exceeded")
        case InvalidValue():
            field = _FIELDS.get(error.field or "", error.field)
            return Refusal(400, message, mistaken, param or field, "invalid_value")
        case UnsupportedField():
            return Refusal(400, message, mistaken, error.field, "unsupported")
        case Unsupported():
            return Refusal(400, message, mistaken, param, "unsupported")
        case NotServed():
            return Refusal(404, message, mistaken, "model", "model_not_found")
        case TooSlow():
            return Refusal(408, message, mistaken, None, "request_timeout")
        case TooLarge():
            return Refusal(413, message, mistaken, None, "request_too_large")
        case Overloaded():
            return Refusal(503, message, "server_error", None, "overloaded", error.retry_after)
        case Unavailable():
            return Refusal(503, message, "server_error", None, "edge_unavailable")
        case _:
            return Refusal(502, message, "server_error", None, "edge_error")


def first_of(group: BaseExceptionGroup[CovspecError]) -> CovspecError:
    """The first of the errors that ended several tasks."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, CovspecError)
    return error


UNAUTHORIZED = Refusal(401, "the API key is missing or wrong", param=None, code="invalid_api_key")
BROKEN = Refusal(500, "the endpoint failed; its log has the reason", "server_error", None, "internal_error")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
