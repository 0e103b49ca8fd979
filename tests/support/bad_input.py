"""What a hostile device sends and what has to come back, and a look at whether anybody else was harmed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from edge_server.server import EdgeServer
from shared.errors import (
    CovspecError,
)
from tests.support.raw_device import (
    RawDevice,
    Refusal,
    Sendable,
)
from tests.support.system import a_picture, asked, bystander, device, eventually, exact, toy_draft

INVALID = grpc.StatusCode.INVALID_ARGUMENT
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION

PICTURE = a_picture(seed=1)


@dataclass(frozen=True)
class Case:
    """What is sent, and what has to come back: the code, the error and words of the sentence."""

    name: str
    sent: list[Sendable]
    code: grpc.StatusCode
    error: type[CovspecError]
    words: tuple[str, ...]

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


@asynccontextmanager
async def unharmed(server: EdgeServer) -> AsyncIterator[RawDevice]:
    """A hostile device beside a good one. Afterwards nothing is held and a fresh stream is answered exactly."""
    address = f"127.0.0.1:{server.port}"
    async with bystander(server), RawDevice(address) as hostile:
        yield hostile
    await eventually(lambda: server.sessions, 0)
    async with device(address, toy_draft()) as client:
        await exact(client, asked("and you, are you well?", PICTURE))


def check(refusal: Refusal, case: Case) -> None:
    assert refusal.code is case.code
    assert type(refusal.error) is case.error
    for words in case.words:
        assert words in refusal.sentence
