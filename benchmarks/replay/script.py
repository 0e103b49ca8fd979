"""A recorded answer, and the device that plays it: right where its draft was right, wrong where it was wrong.

Guarantees: what it proposes for a position is what was recorded there; the conversation is a real one, so what the edge
says is obeyed whatever the recording expects. It knows neither models nor links.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.speculation.device import DeviceConversation
from shared.speculation.messages import Commit, Propose
from shared.speculation.request import ImageReference, Message, SamplingWish
from shared.wire.handshake import DeviceProfile, Open


@dataclass(frozen=True)
class Recording:
    """One answer. `guesses[i]`: what the draft said after the target's own first i tokens. Times in seconds.

    `first_seconds`: what the draft took to see the picture and take the prompt; `token_seconds`: one drafted token.
    """

    messages: tuple[Message, ...]
    pictures: tuple[bytes, ...]
    sampling: SamplingWish
    ids: tuple[int, ...]
    guesses: tuple[int, ...]
    first_seconds: float = 0.0
    token_seconds: float = 0.0

    def __post_init__(self) -> None:
        if len(self.guesses) != len(self.ids):
            raise ValueError(f"{len(self.guesses)} guesses for {len(self.ids)} tokens: there must be one for each")

    @property
    def matches(self) -> int:
        """How many guesses are the target's own token."""
        return sum(guess == token for guess, token in zip(self.guesses, self.ids, strict=True))

    def opening(self, device: DeviceProfile) -> Open:
        """What asks for this answer."""
        references = tuple(ImageReference.of(picture) for picture in self.pictures)
        return Open(self.messages, references, self.sampling, device)


class Script:
    """One playing of a recording. `window`: tokens held beyond the committed text."""

    def __init__(self, recording: Recording, window: int) -> None:
        self.conversation = DeviceConversation(window)
        self.unread = 0  # committed tokens that the edge has not been told of
        self._recording = recording

    @property
    def position(self) -> int:
        """The position of the token that would be drafted now."""
        return len(self.conversation.committed) + len(self.conversation.path)

    @property
    def may_draft(self) -> bool:
        """Whether there is room in the window and something left to say."""
        return self.conversation.room > 0 and self.position < len(self._recording.guesses)

    def hear(self, commit: Commit) -> None:
        """Take a commit. Raises OutOfStep."""
        self.conversation.hear(commit)
        self.unread += len(commit.ids)

    def outgoing(self) -> Propose | None:
        """What the edge should hear now. Counts as sent."""
        propose = self.conversation.outgoing()
        self.unread = 0 if propose is not None else self.unread
        return propose

    def draft(self, position: int, version: int) -> None:
        """Put the guess for `position` on the path, unless the path it was begun for is gone."""
        self.conversation.draft(self._recording.guesses[position], version)

    @property
    def exact(self) -> bool:
        """Whether what was committed is what was recorded, to the end."""
        return tuple(self.conversation.committed) == self._recording.ids
