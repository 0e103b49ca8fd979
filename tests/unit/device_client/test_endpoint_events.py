"""Events that stay events whatever they hold, and a stream that never looks dead."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.types import Message

from device_client.endpoint.events import Events, Rhythm, Unread
from device_client.endpoint.writing import event, json_bytes

QUICK = Rhythm(head=0.02, comment=0.05, read=0.1)


class Client:
    """Reads what is sent, unless it is told not to."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.reads = asyncio.Event()
        self.reads.set()

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


@pytest.mark.parametrize("number", [*range(0x100), 0x2028, 0x2029, 0x1F600, 0xD800])
def test_no_character_ends_an_events_line(number: int) -> None:
    said = event({"text": f"a{chr(number)}b"}).decode()
    assert said.endswith("\n\n")
    assert len(said[:-2].splitlines()) == 1
    assert json.loads(said.removeprefix("data: "))["text"] == f"a{chr(number) if number != 0xD800 else '?'}b"


def test_json_is_utf8_as_it_is() -> None:
    assert json_bytes({"a": "漢ü"}) == '{"a":"漢ü"}'.encode()


async def test_a_stream_says_its_head_and_comments_while_nothing_is_said() -> None:
    client = Client()
    breathing = asyncio.create_task(Events(client.send, QUICK).breathe())
    await asyncio.sleep(0.5)
    breathing.cancel()
    assert client.sent[0]["status"] == 200
    comments = client.body.split(b"\n\n")[:-1]
    assert len(comments) >= 2
    assert all(comment.startswith(b":") for comment in comments)


async def test_a_stream_that_speaks_makes_no_comments() -> None:
    client = Client()
    events = Events(client.send, Rhythm(head=0.02, comment=5.0))
    await events.say({"a": 1})
    breathing = asyncio.create_task(events.breathe())
    await asyncio.sleep(0.1)
    breathing.cancel()
    await events.end()
    assert client.body == b'data: {"a":1}\n\ndata: [DONE]\n\n'
    assert [message["type"] for message in client.sent].count("http.response.start") == 1


async def test_a_client_that_does_not_read_on_is_taken_to_be_gone() -> None:
    client = Client()
    events = Events(client.send, QUICK)
    await events.say({"a": 1})
    client.reads.clear()
    with pytest.raises(Unread):
        await events.say({"a": 2})
