"""Log-probabilities over the wire: the target's own, whatever was proposed and however often the link breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest
import torch

from device_client.answer import Question
from shared.errors import Unsupported
from shared.speculation.messages import Commit, Finished, FinishReason
from shared.vlm.single import extend, prefill
from shared.wire.codec import FromEdge
from tests.support.hostile_edge import OPENED, HostileEdge
from tests.support.shim import Shim
from tests.support.system import asked, device, edge, exact, toy_draft, toy_target, whole


def sure(**wishes: object) -> Question:
    return replace(asked("how sure are you?", **wishes), log_probabilities=True)


def of_the_target(question: Question, ids: Sequence[int]) -> list[float]:
    """One token at a time: the oracle."""
    target = toy_target()
    prompt = target.prepare(question.messages, question.images)
    decoder, rows = prefill(target, prompt, target.see(prompt))
    told = []
    for token in ids:
        told.append(torch.log_softmax(rows[-1].double(), -1)[token].item())
        rows = extend(target, decoder, [token])
    return told


@pytest.mark.parametrize("wishes", [{}, {"temperature": 1.5, "seed": 3, "top_k": 5, "frequency_penalty": 1.0}])
async def test_each_token_has_the_targets_own(wishes: dict[str, float]) -> None:
    question = sure(ignore_eos=True, max_tokens=60, **wishes)
    slow = partial(toy_target, step_seconds=0.003)  # so that proposals are worth a look
    options = {"pace": "thrifty", "policy": "fixed"}  # a device that weighs times may be quiet
    async with edge(slow) as server, device(f"127.0.0.1:{server.port}", toy_draft(), **options) as client:
        result = await exact(client, question)
    assert result.figures.accepted_per_step
    assert result.log_probabilities == pytest.approx(of_the_target(question, result.ids), abs=1e-5)


async def test_a_link_that_breaks_loses_none() -> None:
    question = sure(ignore_eos=True, max_tokens=80)
    async with edge() as server, Shim(server.port) as shim, device(shim.address, toy_draft()) as client:
        answer = await client.ask(question)
        async for _ in (pieces := answer.pieces()):
            if shim.cuts < 3:
                shim.cut()
        await pieces.aclose()
    assert answer.result is not None
    assert answer.result.figures.reconnects >= 1
    assert answer.result.log_probabilities == pytest.approx(of_the_target(question, answer.result.ids), abs=1e-5)


async def test_unasked_they_cost_no_byte() -> None:
    async with edge() as server, device(f"127.0.0.1:{server.port}", toy_draft()) as client:
        result = await exact(client, asked())
    assert result.log_probabilities == ()
    entries = {entry.kind: entry.tally for entry in result.figures.traffic.entries}
    commits = entries["commit"]
    assert commits.payload < 25 * commits.messages + 2 * len(result.ids)  # asked for, they are 4 for each id


async def test_an_edge_that_sends_none_is_told_of() -> None:
    script: list[FromEdge | bytes] = [OPENED, Commit(0, (40,), (0,)), Finished(FinishReason.EOS, 1)]
    async with HostileEdge(script) as hostile, device(f"127.0.0.1:{hostile.port}", toy_draft()) as client:
        answer = await client.ask(sure())
        with pytest.raises(Unsupported, match="sends no log-probabilities"):
            await whole(answer)
