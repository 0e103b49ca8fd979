"""The device that times steps: its text is the target's own, and no Propose is timed twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.step.pinging import Known, Times, ping
from device_client.link import connect, server_info
from shared.speculation.request import SamplingWish
from tests.support.system import edge, toy_target

WISH = SamplingWish(temperature=0.0, max_tokens=150, ignore_eos=True)


async def pinged(known: Known) -> tuple[tuple[int, ...], Times]:
    times = Times()
    async with edge() as server:
        channel = connect(f"127.0.0.1:{server.port}")
        text = await ping(channel, await server_info(channel), known, times)
        await channel.close()
    return text, times


@pytest.mark.parametrize("wish", [WISH, replace(WISH, temperature=1.0, seed=3)])
async def test_known_proposals_stand_and_each_is_timed_once(wish: SamplingWish) -> None:
    known = Known.of(toy_target(), "tell me more", wish, 4)
    text, times = await pinged(known)
    assert text == known.ids
    assert len(text) == 150
    # One Propose for each 4 + 1 tokens after the prefill's one, and more where the engine has looked away from some.
    assert len(times.device) >= 30
    assert 0 < len(times.edge) == len(times.trip) == len(times.forward) <= len(times.device)


async def test_the_text_is_not_taken_from_what_was_known() -> None:
    known = Known.of(toy_target(), "tell me more", WISH, 4)
    text, _ = await pinged(replace(known, ids=known.ids[:50] + known.ids[49:-1]))
    assert text == known.ids
