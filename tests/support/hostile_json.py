"""Every field of a chat completion that the official client knows, and more, and values that nobody should send."""

from __future__ import annotations

import json

from openai.types.chat.completion_create_params import CompletionCreateParamsBase

BEYOND = ("top_k", "min_p", "repetition_penalty", "stop_token_ids", "ignore_eos", "min_tokens", "best_of", "echo")
FIELDS = sorted({*CompletionCreateParamsBase.__annotations__, *BEYOND, "stream"})
NESTED = (
    '"stream_options": {"include_usage": %s}',
    '"stream_options": {"continuous_usage_stats": %s}',
    '"stop": [%s]',
    '"stop_token_ids": [%s]',
    '"logit_bias": {"70": %s}',
    '"logit_bias": {%s: 1}',
    '"messages": [%s]',
    '"messages": [{"role": %s, "content": "x"}]',
    '"messages": [{"role": "user", "content": %s}]',
    '"messages": [{"role": "user", "content": [%s]}]',
    '"messages": [{"role": "user", "content": [{"type": %s, "text": "x"}]}]',
    '"messages": [{"role": "user", "content": [{"type": "text", "text": %s}]}]',
    '"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": %s}]}]',
    '"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": %s}}]}]',
    '"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "", "detail": %s}}]}]',
    '"messages": [{"role": "assistant", "content": "x", "tool_calls": %s}]',
    '"messages": [{"role": "user", "content": "x", "other": %s}]',
)
NUMBERS = (
    *("1e400", "-1e400", "NaN", "Infinity", "-Infinity", "9" * 400, "-" + "9" * 400, "1" + "0" * 4999, "1e-400"),
    *("1.0", "5.0", "1.5", "0", "-0", "-0.0", "-1", "1", "2e0", "1e15", "9007199254740993"),
    *(str(2**31 - 1), str(2**31), str(2**63 - 1), str(2**63), str(2**64 - 1), str(2**64), str(-(2**63)), str(-(2**64))),
)
OTHERS = (
    *("true", "false", "null", '"1"', '""', "[]", "{}", "[[]]", '{"a": 1}', '{"a": 1, "a": 2}', '["x"]', "[null]"),
    *(r'"\ud800"', r'"\udc00\ud800"', r'"\u0000"', r'{"\ud800": 1}', r'["\udfff"]', '"' + "x" * 5000 + '"'),
    *("[" * 60 + "]" * 60, '{"a":' * 60 + "1" + "}" * 60),
)


def body_of(field: str) -> bytes:
    """A request in which `field`, raw JSON, stands last."""
    name = json.loads(f"{{{field.partition(':')[0]}: 1}}").popitem()[0]
    basis = {"model": "target", "messages": [{"role": "user", "content": "hello?"}], "max_tokens": 1}
    basis.pop(name, None)
    head = json.dumps(basis)[:-1]
    return f"{head}{', ' if basis else ''}{field}}}".encode()


def fits(field: str, value: str) -> bool:
    """Whether `field` with `value` in it is JSON at all: a name is a string."""
    return "{%s: 1}" not in field or value.startswith('"')
