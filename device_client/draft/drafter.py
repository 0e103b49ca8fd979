"""The draft model at work on one prompt: sees the pictures, holds the text so far, says what it would say next.

Guarantees: `next` depends on the text alone, not on what was drafted before. Everything here runs on the thread that
owns the model. It does not know the conversation or the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from device_client.draft.drawing import Drawing
from device_client.reduce import Asked, Reducer
from shared.speculation.coupled import Choice, Chooser
from shared.speculation.device import Mark
from shared.speculation.messages import agreement
from shared.speculation.request import Message, SamplingParameters
from shared.vlm.port import Decoder, Vlm
from shared.vlm.single import extend, prefill


def _nobody(stage: str) -> None:
    """Nobody wants to know."""


class Drafter:
    """Drafts for one answer with `vlm`, which it does not own. `begins` is told what it turns to; "": it is ready."""

    def __init__(
        self,
        vlm: Vlm,
        messages: Sequence[Message],
        images: Sequence[Image.Image],
        begins: Callable[[str], None] = _nobody,
        reducer: Reducer | None = None,  # None: every visual token enters
    ) -> None:
        self._vlm = vlm
        begins("prompt")
        self._prompt = vlm.prepare(messages, images)
        self._held: list[int] = []
        self._decoder: Decoder
        if reducer is None:
            begins("vision tower")
            visual = vlm.see(self._prompt)
            begins("draft prefill")
            self._decoder, rows = prefill(vlm, self._prompt, visual)
        else:
            self._decoder, rows, _ = reducer.prefill(Asked(vlm, self._prompt, messages, images), begins)
        self._first_row: Tensor = rows[-1]
        self._chooser: Chooser | None = None
        begins("")
        self.prompt_tokens = len(self._prompt.ids)
        self.visual_tokens = sum(self._prompt.visual_tokens)

    def follow(self, parameters: SamplingParameters, common_ids: int, placeholder_ids: Collection[int]) -> None:
        """Choose by these parameters, among the ids below `common_ids` that are no placeholders."""
        allowed = np.arange(self._vlm.info.rows) < common_ids
        allowed[[token for token in placeholder_ids if token < len(allowed)]] = False
        self._chooser = Chooser(parameters, self._prompt.ids, allowed)

    @property
    def room(self) -> int:
        """Output tokens that fit into the model's context."""
        return self._vlm.info.context_length - self.prompt_tokens

    def next(self, text: Sequence[int]) -> int:
        """The token after output tokens `text`. What the cache lacks of them is taken in one block."""
        return self._follows.choose(self._row_after(text), text)

    def weigh(self, text: Sequence[int]) -> Choice:
        """The same token, and how sure the model is of it."""
        return self._follows.weigh(self._row_after(text), text)

    def draw(self, text: Sequence[int], drawing: Drawing) -> tuple[Choice, Mark | None]:
        """The token that is proposed after output tokens `text`, and what is kept of it beside the id."""
        return drawing.draw(self._follows, self._row_after(text), text)

    def law(self, text: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The ids that may come after output tokens `text`, and how likely each does."""
        return self._follows.law(self._row_after(text), text)

    @property
    def _follows(self) -> Chooser:
        if self._chooser is None:
            raise ValueError("follow comes before next")
        return self._chooser

    def _row_after(self, text: Sequence[int]) -> Tensor:  # [rows]
        if not text:
            self._keep(0)
            return self._first_row
        agreeing = agreement(self._held, text)
        self._keep(min(agreeing, len(text) - 1))  # the row after the last token comes from taking it
        missing = list(text[len(self._held) :])
        rows = extend(self._vlm, self._decoder, missing)
        self._held += missing
        return rows[-1]

    def _keep(self, length: int) -> None:
        self._decoder.truncate(length)
        del self._held[length:]
