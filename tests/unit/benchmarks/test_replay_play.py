"""Recording and playing with toys over real gRPC: what is counted, and that a wrong answer is."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from benchmarks.replay.device import Diary, Manner, ReplayedDevice
from benchmarks.replay.play import rates
from benchmarks.replay.recording import question, recorded
from benchmarks.replay.script import Recording
from device_client.answer import Question
from device_client.link import connect, server_info
from shared.media.images import open_image
from shared.speculation.messages import Pace
from shared.speculation.request import SamplingWish
from tests.support.system import alone, edge, toy_draft, toy_target

WISH = SamplingWish(temperature=0.0, max_tokens=30)


def toy_recording(number: int = 1, agreement: float = 0.8) -> Recording:
    return recorded(toy_target(), toy_draft(agreement), question(number), WISH)


async def played(port: int, recording: Recording, pace: Pace) -> Diary:
    channel = connect(f"127.0.0.1:{port}")
    device = ReplayedDevice(channel, await server_info(channel), Manner(window=4, pace=pace, draft_seconds=0.0))
    await device.answer(recording)
    await channel.close()
    return device.diary


def test_what_is_recorded_is_the_targets_own_text() -> None:
    messages, picture = question(1)
    asked = Question(messages, (picture,), (open_image(picture, 10**6, "a scene"),), WISH)
    assert toy_recording().ids == alone(toy_target(), asked)


def test_a_draft_like_the_target_is_right_everywhere_and_another_one_is_not() -> None:
    same, other = toy_recording(agreement=1.0), toy_recording(agreement=0.5)
    assert same.matches == len(same.ids)
    assert 0 < other.matches < len(other.ids) == len(same.ids)


@pytest.mark.parametrize("pace", Pace)
async def test_a_replayed_answer_is_the_recorded_one(pace: Pace) -> None:
    recording = toy_recording()
    async with edge(partial(toy_target, step_seconds=0.005)) as server:  # or it says all before a draft comes
        diary = await played(server.port, recording, pace)
    assert (diary.exact, diary.differing) == (1, 0)
    assert sum(count for _, count in diary.arrivals) == len(recording.ids)
    assert diary.accepted > 0


async def test_an_answer_that_is_not_the_recorded_one_is_counted_as_differing() -> None:
    recording = toy_recording()
    other = replace(recording, ids=(*recording.ids[:-1], recording.ids[-1] + 1))
    async with edge() as server:
        diary = await played(server.port, other, Pace.EAGER)
    assert (diary.exact, diary.differing) == (0, 1)


def test_rates_are_of_the_time_in_which_all_were_answering() -> None:
    early = Diary([(0.0, 1), (1.0, 4), (2.0, 4), (3.0, 1)])
    late = Diary([(1.0, 2), (2.5, 2), (9.0, 50)])
    assert rates([early, late]) == (4.0, 2.0)
    with pytest.raises(ValueError, match="never answered all at once"):
        rates([early, Diary([(3.0, 1), (4.0, 1)])])
