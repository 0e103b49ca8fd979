"""One answer on the engine's thread: its decoder, its rule, its end. Everything here runs on that thread.

Transcript and cache move together: after a step the decoder holds the committed tokens that the model has taken, and
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from edge_server.engine.offers import Offer, Offers
from edge_server.engine.port import News, Request, Terms
from shared.errors import CovspecError, EngineFailure, InvalidValue
from shared.speculation.coupled import Chooser
from shared.speculation.ending import Ending
from shared.speculation.messages import Finished, FinishReason
from shared.speculation.request import resolve
from shared.vlm.port import Block, Decoder, Prompt, Vlm


@dataclass(eq=False)
class Session:
    """The state of one answer. `deliver` takes its news, or the error that ended it, on any thread."""

    vlm: Vlm
    prompt: Prompt
    terms: Terms
    request: Request
    offers: Offers
    deliver: Callable[[News | CovspecError], None]
    parked: bool = False
    ended: Finished | EngineFailure | None = None
    _decoder: Decoder | None = None
    _chooser: Chooser = field(init=False)
    _ending: Ending = field(init=False)

    def __post_init__(self) -> None:
        self._chooser = Chooser(self.terms.parameters, self.prompt.ids)
        self._ending = Ending(self.terms.parameters, self.vlm.tokenizer.decode)
        kept, reason = self._until_end(self.request.committed)
        if len(kept) < len(self.request.committed):
            raise InvalidValue("open.committed", f"{len(self.request.committed)} tokens", f"ended after {len(kept)}")
        if reason is not None:
            self.finish(reason)

    @classmethod
    def prepare(
        cls, vlm: Vlm, request: Request, offers: Offers, deliver: Callable[[News | CovspecError], None]
    ) -> Session:
        """Make the prompt and settle the terms. Raises InvalidValue, PromptTooLong."""
        prompt = vlm.prepare(request.messages, request.images)
        for name, ids in (
            ("sampling.logit_bias", [i for i, _ in request.wish.logit_bias]),
            ("committed", request.committed),
        ):
            if ids and max(ids) >= vlm.info.rows:
                raise InvalidValue(f"open.{name}", max(ids), f"the target's ids are below {vlm.info.rows}")
        for token in vlm.info.placeholder_ids.intersection(request.committed):
            raise InvalidValue("open.committed", token, "stands for a picture and cannot be part of an answer")
        room = vlm.info.context_length - len(prompt.ids)
        parameters = resolve(request.wish, vlm.info.defaults, room, request.seed)
        terms = Terms(parameters, len(prompt.ids), sum(prompt.visual_tokens))
        return cls(vlm, prompt, terms, request, offers, deliver)

    @property
    def may_step(self) -> bool:
        """Whether this session wants the model now. The prefill does not wait for proposals."""
        if self.parked or self.ended is not None:
            return False
        return self._decoder is None or self.offers.may_step(self.request.pace)

    def step(self, clock: Callable[[], float]) -> None:
        """One forward over what is pending; commit what stands and the target's next token; deliver it."""
        begin = clock()
        decoder, offer, rows = self._forward()
        seconds = clock() - begin
        tokens, reason = self._until_end(self._chooser.verify(rows, offer.pending.ids, offer.committed))
        commit = self.offers.commit(offer, tokens, seconds)
        decoder.truncate(offer.pending.start + commit.accepted[0])
        self.deliver(commit)
        if reason is not None:
            self.finish(reason)

    def finish(self, reason: FinishReason) -> None:
        """Nothing follows; the cache is freed."""
        self._end(Finished(reason, self.offers.length))

    def fail(self, failure: EngineFailure) -> None:
        """A step broke: this answer cannot go on."""
        self._end(failure)

    def _end(self, last: Finished | EngineFailure) -> None:
        if self.ended is None:
            self.ended = last
            self._decoder = None
            self.deliver(last)

    def _forward(self) -> tuple[Decoder, Offer, Tensor]:  # logits after the committed text and after each proposal
        if self._decoder is None:
            self._decoder = self.vlm.begin(self.prompt, self.vlm.see(self.prompt))
        decoder = self._decoder
        offer = self.offers.take()  # as late as possible: what was drafted early is verified with the prefill
        ids = offer.committed[decoder.length :] + offer.pending.ids
        (rows,) = self.vlm.step([Block(decoder, decoder.prompt_left, ids)])
        return decoder, offer, rows[-1 - len(offer.pending.ids) :]

    def _until_end(self, tokens: Sequence[int]) -> tuple[list[int], FinishReason | None]:
        """The tokens up to the one that ends the answer, and why it ends."""
        for count, token in enumerate(tokens, start=1):
            reason = self._ending.push(token)
            if reason is not None:
                return list(tokens[:count]), reason
        return list(tokens), None
