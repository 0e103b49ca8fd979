"""The port of a target engine. An engine runs freely and asks each session's mailbox for what is pending.

It does not know streams, session names or tokens; the service does not know models or threads.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from PIL import Image

from edge_server.engine.offers import Offers
from shared.shares import Share
from shared.speculation.attended import Attended
from shared.speculation.messages import COUPLED, Commit, Finished, FinishReason, Judging, Pace, Rule
from shared.speculation.request import Message, SamplingParameters, SamplingWish, in_places
from shared.speculation.traced import Traced
from shared.vlm.port import ModelInfo

News: TypeAlias = Commit | Finished | Traced | Attended


@dataclass(frozen=True)
class Request:
    """What an engine answers. `committed`: tokens of the answer that stand already. `seed`: if the wish has none.

    `digests`: one for each image, by which an engine may know it again for the same `tenant`; () if it is not to.
    `log_probabilities`: commits are to have them. `trace`: the news are to tell when what was done. `judging`: how the
    device's proposals are judged. `name`: of the answer, for the log. `attend`: how many visual tokens the news are to
    tell as those that the target's text attends to, once.
    """

    messages: tuple[Message, ...]
    images: tuple[Image.Image, ...]
    wish: SamplingWish
    seed: int
    pace: Pace
    committed: tuple[int, ...] = ()
    digests: tuple[bytes, ...] = ()
    log_probabilities: bool = False
    tenant: str = ""
    trace: bool = False
    judging: Judging = COUPLED
    name: str = ""
    attend: Share | None = None

    @property
    def placed(self) -> tuple[bytes, ...]:
        """The contents of the pictures in the order in which the messages place them; () if they are unknown."""
        return in_places(self.messages, self.digests) if self.digests else ()


@dataclass(frozen=True)
class Terms:
    """What the engine made of a request. Token counts are of the target's prompt."""

    parameters: SamplingParameters
    prompt_tokens: int
    visual_tokens: int


class Answer(Protocol):
    """One session inside an engine."""

    terms: Terms

    def news(self) -> AsyncGenerator[News, None]:
        """Commits, waiting ones merged, and at the end Finished. Ends without Finished once parked or closed."""

    async def finish(self, reason: FinishReason) -> None:
        """End the answer where it stands: Finished(reason) comes as its last news."""

    async def park(self) -> None:
        """Stop stepping, keep what it can. Idempotent."""

    async def resume(self, seen: int) -> None:
        """Go on for a device that has `seen` tokens; the next news is Commit(start=seen). Raises OutOfStep.

        Whoever still reads the news from before reads their end.
        """

    async def close(self) -> None:
        """Free everything at once. Idempotent."""


class TargetEngine(Protocol):
    """A target model that answers."""

    @property
    def info(self) -> ModelInfo:
        """The model. Raises Unavailable while it loads."""

    @property
    def fingerprint(self) -> bytes:
        """What tells the model from others (`Vlm.fingerprint`). Raises Unavailable while it loads."""

    @property
    def paces(self) -> tuple[Pace, ...]:
        """Paces on offer, the default one first."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Rules on offer, the default one first."""

    @property
    def attends(self) -> bool:
        """Whether it can tell where the target's text looks."""

    @property
    def trees(self) -> bool:
        """Whether proposals may be trees."""

    async def open(self, request: Request, offers: Offers) -> Answer:
        """Begin an answer. Raises InvalidValue, PromptTooLong, EngineFailure."""
