"""The messages of a request: turns of words and addresses of pictures, each with its path in what the client sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from device_client.endpoint.fields import kind, list_of, object_of, text_of
from device_client.endpoint.known import check_message, check_part
from device_client.endpoint.refusals import UnsupportedField
from shared.errors import InvalidValue
from shared.excerpts import Shown, shortened


@dataclass(frozen=True)
class Words:
    """A piece of text of a message. `where`: its path in the request."""

    text: str
    where: str


@dataclass(frozen=True)
class Address:
    """A picture of a message, by its URI. `where`: its path in the request."""

    uri: str
    where: str


@dataclass(frozen=True)
class Turn:
    """A message. `role`: system, user or assistant."""

    role: str
    parts: tuple[Words | Address, ...]


_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_DETAILS = ("auto", "low", "high", "original")  # both models see pictures by their own processors


def read_turns(value: Any) -> tuple[Turn, ...]:
    """The turns in `messages`. Raises InvalidValue, UnsupportedField."""
    turns = tuple(_turn(f"messages[{at}]", each) for at, each in enumerate(list_of("messages", value)))
    if not turns:
        raise InvalidValue("messages", Shown("empty"), "a chat needs at least one message")
    return turns


def _turn(where: str, value: Any) -> Turn:
    message = object_of(where, value)
    role = text_of(f"{where}.role", message.get("role"))
    if role in ("tool", "function"):
        raise UnsupportedField(f"{where}.role", f"{where}: tools are not supported by this endpoint")
    if message.get("tool_calls") or message.get("function_call"):
        field = "tool_calls" if message.get("tool_calls") else "function_call"
        raise UnsupportedField(f"{where}.{field}", f"{where}: tools are not supported by this endpoint")
    if role not in _ROLES:
        raise InvalidValue(f"{where}.role", shortened(role), f"must be one of {', '.join(_ROLES)}")
    check_message(where, message)
    content, path = message.get("content"), f"{where}.content"
    if content is None and role == "assistant":
        content = ""  # a turn that said nothing, as front ends replay it
    if isinstance(content, str):
        return Turn(_ROLES[role], (Words(text_of(path, content), path),))
    if not isinstance(content, list):
        raise InvalidValue(path, kind(content), "must be a string or a list of parts")
    return Turn(_ROLES[role], tuple(_part(f"{path}[{at}]", each) for at, each in enumerate(content)))


def _part(where: str, value: Any) -> Words | Address:
    if isinstance(value, str):
        return Words(text_of(where, value), where)
    part = object_of(where, value)
    match part.get("type"):
        case "text":
            check_part(where, part, ("type", "text"))
            return Words(text_of(f"{where}.text", part.get("text")), f"{where}.text")
        case "image_url":
            check_part(where, part, ("type", "image_url"))
            return _address(f"{where}.image_url", part.get("image_url"))
        case str(other):
            sentence = f"{where}: parts of type {shortened(other)!r} are not supported by this endpoint"
            raise UnsupportedField(f"{where}.type", sentence)
        case other:
            raise InvalidValue(f"{where}.type", kind(other), "must be text or image_url")


def _address(where: str, value: Any) -> Address:
    if isinstance(value, str):
        return Address(text_of(where, value), where)
    image = object_of(where, value)
    check_part(where, image, ("url", "detail"))
    detail = image.get("detail")
    if detail is not None and detail not in _DETAILS:
        raise InvalidValue(f"{where}.detail", kind(detail), f"must be one of {', '.join(_DETAILS)}")
    return Address(text_of(f"{where}.url", image.get("url")), f"{where}.url")
