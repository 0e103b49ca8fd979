"""One answer on the engine's thread: its decoder, its rule, its end. Everything here runs on that thread.

Transcript and cache move together: after a step the decoder holds the committed tokens that the model has taken, and
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from edge_server.engine.attending import attended
from edge_server.engine.cost import Experience, Survival
from edge_server.engine.journal import Journal
from edge_server.engine.offers import Offer, Offers
from edge_server.engine.port import News, Request, Terms
from edge_server.engine.prompts import Prepared
from shared.errors import CovspecError, EngineFailure, InvalidValue
from shared.speculation.attended import Attended
from shared.speculation.coupled import Chooser, log_probabilities
from shared.speculation.ending import Ending
from shared.speculation.messages import Commit, Finished, FinishReason, Pace, Rule
from shared.speculation.pending import Fate, Pending, fate_of
from shared.speculation.rejection import Rejection, Verified
from shared.speculation.request import resolve
from shared.vlm.port import Block, Decoder, Prompt, VisualTokens, Vlm


@dataclass(frozen=True)
class Work:
    """What one session takes in a step. `offer`: what it verifies; None while its prompt is not taken whole.

    `begun`: tokens of its prompt, if this is the first step of it; `reused`: those of them that another had left.
    """

    block: Block
    offer: Offer | None
    begun: int = 0
    reused: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many proposals of a session a step will look at (None: no limit), as of step number `step`."""

    admitted: int | None
    step: int


@dataclass(frozen=True, slots=True)
class Served:
    """When a session was in a step last: the step's number, and the time after it."""

    step: int
    at: float


def _nobody(_: Decoder) -> None:
    """Nobody wants what an answer leaves."""


NO_VERDICT = Verdict(None, 0)
NEVER = Served(0, 0.0)


