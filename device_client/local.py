"""The draft alone: what `--fallback local` answers when no edge can be reached. Not the target's answer."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from concurrent.futures import Executor

from device_client.answer import Piece, Question, Source
from device_client.draft.drafter import Drafter
from shared.speculation.ending import Ending, TextStream
from shared.speculation.prints import CommonIds
from shared.speculation.request import resolve
from shared.vlm.port import Vlm


async def local_pieces(question: Question, vlm: Vlm, thread: Executor) -> AsyncGenerator[Piece, None]:
    """The draft's own answer, token by token. Raises InvalidValue, PromptTooLong."""
    loop = asyncio.get_running_loop()
    drafter = await loop.run_in_executor(thread, Drafter, vlm, question.messages, question.images)
    parameters = resolve(question.sampling, vlm.info.defaults, drafter.room, secrets.randbits(64))
    drafter.follow(parameters, CommonIds.below(vlm.info.rows), vlm.info.placeholder_ids)
    ending = Ending(parameters, vlm.tokenizer.decode)
    text = TextStream(vlm.tokenizer.decode, parameters.stop)
    ids: list[int] = []
    reason = None
    while reason is None:
        ids.append(await loop.run_in_executor(thread, drafter.next, list(ids)))
        reason = ending.push(ids[-1])
        if piece := text.push(ids[-1]):
            yield Piece(piece, Source.LOCAL)
    if rest := text.flush():
        yield Piece(rest, Source.LOCAL)
