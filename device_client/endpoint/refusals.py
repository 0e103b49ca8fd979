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

_RETRY_SECONDS = 1.0  # where nobody knows better


@dataclass(frozen=True)
class Refusal:
    """An HTTP status with its body, and the seconds after which to try again."""

    status: int
    message: str
    kind: str
    param: str | None = None
    code: str | None = None
    retry_after: float | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The body in OpenAI's form."""
        said = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": said}

    @property
    def headers(self) -> dict[str, str]:
        """Headers that go with it. The official client waits for as long as retry-after says."""
        headers = {"www-authenticate": "Bearer"} if self.status == 401 else {}
        if self.retry_after is not None:
            headers["retry-after"] = str(max(1, math.ceil(self.retry_after)))
        return headers


class NotServed(CovspecError):
    """A model that is not the edge's."""


class TooLarge(CovspecError):
    """A request of more bytes than are read."""


def refusal_of(error: CovspecError) -> Refusal:
    """What a client is told of `error`."""
    message = str(error)
    match error:
        case PromptTooLong():
            return Refusal(400, message, "invalid_request_error", "messages", "context_length_exceeded")
        case InvalidValue():
            return Refusal(400, message, "invalid_request_error", error.field, "invalid_value")
        case Unsupported():
            return Refusal(400, message, "invalid_request_error", None, "unsupported")
        case NotServed():
            return Refusal(404, message, "invalid_request_error", "model", "model_not_found")
        case TooLarge():
            return Refusal(413, message, "invalid_request_error", None, "request_too_large")
        case Overloaded():
            wait = _RETRY_SECONDS if error.retry_after is None else error.retry_after
            return Refusal(503, message, "server_error", None, "overloaded", wait)
        case Unavailable():
            return Refusal(503, message, "server_error", None, "edge_unavailable", _RETRY_SECONDS)
        case _:
            return Refusal(502, message, "server_error", None, "edge_error")


UNAUTHORIZED = Refusal(401, "the API key is missing or wrong", "invalid_request_error", None, "invalid_api_key")
BROKEN = Refusal(500, "the endpoint failed; its log has the reason", "server_error", None, "internal_error")
