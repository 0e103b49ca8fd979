"""Every field with every hostile value over HTTP: the client's fault or answered, never ours."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx2

from device_client.endpoint.reading import read_request
from shared.errors import CovspecError
from tests.support.endpoint import endpoint
from tests.support.hostile_json import FIELDS, NESTED, NUMBERS, OTHERS, body_of, fits
from tests.support.system import edge


def walk() -> dict[object, tuple[str, bytes]]:
    """By what is asked, or which rule refuses it: the field and a body. All others are read in a unit test."""
    found: dict[object, tuple[str, bytes]] = {}
    for field in (*(f'"{name}": %s' for name in FIELDS), *NESTED):
        for value in (*NUMBERS, *OTHERS):
            if fits(field, value):
                body = body_of(field.replace("%s", value))
                try:
                    found[read_request(body, 8)] = (field, body)
                except CovspecError as refused:
                    found[field, str(refused).rpartition(": ")[2]] = (field, body)
    return found


async def test_nothing_that_a_field_holds_is_the_endpoints_own_fault() -> None:
    answers: Counter[int] = Counter()
    everything = walk()
    waiting = iter(everything.values())
    async with (
        edge() as server,
        endpoint(f"127.0.0.1:{server.port}") as served,
        httpx2.AsyncClient(headers={"content-type": "application/json"}, timeout=30) as client,
    ):

        async def send() -> None:
            for field, body in waiting:
                reply = await client.post(f"{served.url}/v1/chat/completions", content=body)
                answers[reply.status_code] += 1
                known = {200, 400, 404} if field.startswith('"model"') else {200, 400}
                assert reply.status_code in known, (field, body, reply.text)
                if reply.status_code == 400:
                    error = reply.json()["error"]
                    assert error["param"].startswith(field.split('"')[1]), (field, body, error)

        await asyncio.gather(*(send() for _ in range(4)))
    assert answers.total() == len(everything)
    assert min(answers[200], answers[400]) > 50
