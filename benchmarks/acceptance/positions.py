"""Answers of the target, sampled, and beside each token the laws of both models after what precedes it."""

from __future__ import annotations

from benchmarks.acceptance.laws import Chances4, chances
from benchmarks.held_out import KINDS_IN_TURN, held_out
from device_client.draft.drafter import Drafter
from shared.speculation.coupled import Chooser
from shared.speculation.ending import Ending
from shared.speculation.request import SamplingWish, resolve
from shared.vlm.port import Vlm
from shared.vlm.single import extend, prefill


def positions(target: Vlm, draft: Vlm, number: int, temperature: float, most: int) -> list[Chances4]:
    """Those of one answer of at most `most` tokens. The draft is taught the target's own text."""
    wish = SamplingWish(temperature=temperature, seed=number, max_tokens=most)
    question = held_out(number, KINDS_IN_TURN[number % len(KINDS_IN_TURN)], wish)
    prompt = target.prepare(question.messages, question.images)
    parameters = resolve(wish, target.info.defaults, target.info.context_length - len(prompt.ids), seed=number)
    chooser, ending = Chooser(parameters, prompt.ids), Ending(parameters, target.tokenizer.decode)
    drafter = Drafter(draft, question.messages, question.images)
    drafter.follow(parameters, draft.info.rows, draft.info.placeholder_ids)
    decoder, rows = prefill(target, prompt, target.see(prompt))
    text: list[int] = []
    found: list[Chances4] = []
    while True:
        law = chooser.law(rows[-1], text)
        found.append(chances(law, drafter.law(text), max(target.info.rows, draft.info.rows)))
        text.append(chooser.choose(rows[-1], text))
        if ending.push(text[-1]) is not None:
            return found
        rows = extend(target, decoder, text[-1:])
