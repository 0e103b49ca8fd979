"""What is dear to the person who asks: the prices by which `marginal` weighs what a token brings."""

from __future__ import annotations

from dataclasses import dataclass

from device_client.draft.policy import WORDS_A_STEP


@dataclass(frozen=True, slots=True)
class Prices:
    """`device`: seconds of answer that a second of drafting must bring. `wasted`: what a proposal costs that does not
    stand, in beats. `word`: seconds that a message costs the edge; `words`: most messages in a step.
    """

    device: float = 0.0
    wasted: float = 0.0
    word: float = 0.0005
    words: int = WORDS_A_STEP


PRICES = {
    "speed": Prices(),
    "battery": Prices(device=0.5),
    "data": Prices(wasted=0.05, word=0.005, words=2),
    "cost": Prices(wasted=1.0),
}
