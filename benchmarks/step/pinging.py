"""A device that says its next proposals the moment it has heard how the last ones fared, and times that.

It knows the toy target's answer in advance, so all its proposals stand; at pace thrifty each Propose makes one step.
Times in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

import grpc

from device_client.link import Link
from shared.speculation.device import DeviceConversation
from shared.speculation.messages import Commit, Finish, Finished, FinishReason, Pace
from shared.speculation.request import Message, SamplingWish, Text
from shared.vlm.port import Vlm
from shared.wire.handshake import DeviceProfile, Open, ServerInfo
from shared.wire.ledger import Ledger
from tests.support.system import alone, asked


@dataclass(frozen=True)
class Known:
    """A question and the target's answer to it."""

    opening: Open
    ids: tuple[int, ...]

    @classmethod
    def of(cls, target: Vlm, text: str, wish: SamplingWish, block: int) -> Known:
        """Ask the target alone; `block`: proposals in a step."""
        question = asked(text, **{name: value for name, value in _said(wish).items() if value is not None})
        device = DeviceProfile(target.info.prints.vocabulary.reference, block, Pace.THRIFTY)
        return cls(Open((Message("user", (Text(text),)),), (), wish, device), alone(target, question))


def _said(wish: SamplingWish) -> dict[str, object]:
    return {name: getattr(wish, name) for name in ("temperature", "top_p", "seed", "max_tokens", "ignore_eos")}


@dataclass
class Times:
    """One entry for each answered Propose whose times were told. `trip`: from saying it to having read the Commit."""

    edge: list[float] = field(default_factory=list)  # held at the edge, less the forward
    trip: list[float] = field(default_factory=list)  # less the forward
    device: list[float] = field(default_factory=list)  # hearing a Commit and saying the next Propose
    forward: list[float] = field(default_factory=list)


async def ping(channel: grpc.aio.Channel, info: ServerInfo, known: Known, times: Times) -> tuple[int, ...]:
    """Play the answer once; the text as the edge committed it. Raises what ended the stream early."""
    window = known.opening.device.window
    conversation, proposes, said = DeviceConversation(window), 0, 0.0
    waiting = False  # for the answer to the newest Propose
    async with Link(channel, info.limits, Ledger()) as link:
        link.post(known.opening)
        async for message in link.messages():
            heard = monotonic()
            if isinstance(message, Finished):
                break
            if not isinstance(message, Commit):
                continue
            conversation.hear(message)
            if waiting and message.heard == proposes and len(message.accepted) == 1:
                waiting = False
                if message.timings is not None:
                    step, held = message.timings.step_us / 1e6, message.timings.held_us / 1e6
                    times.forward.append(step)
                    times.edge.append(held - step)
                    times.trip.append(heard - said - step)
            if conversation.path:
                continue  # the engine has looked away from some, to learn what they cost: they are still on the way
            length = len(conversation.committed)
            for token in known.ids[length : length + window]:
                conversation.draft(token, conversation.version)
            if conversation.path and (propose := conversation.outgoing()) is not None:
                said = monotonic()
                link.post(propose)
                proposes, waiting = proposes + 1, True
                times.device.append(monotonic() - heard)
        await link.finish(Finish(FinishReason.DONE))
    return tuple(conversation.committed)
