"""When a device goes on with an answer, begins it again, or gives it up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from shared.errors import CovspecError, Unavailable, UnknownSession
from shared.speculation.messages import Commit, Finished, FinishReason
from shared.wire.codec import FromDevice, FromEdge
from shared.wire.handshake import Open, Resume
from tests.support.hostile_edge import OPENED, HostileEdge
from tests.support.system import asked, device, toy_draft, whole

TOKENS = 8
UNKNOWN = UnknownSession("no such session")


def a_token(seen: int) -> Iterator[FromEdge]:
    """One more token than the device has, and the end if that is the last."""
    yield replace(OPENED, token=bytes([seen]) * 16)
    yield Commit(seen, (30 + seen,), (0,))
    if seen == TOKENS - 1:
        yield Finished(FinishReason.LENGTH, TOKENS)


async def test_an_answer_that_grows_is_never_given_up_however_often_its_stream_breaks() -> None:
    def a_token_a_stream(first: FromDevice) -> Iterator[FromEdge]:
        yield from a_token(first.seen if isinstance(first, Resume) else 0)

    async with (
        HostileEdge(a_token_a_stream) as edge,
        device(f"127.0.0.1:{edge.port}", toy_draft(), reconnect_seconds=0, drafting=False) as client,
    ):
        result = await whole(await client.ask(asked()))
    assert result.ids == tuple(range(30, 30 + TOKENS))
    assert result.figures.reconnects == TOKENS - 1
    assert edge.streams == TOKENS


async def test_an_answer_that_does_not_grow_is_given_up() -> None:
    def one_token(first: FromDevice) -> Iterator[FromEdge]:
        yield from a_token(0) if isinstance(first, Open) else [OPENED]

    async with (
        HostileEdge(one_token) as edge,
        device(f"127.0.0.1:{edge.port}", toy_draft(), reconnect_seconds=0, drafting=False) as client,
    ):
        with pytest.raises(Unavailable):
            await whole(await client.ask(asked()))
    assert edge.streams == 2  # the one that brought a token, and the one after which there was no more patience


async def test_a_session_that_an_edge_does_not_know_is_opened_again_where_it_stands() -> None:
    heard: list[FromDevice] = []

    def forgets(first: FromDevice) -> Iterator[FromEdge | CovspecError]:
        heard.append(first)
        if isinstance(first, Resume):
            yield UNKNOWN
        elif isinstance(first, Open):
            yield from a_token(len(first.committed))

    async with (
        HostileEdge(forgets) as edge,
        device(f"127.0.0.1:{edge.port}", toy_draft(), reconnect_seconds=0, drafting=False) as client,
    ):
        result = await whole(await client.ask(asked()))
    assert result.ids == tuple(range(30, 30 + TOKENS))
    assert [type(first) for first in heard] == [Open, *[Resume, Open] * (TOKENS - 1)]
    opened = [first for first in heard if isinstance(first, Open)]
    assert [len(first.committed) for first in opened] == list(range(TOKENS))


@pytest.mark.parametrize("begun", [False, True])
async def test_an_edge_that_knows_no_session_when_it_is_to_open_one_is_not_asked_for_ever(begun: bool) -> None:
    heard: list[FromDevice] = []

    def forgets(first: FromDevice) -> Iterator[FromEdge | CovspecError]:
        heard.append(first)
        if begun and len(heard) == 1:
            yield from a_token(0)
        else:
            yield UNKNOWN

    async with (
        HostileEdge(forgets) as edge,
        device(f"127.0.0.1:{edge.port}", toy_draft(), drafting=False) as client,
    ):
        with pytest.raises(UnknownSession, match="no such session"):
            await whole(await client.ask(asked()))
    assert [type(first) for first in heard] == ([Open, Resume, Open] if begun else [Open])
