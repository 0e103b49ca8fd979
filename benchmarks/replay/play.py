"""Plays recordings on many devices at once, and says what the edge made of that.

Rates are of the time in which all devices were answering: from when the last of them has its first token to when the
first of them is done. A device begins with a recording of its own and goes through them in order.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import fmean
from time import monotonic
from typing import ClassVar

from benchmarks.machine import cpu_seconds
from benchmarks.replay.device import Diary, Manner, ReplayedDevice
from benchmarks.replay.script import Recording
from device_client.link import connect, server_info


@dataclass(frozen=True)
class Load:
    """So many devices, each with so many answers."""

    recordings: tuple[Recording, ...]
    devices: int
    answers: int
    manner: Manner


@dataclass(frozen=True)
class Round:
    """What came of it. `rates`: each device's tokens a second. Shares: CPU seconds a second of the whole round.

    `tokens_per_cpu_second`: of the edge; what a machine says that does something else meanwhile.
    """

    HEADLINE: ClassVar[str] = (
        "devices  tok/s in all  of one  each: least  mean  most  least/mean  "
        "accepted/step  edge CPU  devices' CPU  tok/edge CPU s  exact"
    )

    rates: tuple[float, ...]
    accepted_per_step: float
    edge_share: float
    devices_share: float
    tokens_per_cpu_second: float
    exact: int
    differing: int

    def line(self, alone: Round) -> str:
        """One line under HEADLINE. `alone`: the round to compare the whole rate with."""
        mean = fmean(self.rates)
        return (
            f"{len(self.rates):7}  {sum(self.rates):12.1f}  {sum(self.rates) / sum(alone.rates):5.2f}x  "
            f"{min(self.rates):11.1f}  {mean:4.1f}  {max(self.rates):4.1f}  {min(self.rates) / mean:10.2f}  "
            f"{self.accepted_per_step:13.2f}  {self.edge_share:8.0%}  {self.devices_share:12.0%}  "
            f"{self.tokens_per_cpu_second:14.1f}  "
            f"{self.exact} of {self.exact + self.differing}"
        )


def rates(diaries: Sequence[Diary]) -> tuple[float, ...]:
    """Each device's tokens a second while all were answering. Raises ValueError if they never were."""
    begin = max(diary.arrivals[0][0] for diary in diaries)
    end = min(diary.arrivals[-1][0] for diary in diaries)
    if end <= begin:
        raise ValueError("the devices never answered all at once: give them more answers")
    return tuple(diary.tokens(begin, end) / (end - begin) for diary in diaries)


async def play(address: str, edge_pid: int, load: Load) -> Round:
    """Play `load` against the edge at `address`. Raises what ended a stream early."""
    async with AsyncExitStack() as stack:
        channels = [connect(address) for _ in range(load.devices)]
        for channel in channels:
            stack.push_async_callback(channel.close)
        info = await server_info(channels[0])
        await ReplayedDevice(channels[0], info, load.manner).answer(load.recordings[0])  # to warm up
        players = [ReplayedDevice(channel, info, load.manner) for channel in channels]
        begin, used = monotonic(), (cpu_seconds(edge_pid), cpu_seconds(os.getpid()))
        async with asyncio.TaskGroup() as together:
            for number, player in enumerate(players):
                together.create_task(_loop(player, load, number * len(load.recordings) // load.devices))
        seconds = monotonic() - begin
        edge_seconds, devices_seconds = cpu_seconds(edge_pid) - used[0], cpu_seconds(os.getpid()) - used[1]
    diaries = [player.diary for player in players]
    return Round(
        rates(diaries),
        sum(diary.accepted for diary in diaries) / sum(diary.steps for diary in diaries),
        edge_seconds / seconds,
        devices_seconds / seconds,
        sum(count for diary in diaries for _, count in diary.arrivals) / max(edge_seconds, 0.01),  # a tick of the clock
        sum(diary.exact for diary in diaries),
        sum(diary.differing for diary in diaries),
    )


async def _loop(player: ReplayedDevice, load: Load, first: int) -> None:
    for number in range(load.answers):
        await player.answer(load.recordings[(first + number) % len(load.recordings)])
