"""What the benchmark of telling where the target looks makes of its answers, and that it runs beside another's."""

from __future__ import annotations

from benchmarks.looks import WAYS, Look, differing, look, told
from device_client.api import AsyncClient
from device_client.chat import Chat
from device_client.config import DeviceConfig
from tests.support.system import edge, nothing_alive, toy_draft

LOOKS = [
    Look(way, 100.0 * place + picture, 50.0 + picture, 7.0, 60.0 + place, f"{picture}")
    for picture in range(3)
    for place, way in enumerate(WAYS)
]


def test_each_way_has_its_medians_and_a_text_that_differs_is_counted() -> None:
    assert told(LOOKS).splitlines()[3].split() == ["asked", "201", "51", "7", "62"]
    assert differing(LOOKS) == 0
    assert differing([*LOOKS[:-1], Look("asked", 0.0, 0.0, 0.0, 0.0, "?")]) == 1


async def test_an_answer_is_timed_beside_anothers() -> None:
    async with edge() as server:
        config = DeviceConfig(edge=f"127.0.0.1:{server.port}")
        async with AsyncClient(config, toy_draft()) as asker, AsyncClient(config, toy_draft()) as other:
            seen = await look(asker, other, "asked", Chat().asked("tell me"), 20)
    assert seen.text
    assert min(seen.waits) >= 0 < seen.first
    await nothing_alive()
