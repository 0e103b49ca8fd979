"""What a client reads: answers as OpenAI's chat completions, whole or as chunks of a stream.

Usage beyond OpenAI's: `covspec`, one entry for each answer with the seed that held and its main figures.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from starlette.responses import Response
from starlette.types import Message, Send

from device_client.answer import Result
from shared.speculation.messages import FinishReason

_REASONS = {FinishReason.EOS: "stop", FinishReason.STOP: "stop", FinishReason.LENGTH: "length"}
_FINGERPRINT = f"covspec-{version('covspec')}"
_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Form:
    """What all replies to one request share. `decode`: text of ids, for log-probabilities."""

    model: str
    decode: Callable[[Sequence[int]], str]
    log_probabilities: bool
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, results: Sequence[Result]) -> dict[str, Any]:
        """The body of a reply that is not streamed."""
        choices = [self._choice(index, result) for index, result in enumerate(results)]
        return self._body("chat.completion", choices) | {"usage": usage(results), "covspec": figures(results)}

    def begin(self, index: int) -> dict[str, Any]:
        """The first chunk of a choice: who speaks."""
        return self._chunk(index, {"role": "assistant", "content": ""})

    def piece(self, index: int, text: str, ids: Sequence[int], told: Sequence[float]) -> dict[str, Any]:
        """A chunk with text."""
        return self._chunk(index, {"content": text}, logprobs=self._logprobs(ids, told))

    def end(self, index: int, result: Result, unsaid: int) -> dict[str, Any]:
        """The last chunk of a choice; the last `unsaid` of its ids have no text."""
        begin = len(result.ids) - unsaid
        logprobs = self._logprobs(result.ids[begin:], result.log_probabilities[begin:]) if unsaid else None
        chunk = self._chunk(index, {}, logprobs=logprobs, reason=_REASONS.get(result.reason, "stop"))
        return chunk | _loss(result)

    def last(self, results: Sequence[Result]) -> dict[str, Any]:
        """The chunk with the usage, which has no choices."""
        return self._body("chat.completion.chunk", []) | {"usage": usage(results), "covspec": figures(results)}

    def _choice(self, index: int, result: Result) -> dict[str, Any]:
        return {
            "index": index,
            "message": {"role": "assistant", "content": result.text, "refusal": None},
            "logprobs": self._logprobs(result.ids, result.log_probabilities),
            "finish_reason": _REASONS.get(result.reason, "stop"),
        }

    def _chunk(
        self, index: int, delta: Mapping[str, Any], *, logprobs: Any = None, reason: str | None = None
    ) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return self._body("chat.completion.chunk", [choice])

    def _body(self, kind: str, choices: Sequence[Any]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": _FINGERPRINT,
            "choices": choices,
        }

    def _logprobs(self, ids: Sequence[int], told: Sequence[float]) -> dict[str, Any] | None:
        if not self.log_probabilities:
            return None
        return {"content": [self._logprob(*each) for each in zip(ids, told, strict=True)], "refusal": None}

    def _logprob(self, token: int, value: float) -> dict[str, Any]:
        """A part of a character has no bytes that we could tell: the port gives text."""
        text = self.decode([token])
        return {
            "token": text,
            "logprob": value,
            "bytes": None if _INCOMPLETE in text else list(text.encode()),
            "top_logprobs": [],
        }


def usage(results: Iterable[Result]) -> dict[str, Any]:
    """Tokens of all answers to a request. Accepted: drafted ones that stood; rejected: those that were thrown away."""
    results = list(results)
    prompt = results[0].prompt_tokens if results else 0
    completion = sum(len(result.ids) for result in results)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "completion_tokens_details": {
            "accepted_prediction_tokens": sum(result.figures.accepted for result in results),
            "rejected_prediction_tokens": sum(result.figures.thrown_away for result in results),
        },
    }


def figures(results: Iterable[Result]) -> list[dict[str, Any]]:
    """The seed and the main figures of each answer."""
    return [
        _loss(result)
        | {
            "seed": result.parameters.seed,
            "first_token_ms": result.figures.first_token_ms,
            "tokens_per_second": result.figures.tokens_per_second,
            "accepted_per_step": result.figures.accepted_per_step,
            "passes_per_token": result.figures.passes_per_token,
            "rtt_ms": result.figures.rtt_ms,
            "reconnects": result.figures.reconnects,
        }
        for result in results
    ]


def json_bytes(value: Any) -> bytes:
    """`value` as JSON in UTF-8, on one line whatever a reader takes for a line's end."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_LINE_ENDS)
    return text.encode("utf-8", "replace")  # half a surrogate pair comes in with requests alone


def event(value: Mapping[str, Any]) -> bytes:
    """A server-sent event."""
    return b"data: " + json_bytes(value) + b"\n\n"


def head(status: int, kind: str, headers: Mapping[str, str] | None = None) -> Message:
    """The head of a response, as ASGI has it."""
    pairs = {"content-type": kind, **(headers or {})}
    named = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs.items()]
    return {"type": "http.response.start", "status": status, "headers": named}


async def send_json(send: Send, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
    """A whole response."""
    data = json_bytes(body)
    await send(head(status, "application/json", {"content-length": str(len(data)), **(headers or {})}))
    await send({"type": "http.response.body", "body": data})


class JsonResponse(Response):
    """A response of JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body."""
        return json_bytes(content)


DONE = b"data: [DONE]\n\n"
_LINE_ENDS = {number: f"\\u{number:04x}" for number in (0x85, 0x2028, 0x2029)}


def _loss(result: Result) -> dict[str, Any]:
    """The word that an answer must carry whose tokens were not all compared."""
    return {} if result.figures.loss is None else {"lossy": result.figures.loss}
