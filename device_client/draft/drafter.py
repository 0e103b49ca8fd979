"""The draft model at work on one prompt: sees the pictures, holds the text so far, says what it would say next.

Guarantees: `next` depends on the text and the visual tokens that entered alone, not on what was drafted before.
Everything here runs on the thread that owns the model. It does not know the conversation or the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from device_client.draft.drawing import Drawing
from device_client.reduce import Asked, Reducer
from shared.speculation.attended import Attended
from shared.speculation.coupled import Choice, Chooser
from shared.speculation.marks import Mark
from shared.speculation.messages import agreement
from shared.speculation.prints import CommonIds
from shared.speculation.request import Message, SamplingParameters, in_places
from shared.vlm.port import Block, Decoder, VisualTokens, Vlm
from shared.vlm.single import prefill

MOST_SEQUENCES = 6  # the path, branches that one forward takes, and one that was left


@dataclass(eq=False)
class _Sequence:
    """A decoder and the output tokens that it holds."""

    decoder: Decoder
    ids: list[int]

    def keep(self, length: int) -> None:
        self.decoder.truncate(length)
        del self.ids[length:]

    def fork(self) -> _Sequence:
        return _Sequence(self.decoder.fork(), list(self.ids))


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
        digests: Sequence[bytes] = (),  # of the images, if the reducer may know them again
    ) -> None:
        self._vlm = vlm
        self._reducer = reducer
        self._untold: tuple[Reducer, Asked, VisualTokens] | None = None  # until the edge tells where its target looks
        begins("prompt")
        self._prompt = vlm.prepare(messages, images).known_by(in_places(messages, digests) if digests else ())
        decoder: Decoder
        if reducer is None:
            begins("vision tower")
            visual = vlm.see(self._prompt)
            begins("draft prefill")
            decoder, rows = prefill(vlm, self._prompt, visual)
        else:
            asked = Asked(vlm, self._prompt, messages, images)
            decoder, rows, reduced = reducer.prefill(asked, begins)
            if reducer.attend is not None and reduced.kept is not None:
                self._untold = (reducer, asked, reduced.visual)
        self._sequences = [_Sequence(decoder, [])]  # last used first; more than one where branches are drafted
        self._first_row: Tensor = rows[-1]
        self._chooser: Chooser | None = None
        begins("")
        self.prompt_tokens = len(self._prompt.ids)
        self.visual_tokens = sum(self._prompt.visual_tokens)

    def follow(self, parameters: SamplingParameters, common_ids: CommonIds, placeholder_ids: Collection[int]) -> None:
        """Choose by these parameters, among the `common_ids` that are no placeholders."""
        allowed = np.zeros(self._vlm.info.rows, dtype=np.bool_)
        for each in common_ids.ranges:
            allowed[each.start : each.stop] = True
        allowed[[token for token in placeholder_ids if token < len(allowed)]] = False
        self._chooser = Chooser(parameters, self._prompt.ids, allowed)

    def attend(self, attended: Attended) -> None:
        """Begin anew with the visual tokens where the target looks, if that was asked for; the first word counts."""
        if self._untold is None:
            return
        (reducer, asked, seen), self._untold = self._untold, None
        decoder, rows = reducer.prefill_told(asked, seen, attended)
        self._sequences = [_Sequence(decoder, [])]
        self._first_row = rows[-1]

    def leave(self, text: Sequence[int]) -> None:
        """The answer is over with output tokens `text`: what is held of it is there for the next turn. Idempotent."""
        if self._reducer is not None and self._sequences:
            self._reducer.leave(max(self._sequences, key=lambda each: agreement(each.ids, text)).decoder)
        self._sequences = []

    @property
    def room(self) -> int:
        """Output tokens that fit into the model's context."""
        return self._vlm.info.context_length - self.prompt_tokens

    def next(self, text: Sequence[int]) -> int:
        """The token after output tokens `text`. What the cache lacks of them is taken in one block."""
        return self._follows.choose(self._rows_after([text], text)[0], text)

    def weigh(self, text: Sequence[int]) -> Choice:
        """The same token, and how sure the model is of it."""
        return self._follows.weigh(self._rows_after([text], text)[0], text)

    def weigh_all(self, texts: Sequence[Sequence[int]], path: Sequence[int]) -> list[Choice]:
        """The same after each of `texts`, in one forward. What is held of `path` stays held."""
        return [choice for choice, _ in self.draw_all(texts, path, Drawing())]

    def draw(self, text: Sequence[int], drawing: Drawing) -> tuple[Choice, Mark | None]:
        """The token that is proposed after output tokens `text`, and what is kept of it beside the id."""
        return self.draw_all([text], text, drawing)[0]

    def draw_all(
        self, texts: Sequence[Sequence[int]], path: Sequence[int], drawing: Drawing, *, behind: bool = False
    ) -> list[tuple[Choice, Mark | None]]:
        """The same after each of `texts`, in one forward. What is held of `path` stays held.

        `behind`: after the path it is asked what the target would say by itself, and nothing is proposed there.
        """
        rows, plain = self._rows_after(texts, path), Drawing()
        return [
            (plain if behind and text == path else drawing).draw(self._follows, row, text)
            for row, text in zip(rows, texts, strict=True)
        ]

    def law(self, text: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The ids that may come after output tokens `text`, and how likely each does."""
        return self._follows.law(self._rows_after([text], text)[0], text)

    @property
    def _follows(self) -> Chooser:
        if self._chooser is None:
            raise ValueError("follow comes before next")
        return self._chooser

    def _rows_after(self, texts: Sequence[Sequence[int]], path: Sequence[int]) -> list[Tensor]:  # each [rows]
        """The row after the last token of a text comes from taking that token; that of no text is the prompt's."""
        used: list[_Sequence] = []
        blocks: list[Block] = []
        for text in filter(None, texts):
            sequence, missing = self._sequence(text, path, used)
            used.append(sequence)
            blocks.append(Block(sequence.decoder, ids=missing))
        rows = iter(self._vlm.step(blocks))
        for sequence, block in zip(used, blocks, strict=True):
            sequence.ids += block.ids
        self._sequences = [*used, *(each for each in self._sequences if each not in used)][:MOST_SEQUENCES]
        return [next(rows)[-1] if text else self._first_row for text in texts]

    def _sequence(
        self, text: Sequence[int], path: Sequence[int], used: Sequence[_Sequence]
    ) -> tuple[_Sequence, list[int]]:
        """A sequence that holds of `text` as much as any does, nothing else, and not the last token; and what it lacks.

        The one there is, if nobody else needs it: no other text of the forward, and not the path.
        """
        best = max(self._sequences, key=lambda each: agreement(each.ids, text))
        agreeing = min(agreement(best.ids, text), len(text) - 1)
        needed = best in used or (text != path and agreement(best.ids, path) > agreeing)
        sequence = best.fork() if needed else best
        sequence.keep(agreeing)
        return sequence, list(text[agreeing:])
