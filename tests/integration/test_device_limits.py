"""What is beyond an edge's limits is refused on the device, in the edge's own words, and nothing of it is sent."""

from __future__ import annotations

from dataclasses import replace

import grpc
import pytest

from device_client.answer import Question
from shared.errors import InvalidValue, Unsupported
from shared.speculation.request import Message, Text
from tests.support.raw_device import at
from tests.support.system import a_picture, asked, device, edge, exact, nothing_alive, toy_draft

SMALL = {"max_images": 1, "max_image_mib": 0.01}
LARGE = a_picture(seed=1, side=100)
SMALLER = a_picture(seed=2, side=20)
BEYOND: dict[str, tuple[Question, str]] = {
    "text": (asked("x" * (2**20 + 1)), "messages is 1048577 bytes of text: must be at most 1048576 bytes of text"),
    "much text": (asked("x" * (5 * 2**20)), "messages is 5242880 bytes of text: must be at most 1048576"),
    "images": (asked("?", SMALLER, SMALLER), "images is 2 pictures: must be at most 1 pictures"),
    "an image": (asked("?", LARGE), f"images[0].size is {len(LARGE)}: must lie between 1 and"),
    "turns": (
        replace(asked("?"), messages=(Message("user", (Text("?"),)),) * 1025),
        "messages is 1025 messages: must be at most 1024 messages",
    ),
    "stops": (asked("?", stop=tuple(map(str, range(5000)))), "sampling.stop is"),
    "biases": (asked("?", logit_bias=tuple((token, 1.0) for token in range(200_000))), "sampling.logit_bias"),
}


@pytest.mark.parametrize("what", BEYOND)
async def test_what_is_beyond_a_limit_is_refused_before_it_is_sent(what: str) -> None:
    question, sentence = BEYOND[what]
    async with edge(**SMALL) as server, device(f"127.0.0.1:{server.port}", toy_draft()) as client:
        with pytest.raises(InvalidValue) as refused:
            await client.ask(question)
        assert str(refused.value).startswith(sentence)
        assert refused.value.field is not None
        assert not refused.value.field.startswith("open")
        assert client.traffic.up.payload == 0
        await exact(client, asked("what is it?", SMALLER))
    await nothing_alive()


async def test_what_grpc_itself_refuses_is_not_tried_again() -> None:
    async with edge() as server, at(server) as raw:
        refusal = await raw.refusal(bytes(4 * 2**20 + 1))
        assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert type(refusal.error) is Unsupported
