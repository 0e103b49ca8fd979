"""The parts of a step one by one, in one process and on one thread: medians in seconds.

The stages are the engine's own, run in its order; what waits between them (threads, the loop, gRPC) is not here, but
for the two wake-ups, which are timed apart.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from time import monotonic, perf_counter

import numpy as np
import torch
from torch import Tensor

from edge_server.engine.batch import Batch, Batching
from edge_server.engine.offers import Offers
from edge_server.engine.outbox import Outbox
from edge_server.engine.port import News, Request
from edge_server.engine.prompts import prepared
from edge_server.engine.session import Session
from shared.errors import CovspecError
from shared.speculation.coupled import Chooser
from shared.speculation.edge import Rules
from shared.speculation.messages import Commit, Pace, Propose, Timings
from shared.speculation.request import Message, SamplingParameters, SamplingWish, Text
from shared.vlm.load import load
from shared.wire.codec import (
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    parse_request,
    parse_response,
)
from shared.wire.handshake import Limits
from tests.support.system import alone, asked

ROWS = 151_936  # of Qwen's vocabulary
_TIMES, _STEPS = 11, 100


def of_a_step(model: str, block: int) -> Iterator[tuple[str, float]]:
    """Each part of a step of one session over `block` proposals that stand, and its seconds."""
    yield from _stages(model, block)
    yield from _codec(block)
    yield "wake: engine's thread (queue)", _thread_wake()
    yield "wake: engine's thread to the stream (outbox)", asyncio.run(_loop_wake())


def of_choosing(block: int) -> Iterator[tuple[str, float]]:
    """Verifying `block` proposals that stand, by law and sampling parameters."""
    samplings = {
        "temperature 0": SamplingParameters(block),
        "temperature 0.7": SamplingParameters(block, temperature=0.7),
        "temperature 0.7, top-p 0.9": SamplingParameters(block, temperature=0.7, top_p=0.9),
        "temperature 0.7, top-k 20, top-p 0.8": SamplingParameters(block, temperature=0.7, top_k=20, top_p=0.8),
        "temperature 0, repetition penalty 1.05": SamplingParameters(block, repetition_penalty=1.05),
    }
    for law, rows in (("sure", _rows(block + 1, sure=True)), ("unsure", _rows(block + 1, sure=False))):
        for sampling, parameters in samplings.items():
            chooser, proposals = Chooser(parameters, range(300)), list[int]()
            for row in rows[:-1]:
                proposals.append(chooser.choose(row, proposals))
            yield f"{law}: {sampling}", _median(partial(chooser.verify, rows, proposals, ()))


def _rows(count: int, *, sure: bool) -> Tensor:  # [count, ROWS]
    """Logits like a model's: a bell curve, and where it is sure one id far ahead of sixty others."""
    rows = torch.randn(count, ROWS, generator=torch.Generator().manual_seed(0)) * 2.5
    if sure:
        rows[:, 200:260] += 10
        rows[:, 100] = 25
    return rows


def _stages(model: str, block: int) -> Iterator[tuple[str, float]]:
    vlm, batch, delivered = load(model), Batch(Batching()), list[News | CovspecError]()
    tokens = (_STEPS + 1) * (block + 1)
    wish = SamplingWish(temperature=0.0, max_tokens=tokens, ignore_eos=True)
    ids = alone(vlm, asked("tell me more", max_tokens=tokens, ignore_eos=True))
    offers = Offers(Rules(block, tokens, vlm.info.rows, vlm.info.placeholder_ids), (), monotonic)
    messages = (Message("user", (Text("tell me more"),)),)
    made = prepared(vlm, Request(messages, (), wish, 0, Pace.EAGER))
    session = Session.prepare(vlm, made, offers, delivered.append, batch.everybody)
    session.begin(vlm.see(session.prompt))
    spent: dict[str, list[float]] = {}
    length = 0
    while session.ended is None:
        marks = [perf_counter()]
        if length:
            offers.hear(Propose(length, length, ids[length : length + block]))
        marks.append(perf_counter())
        plan = batch.choose([session])
        (work,) = plan.works
        marks.append(perf_counter())
        begin, cached = perf_counter(), session.cached
        (rows,) = vlm.step([work.block])
        marks.append(perf_counter())
        took = perf_counter() - begin
        commit = session.done(work, rows, 0.0)
        marks.append(perf_counter())
        batch.saw(plan, took, cached, {session: commit.accepted[0]} if commit is not None else {})
        marks.append(perf_counter())
        length = offers.length
        names = ("hear the propose", "choose the work (cost rule, take)", "the forward", "commit", "learn its cost")
        for name, earlier, later in zip(names, marks[:-1], marks[1:], strict=True):
            spent.setdefault(name, []).append(later - earlier)
    for name, seconds in spent.items():
        yield name, median(seconds)


def _codec(block: int) -> Iterator[tuple[str, float]]:
    limits, ids = Limits(), tuple(range(1000, 1000 + block))
    propose, commit = Propose(100, 100, ids), Commit(100, (*ids, 7), (block,), 20, None, Timings(1000, 2000))
    up, down = encode_request(propose).SerializeToString(), encode_response(commit).SerializeToString()
    yield "codec: propose out", _median(lambda: encode_request(propose).SerializeToString())
    yield "codec: propose in", _median(lambda: decode_request(parse_request(up), limits))
    yield "codec: commit out", _median(lambda: encode_response(commit).SerializeToString())
    yield "codec: commit in", _median(lambda: decode_response(parse_response(down), limits))


def _thread_wake() -> float:
    """From putting into the queue that a thread waits at, to that thread's first line."""
    inbox: queue.SimpleQueue[float | None] = queue.SimpleQueue()
    spent: list[float] = []

    def wait() -> None:
        while (begin := inbox.get()) is not None:
            spent.append(perf_counter() - begin)

    thread = threading.Thread(target=wait)
    thread.start()
    for _ in range(_TIMES):
        threading.Event().wait(0.001)  # so that it waits again
        inbox.put(perf_counter())
    inbox.put(None)
    thread.join()
    return median(spent)


async def _loop_wake() -> float:
    """From another thread's news to the reader of the outbox."""
    outbox, spent = Outbox(), list[float]()

    def put() -> float:
        begin = perf_counter()
        outbox.put(Commit(0, (1,)))
        return begin

    for _ in range(_TIMES):
        begun = asyncio.get_running_loop().run_in_executor(None, put)
        await outbox.get()
        now = perf_counter()
        spent.append(now - await begun)
    return median(spent)


def _median(job: Callable[[], object]) -> float:
    spent = []
    for _ in range(_TIMES):
        begin = perf_counter()
        job()
        spent.append(perf_counter() - begin)
    return float(np.median(spent[1:]))
