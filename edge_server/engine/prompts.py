"""Prompts are made beside the engine's thread: chat template, tokenizer and image processor keep no step waiting.

Guarantees: at most two are made at a time, a short one and a long one, so that nobody's question waits for the reading
of a book; who waits is bounded by the places of the edge. Text and pictures are let go once the prompt is made.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from edge_server.engine.port import Request
from shared.errors import CovspecError, EngineFailure, Unavailable
from shared.speculation.request import Text
from shared.vlm.port import Prompt, Vlm

log = logging.getLogger(__name__)

LONG_CHARACTERS = 16 * 1024  # of a prompt's text: some ten milliseconds of a tokenizer
LONG_PIXELS = 4_000_000  # of its pictures: some tens of an image processor


@dataclass(frozen=True)
class Prepared:
    """A request and its prompt. The request has no text and no pictures any more."""

    prompt: Prompt
    request: Request


def prepared(vlm: Vlm, request: Request) -> Prepared:
    """Make the prompt. Raises InvalidValue, PromptTooLong."""
    prompt = vlm.prepare(request.messages, request.images).known_by(request.placed)
    return Prepared(prompt, replace(request, messages=(), images=(), digests=()))


class Prompts:
    """Two threads that make prompts, each one at a time in the order in which they were asked for."""

    def __init__(self) -> None:
        self._short = ThreadPoolExecutor(1, "engine-prompts")
        self._long = ThreadPoolExecutor(1, "engine-prompts-long")
        self._closed = False

    async def make(self, vlm: Vlm, request: Request) -> Prepared:
        """`request` with its prompt. Raises InvalidValue, PromptTooLong, EngineFailure, Unavailable once closed."""
        if self._closed:
            raise Unavailable("the edge is shutting down; try again, or another edge")
        job = (self._long if _is_long(request) else self._short).submit(prepared, vlm, request)
        del request
        made = asyncio.wrap_future(job)
        try:
            return await asyncio.shield(made)
        except asyncio.CancelledError:
            if not job.cancel():  # until it is done it holds the images, whose memory the caller frees
                await asyncio.wait([made])
                made.exception()
            raise
        except CovspecError:
            raise
        except Exception as broken:
            log.exception("making a prompt failed")
            raise EngineFailure(f"the engine failed: {type(broken).__name__}") from None

    async def close(self) -> None:
        """Make no more prompts; wait for the one that is being made."""
        self._closed = True
        for thread in (self._short, self._long):
            await asyncio.to_thread(partial(thread.shutdown, cancel_futures=True))


def _is_long(request: Request) -> bool:
    texts = (part.text for message in request.messages for part in message.parts if isinstance(part, Text))
    pixels = sum(image.width * image.height for image in request.images)
    return pixels > LONG_PIXELS or sum(map(len, texts)) > LONG_CHARACTERS
