"""A model behind the port is the stock model: same ids, same pixels, same logits, same answer, for every family."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from PIL import Image

from shared.speculation.request import Message, Picture, Text
from shared.vlm.port import Block, Prompt, VisualTokens, Vlm
from shared.vlm.single import extend, prefill
from tests.support.models import FAMILIES, assert_alike, model_called, seen
from tests.support.stock import Stock, stock
from tests.support.tiny_families import folder_of
from tests.support.tiny_qwen import picture, question

ANSWER = (40, 41, 42, 43, 44, 45)
LENGTH = 24  # tokens of a greedy answer
Chat = tuple[tuple[Message, ...], list[Image.Image]]
CHATS: dict[str, Chat] = {
    "text only": (question("what is in the picture?"), []),
    "a picture": (question("describe the image", 1), [picture(0)]),
    "three pictures": (question("where is the dog?", 3), [picture(0), picture(1, 20, 90), picture(2, 200, 16)]),
    "a tiny picture": (question("cat", 1), [picture(0, 2, 2)]),
    "a wide picture": (question("cat", 1), [picture(0, 190, 9)]),
    "a high picture": (question("\n\ncat", 1), [picture(0, 13, 170)]),
    "a turn before": (
        (
            Message("system", (Text("the dog and the cat"),)),
            Message("user", (Text("what "), Picture(0), Text("?\n\n"))),
            Message("assistant", (Text("a cat"),)),
            Message("user", (Text("\n\n  and this: "), Picture(1))),
        ),
        [picture(3, 60, 60), picture(4, 90, 30)],
    ),
    "a picture twice": (
        (Message("user", (Picture(1), Text("\n"), Picture(0), Text("and"), Picture(1), Text("?"))),),
        [picture(5, 40, 80), picture(6, 64, 64)],
    ),
}


def both(family: str) -> tuple[Vlm, Stock]:
    """The model behind the port and the stock one beside it."""
    return model_called(family), stock(str(folder_of(family)) if family in FAMILIES else family)


@pytest.mark.parametrize("chat", CHATS)
def test_a_prompt_has_the_stock_ids_and_pixels(family: str, chat: str) -> None:
    messages, images = CHATS[chat]
    vlm, oracle = both(family)
    prompt = vlm.prepare(messages, images)
    inputs = oracle.inputs(messages, images)
    assert prompt.ids == tuple(inputs["input_ids"][0].tolist())
    assert sum(prompt.visual_tokens) == prompt.ids.count(oracle.image_id)
    for name, pixels in prompt.pixels.pixels.items():
        assert (pixels.flatten() == inputs[name].flatten()).all()


@pytest.mark.parametrize("chat", CHATS)
def test_the_greedy_answer_is_the_stock_answer(family: str, chat: str) -> None:
    messages, images = CHATS[chat]
    vlm, oracle = both(family)
    expected = oracle.answer(oracle.inputs(messages, images), LENGTH)
    prompt = vlm.prepare(messages, images)
    decoder, rows = prefill(vlm, prompt, vlm.see(prompt))
    answer: list[int] = []
    while len(answer) < LENGTH and not (answer and answer[-1] in vlm.info.defaults.eos_ids):
        answer.append(int(rows[-1].argmax()))
        rows = extend(vlm, decoder, answer[-1:])
    assert answer == expected


def test_answers_to_many_at_once_are_the_stock_answers(family: str) -> None:
    """All chats in one forward, their prompts in chunks of several sizes, each ending when it ends."""
    vlm, oracle = both(family)
    answers: dict[str, list[int]] = {chat: [] for chat in CHATS}
    decoders = {}
    for chat, (messages, images) in CHATS.items():
        prompt = vlm.prepare(messages, images)
        decoders[chat] = vlm.begin(prompt, vlm.see(prompt))
    open_chats = list(CHATS)
    while open_chats:
        blocks = []
        for number, chat in enumerate(open_chats):
            decoder = decoders[chat]
            prompt_tokens = min(decoder.prompt_left, 7 + 5 * number)
            blocks.append(Block(decoder, prompt_tokens, () if prompt_tokens else answers[chat][-1:]))
        for chat, rows in zip(list(open_chats), vlm.step(blocks), strict=True):
            if len(rows):
                answers[chat].append(int(rows[-1].argmax()))
                if len(answers[chat]) == LENGTH or answers[chat][-1] in vlm.info.defaults.eos_ids:
                    open_chats.remove(chat)
    for chat, (messages, images) in CHATS.items():
        assert answers[chat] == oracle.answer(oracle.inputs(messages, images), LENGTH)


@pytest.mark.parametrize("chat", CHATS)
def test_every_row_of_logits_is_the_stock_row(family: str, chat: str) -> None:
    messages, images = CHATS[chat]
    vlm, oracle = both(family)
    prompt = vlm.prepare(messages, images)
    expected = oracle.logits(oracle.inputs(messages, images, ANSWER))[len(prompt.ids) - 1 :]
    assert_alike(prefill(vlm, prompt, vlm.see(prompt), ids=ANSWER)[1], expected)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.9])
def test_a_pruned_prefill_is_the_full_one_that_does_not_look(family: str, share: float) -> None:
    """Left out and masked are the same: those kept stand, and count in windows, where they always did."""
    messages, images = question("where is the dog?", 2), [picture(0, 60, 60), picture(1, 100, 20)]
    vlm, oracle = both(family)
    prompt = vlm.prepare(messages, images)
    total = sum(prompt.visual_tokens)
    order = torch.randperm(total, generator=torch.Generator().manual_seed(3)).tolist()
    kept = sorted(order[: round(share * total)])
    masked = [i for i in range(total) if i not in kept]
    expected = oracle.logits(oracle.inputs(messages, images, ANSWER), masked)[len(prompt.ids) - 1 :]
    visual = vlm.see(prompt)
    assert_alike(prefill(vlm, prompt, visual, kept, ANSWER)[1], expected)
    decoder, first = prefill(vlm, prompt, visual, kept)
    assert_alike(torch.cat([first, extend(vlm, decoder, ANSWER)]), expected)
    single, first = prefill(vlm, prompt, visual, kept)
    assert_alike(torch.cat([first, *(extend(vlm, single, [token]) for token in ANSWER)]), expected)
    for size in (1, 4, 9):
        assert_alike(_in_chunks(vlm, prompt, visual, kept, size), expected)


def _in_chunks(vlm: Vlm, prompt: Prompt, visual: VisualTokens, kept: Sequence[int] | None, size: int) -> torch.Tensor:
    decoder = vlm.begin(prompt, visual, kept)
    while decoder.prompt_left > size:
        vlm.step([Block(decoder, size)])
    (rows,) = vlm.step([Block(decoder, decoder.prompt_left, ANSWER)])
    return rows


def test_a_picture_among_others_is_seen_and_not_only_counted(family: str) -> None:
    """So that the tests above would notice features in a wrong order."""
    vlm, _ = both(family)
    pictures = [picture(0, 60, 60), picture(1, 60, 60)]
    prompt, visual = seen(vlm, pictures)
    _, rows = prefill(vlm, prompt, visual)
    swapped = vlm.see(vlm.prepare(question("what is in the picture?", 2), pictures[::-1]))
    assert (prefill(vlm, prompt, swapped)[1] - rows).abs().max() > 0.1
