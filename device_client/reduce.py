"""Visual token reduction at work: looks at the pictures of a prompt, chooses what enters the draft, and prefills it.

Guarantees: where all tokens are kept nothing is computed for choosing. It runs on the thread that owns the model.
Between answers it remembers how fast the model prefills, what the model saw last, and what the last few answers hold:
a chat's next turn sees no picture again, and reads only from where it differs on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from time import monotonic

import torch
from PIL import Image
from torch import Tensor

from device_client.prune.budget import Situation, tokens_to_keep
from device_client.prune.registry import prune, pruner
from device_client.prune.sight import Ask, Sight
from device_client.prune.wish import Auto, Budget, Choice, check_together
from shared.shares import share_of
from shared.speculation.attended import Attended
from shared.speculation.request import Message, Picture, Text
from shared.vlm.attending import lying_there
from shared.vlm.gaze import Gaze
from shared.vlm.port import Block, Decoder, Prompt, VisualTokens, Vlm
from shared.vlm.remains import Remains
from shared.vlm.single import prefill

log = logging.getLogger(__name__)

# What it takes to read a picture's tokens for what it takes to see it, before that was measured: a fifth on the
# embedded pair, more where the language model is large beside its tower; the first measured prefill corrects it.
READ_FOR_SEE = 0.25

_MOST, _MOST_BYTES, _SECONDS = 4, 256 * 2**20, 600.0  # what is kept of answers that are over: a device is small
UNTIL_TOLD = Choice()  # to read all would cost what is to be saved, and covspec is what the target's choice replaces


@dataclass(frozen=True)
class Asked:
    """A prompt of a model, and the chat and pictures that it was made of."""

    vlm: Vlm
    prompt: Prompt
    messages: Sequence[Message]
    images: Sequence[Image.Image]


@dataclass(frozen=True)
class Reduced:
    """What of the pictures enters the draft. `kept`: None means all."""

    visual: VisualTokens
    kept: tuple[int, ...] | None

    @property
    def count(self) -> int:
        """How many visual tokens enter."""
        return len(self.visual.features) if self.kept is None else len(self.kept)

    def entered(self, prompt: Prompt) -> int:
        """How many tokens of the prompt enter, text and pictures."""
        return len(prompt.ids) - len(self.visual.features) + self.count


class Reducer:
    """Prunes as wished. `clock`: seconds.

    `attend`: what an edge is to be asked, where its target chooses (verifier); None: nothing. Until it has told,
    `UNTIL_TOLD` chooses; then `prefill_told` begins anew.
    """

    def __init__(self, choice: Choice, budget: Budget, clock: Callable[[], float] = monotonic) -> None:
        check_together(choice, budget)
        self.attend = budget if choice.name == "verifier" and not isinstance(budget, Auto) else None
        self._pruner = pruner(choice if self.attend is None else UNTIL_TOLD)
        self._idle = choice.name == "none"
        self._budget = budget
        self._clock = clock
        self._token_seconds: float | None = None  # of the last prefill
        self._seen: tuple[tuple[bytes, ...], VisualTokens, Gaze | None] | None = None  # last, and by what it is known
        self._remains = Remains(_MOST_BYTES, _MOST, _SECONDS)

    def prefill(self, asked: Asked, begins: Callable[[str], None] = lambda _: None) -> tuple[Decoder, Tensor, Reduced]:
        """See, choose, prefill: a decoder that holds the prompt, the logits after it [1, rows], and what was kept.

        `begins` is told what it turns to.
        """
        begin = self._clock()
        begins("vision tower")
        reduced = self.reduce(asked)
        begins("draft prefill")
        chosen = self._clock()
        decoder = asked.vlm.begin(asked.prompt, reduced.visual, reduced.kept)
        reused = self._remains.adopt("", decoder, chosen)
        (rows,) = asked.vlm.step([Block(decoder, decoder.prompt_left)])
        read = self._clock() - chosen
        if 2 * reused < decoder.held:  # what a few tokens take says little of many
            self._token_seconds = read / (decoder.held - reused)
        log.info(
            "%d of %d visual tokens enter the draft: %.0f ms to see and choose, %.0f ms to read",
            *(reduced.count, len(reduced.visual.features), 1e3 * (chosen - begin), 1e3 * read),
        )
        return decoder, rows, reduced

    def prefill_told(self, asked: Asked, seen: VisualTokens, attended: Attended) -> tuple[Decoder, Tensor]:
        """Prefill with those of the tokens `seen` that lie where the target looks: as `prefill`, which saw them."""
        assert self.attend is not None
        count = share_of(self.attend, len(seen.features))
        kept = lying_there(attended, asked.vlm.places(asked.prompt), count)
        decoder, rows = prefill(asked.vlm, asked.prompt, seen, kept)
        log.info("%d of %d visual tokens enter the draft, as the target attends", len(kept), len(seen.features))
        return decoder, rows

    def leave(self, decoder: Decoder) -> None:
        """An answer is over; nobody steps its decoder any more."""
        self._remains.leave("", decoder, self._clock())

    def close(self) -> None:
        """Keep nothing any more."""
        self._remains.close()
        self._seen = None

    def reduce(self, asked: Asked) -> Reduced:
        """See, and choose what enters."""
        begin = self._clock()
        visual, gaze = self._see(asked)
        tokens = len(visual.features)
        if self._idle or not tokens:
            return Reduced(visual, None)
        rate = self._token_seconds
        if rate is None:
            rate = READ_FOR_SEE * (self._clock() - begin) / tokens
        budget = tokens_to_keep(self._budget, Situation(tokens, rate), visual.features)
        if budget >= tokens:
            return Reduced(visual, None)
        kept = prune(self._pruner, look(asked, visual, self._pruner.asks, gaze), budget)
        if kept.mixing is not None:
            visual = visual.mixed(kept.indices, kept.mixing)
        return Reduced(visual, kept.indices)

    def _see(self, asked: Asked) -> tuple[VisualTokens, Gaze | None]:
        """What the model sees, and how it looks if the pruner asks for that; not again what it saw last."""
        known = asked.prompt.digests
        if self._seen is not None and self._seen[0] == known:
            return self._seen[1:]
        gaze = None
        if Ask.GAZE in self._pruner.asks:
            visual, gaze = asked.vlm.gaze(asked.prompt)
        else:
            visual = asked.vlm.see(asked.prompt)
        self._seen = (known, visual, gaze) if known else None
        return visual, gaze


def look(asked: Asked, visual: VisualTokens, asks: Collection[Ask], gaze: Gaze | None = None) -> Sight:
    """What a pruner asks for, but for what only the target knows."""
    vlm, prompt = asked.vlm, asked.prompt
    places = vlm.places(prompt)
    sight = Sight(visual.features.float().cpu(), places.pictures, places.boxes, gaze=gaze)
    if Ask.QUESTION in asks:
        question = vlm.embed(vlm.tokenizer.text_ids(last_words(asked.messages)))
        sight = replace(sight, question=question.float().cpu())
    if Ask.UPDATE in asks:
        sight = replace(sight, update=vlm.first_update(prompt, visual).float().cpu())
    if Ask.GREY in asks:
        sight = replace(sight, grey=tuple(_grey(image) for image in in_prompt(asked)))
    return sight


def last_words(messages: Sequence[Message]) -> str:
    """What the person said last, without pictures."""
    for message in reversed(messages):
        if message.role == "user":
            return " ".join(part.text for part in message.parts if isinstance(part, Text))
    return ""


def in_prompt(asked: Asked) -> list[Image.Image]:
    """The pictures in the order of their places."""
    parts = [part for message in asked.messages for part in message.parts]
    return [asked.images[part.index] for part in parts if isinstance(part, Picture)]


def _grey(image: Image.Image) -> Tensor:
    grey = image.convert("L")
    width, height = grey.size
    return torch.frombuffer(bytearray(grey.tobytes()), dtype=torch.uint8).view(height, width).float()
