"""What each preset puts on the wire, and how it fares: real answers over gRPC on loopback, bytes from the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from benchmarks.held_out import held_out
from device_client.answer import Result
from device_client.client import Client
from device_client.config import DeviceConfig
from device_client.presets import PRESETS, PresetName
from edge_server.config import EdgeConfig
from edge_server.server import EdgeServer
from shared.speculation.request import SamplingWish
from shared.vlm.port import Vlm

PAPER_IDS = 151_674  # of InternVL2.5's vocabulary, as the paper's sizes say


@dataclass(frozen=True)
class Sent:
    """Sums over answers. Bytes are payload beside the pictures; `rows`: whole rows of the draft's law that went up."""

    tokens: int
    up: int
    down: int
    steps: int
    accepted: float
    corrections: int
    lossy: int | None
    rows: float

    def per_1024(self, count: float) -> float:
        """`count` for 1024 tokens."""
        return 1024 * count / self.tokens

    @property
    def bytes(self) -> float:
        """Both ways, for 1024 tokens."""
        return self.per_1024(self.up + self.down)

    @property
    def scaled(self) -> float:
        """The same with the paper's vocabulary: whole rows are as long as that."""
        return self.bytes + self.per_1024(self.rows) * 4 * PAPER_IDS


async def sent(target: Vlm, draft: Vlm, name: PresetName, wishes: Sequence[tuple[int, SamplingWish]]) -> Sent:
    """Ask each question by this preset, one after the other."""
    results: list[Result] = []
    edge = EdgeConfig(port=0, allow_lossy=True, reflection=False, drain_seconds=0.2)
    async with EdgeServer(edge, lambda: target) as server:
        config = replace(DeviceConfig(edge=f"127.0.0.1:{server.port}"), **PRESETS[name])  # type: ignore[arg-type]
        async with Client(config, draft) as client:
            for number, wish in wishes:
                question = held_out(number, ("describe", "board")[number % 2], wish)  # the long answers
                results.append(await _whole(client, question))
    figures = [result.figures for result in results]
    beside = [each.traffic.beside_pictures for each in figures]
    proposed = sum(each.traffic.kind("propose").payload for each in figures)
    dense = PRESETS[name].get("evidence") == "dense"
    return Sent(
        tokens=sum(each.tokens for each in figures),
        up=sum(each.up.payload for each in beside),
        down=sum(each.down.payload for each in beside),
        steps=sum(each.steps for each in figures),
        accepted=sum((each.accepted_per_step or 0.0) * each.steps for each in figures),
        corrections=sum(each.redrawn for each in figures),
        lossy=None if figures[0].lossy is None else sum(each.lossy or 0 for each in figures),
        rows=proposed / (4 * draft.info.rows) if dense else 0.0,
    )


async def _whole(client: Client, question: object) -> Result:
    answer = await client.ask(question)  # type: ignore[arg-type]
    async with aclosing(answer.pieces()) as pieces:
        async for _ in pieces:
            pass
    assert answer.result is not None
    return answer.result