@dataclass(eq=False)
class Session:
    """The state of one answer. `deliver` takes its news, or the error that ended it, on any thread.

    `verdict`: the batch's, told to the device with each commit. `probed`: the step that looked at a proposal of it
    last that was not worth it; the batch's, too. `lead`: tokens that it is ahead of itself without proposals; the
    batch's, too. `served`: kept by who gives turns. `journal`: if the device asked. `leave`: is given the decoder of an
    answer that has ended well, once its prompt is taken. `attended`: where the target looks, as the device was told.
    """

    vlm: Vlm
    prompt: Prompt
    terms: Terms
    request: Request
    offers: Offers
    deliver: Callable[[News | CovspecError], None]
    survival: Survival
    verdict: Verdict = NO_VERDICT
    probed: int = 0
    lead: float = 0.0
    served: Served = NEVER
    journal: Journal | None = None
    leave: Callable[[Decoder], None] = _nobody
    parked: bool = False
    ended: Finished | EngineFailure | None = None
    attended: Attended | None = None
    _unattended: VisualTokens | None = None  # until it was told, if it is to be
    _decoder: Decoder | None = None
    _reused: int | None = None  # tokens of the prompt that nobody has to take; None once that was told
    _chooser: Chooser = field(init=False)
    _rejection: Rejection | None = None
    _ending: Ending = field(init=False)

    def __post_init__(self) -> None:
        self._chooser = Chooser(self.terms.parameters, self.prompt.ids)
        if self.request.judging.rule is Rule.REJECTION:
            self._rejection = Rejection(self.terms.parameters, self._chooser, self.request.judging.evidence)
        self._ending = Ending(self.terms.parameters, self.vlm.tokenizer.decode)
        kept, reason = self._until_end(self.request.committed)
        if len(kept) < len(self.request.committed):
            raise InvalidValue("open.committed", f"{len(self.request.committed)} tokens", f"ended after {len(kept)}")
        self.offers.answer = self._say
        if reason is not None:
            self.finish(reason)

    @classmethod
    def prepare(
        cls,
        vlm: Vlm,
        made: Prepared,
        offers: Offers,
        deliver: Callable[[News | CovspecError], None],
        everybody: Experience,
    ) -> Session:
        """Settle the terms. Raises InvalidValue, PromptTooLong."""
        prompt, request = made.prompt, made.request
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
        return cls(vlm, prompt, terms, request, offers, deliver, Survival(everybody))

    @property
    def may_step(self) -> bool:
        """Whether this session wants the model now. The prefill does not wait for proposals."""
        if self.parked or self.ended is not None:
            return False
        return self.prefilling or self.offers.may_step(self.request.pace)

    @property
    def may_follow(self) -> bool:
        """Whether this session takes a step that it has not asked for: pace auto, past its prompt, and room ahead."""
        if self.request.pace is not Pace.AUTO or self.parked or self.ended is not None or self.prefilling:
            return False
        return self.offers.has_room

    @property
    def begun(self) -> bool:
        """Whether the pictures have been seen."""
        return self._decoder is not None

    @property
    def prefilling(self) -> bool:
        """Whether the model has not taken the whole prompt."""
        return self._decoder is None or self._decoder.prompt_left > 0

    @property
    def prompt_left(self) -> int:
        """Tokens of the prompt that the model has not taken."""
        return self.terms.prompt_tokens if self._decoder is None else self._decoder.prompt_left

    @property
    def cached(self) -> int:
        """Tokens in the cache, prompt included."""
        return 0 if self._decoder is None else self._decoder.held

    def begin(self, visual: VisualTokens, adopt: Callable[[Decoder], int] = lambda _: 0) -> None:
        """The pictures have been seen; the prompt can be taken, but for what there is to `adopt` of it."""
        decoder = self.vlm.begin(self.prompt, visual)
        self._reused = adopt(decoder)
        self._decoder = decoder
        self._unattended = visual if self.request.attend is not None else None
        if self._unattended is None:
            self._let_pixels_go()

    def attend(self) -> None:
        """Tell a device that asked where the target's text looks, once, when the prompt is taken: a forward over it."""
        visual = self._unattended
        if visual is None or self.prefilling:
            return
        self._unattended = None
        self.attended = attended(self.vlm, self.request, self.prompt, visual)
        self._let_pixels_go()
        if self.attended is not None:
            self.deliver(self.attended)

    def work(self, chunk: int, most: int | None = None) -> Work:
        """What a step takes: at most `chunk` tokens of the prompt, and behind it at most `most` proposals."""
        assert self._decoder is not None
        begun = 0 if self._reused is None else self.terms.prompt_tokens
        reused, self._reused = self._reused or 0, None
        prompt = min(chunk, self._decoder.prompt_left)
        if prompt < self._decoder.prompt_left:
            return Work(Block(self._decoder, prompt), None, begun, reused)
        if (
            self._rejection is not None
        ):  # its first token is the target's own; later what was proposed decides, all of it
            most = 0 if prompt > 0 else None
        # As late as possible: what was drafted early is verified with the prefill.
        offer = self.offers.take(most, self.survival.chances if self._rejection is None else None)
        lacking = offer.committed[self._decoder.length :]
        parents = [*range(-1, len(lacking) - 1), *(len(lacking) + parent for parent in offer.pending.parents)]
        ids = lacking + offer.pending.ids
        block = Block(self._decoder, prompt, ids, parents if offer.pending.parents else None)
        return Work(block, offer, begun, reused)

    def done(self, work: Work, rows: Tensor, seconds: float) -> Commit | None:
        """Commit what stands and the target's next token, and deliver it. rows: [n, rows] of the work's block.

        None: the prompt is not taken whole yet.
        """
        offer = work.offer
        if offer is None:
            return None
        proposals = offer.pending.ids
        rows = rows[-1 - len(proposals) :]
        verified = self._verify(rows, offer.pending, offer.committed)
        tokens, reason = self._until_end(verified.tokens)
        tree = offer.pending.tree
        stood = tree.path(tokens)
        told: Sequence[float] = ()
        if self.request.log_probabilities:
            told = log_probabilities(rows[[0, *(place + 1 for place in stood)]], tokens)
        admitted = self.verdict.admitted if self._rejection is None else None
        commit = self.offers.commit(offer, tokens, seconds, admitted, told)
        if verified.rejected is not None:
            commit = self.offers.reject(commit, verified.rejected)
        if self.journal is not None:
            self.journal.chose(commit.accepted[0])
        known = Fate(len(proposals), commit.accepted[0]) if verified.rejected is not None else fate_of(tree, tokens)
        for fate in (known, *self.offers.overtaken()):
            self.survival.learned(fate)
        if work.block.parents is not None:
            lacking = len(work.block.ids) - len(proposals)
            work.block.decoder.keep([*range(lacking), *(lacking + place for place in stood)])
        # The last committed token is not held: its row judges the first proposal of the next step.
        held = min(offer.pending.start + commit.accepted[0], len(offer.committed) + len(tokens) - 1)
        work.block.decoder.truncate(max(0, held))
        self.deliver(commit)
        if self.journal is not None and self.journal.is_full:
            self.deliver(self.journal.parcel(self.offers.newest))
        if reason is not None:
            self.finish(reason)
        return commit

    def _verify(self, rows: Tensor, pending: Pending, before: Sequence[int]) -> Verified:
        if self._rejection is not None:
            return self._rejection.verify(rows, pending, before)
        if pending.parents:
            return Verified(self._chooser.descend(rows, pending.tree, before))
        given = [claim.given for claim in pending.claims]
        return Verified(self._chooser.verify(rows, pending.ids, before, given))

    def _say(self, commit: Commit) -> None:
        """What is due at once to what the device said; on any thread."""
        self.deliver(commit)

    def finish(self, reason: FinishReason) -> None:
        """Nothing follows; the cache is left, or freed."""
        if self.ended is None and self._decoder is not None and not self._decoder.prompt_left:
            self.leave(self._decoder)
        self._end(Finished(reason, self.offers.length))

    def fail(self, failure: EngineFailure) -> None:
        """A step broke: this answer cannot go on."""
        self._end(failure)

    def _end(self, last: Finished | EngineFailure) -> None:
        if self.ended is None:
            self.ended = last
            self._decoder = self._unattended = None
            self.offers.close()
            if self.journal is not None:
                self.deliver(self.journal.parcel(self.offers.newest))
            self.deliver(last)

    def _let_pixels_go(self) -> None:
        """They have been seen, and are as large as the pictures."""
        self.prompt = replace(self.prompt, pixels=None)

    def _until_end(self, tokens: Sequence[int]) -> tuple[list[int], FinishReason | None]:
        """The tokens up to the one that ends the answer, and why it ends."""
        for count, token in enumerate(tokens, start=1):
            reason = self._ending.push(token)
            if reason is not None:
                return list(tokens[:count]), reason
        return list(tokens), None
