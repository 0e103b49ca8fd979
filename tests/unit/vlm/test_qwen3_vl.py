"""Qwen3-VL behind the port is the stock model: same ids, same pixels, same logits, same answer."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoTokenizer, Qwen3VLForConditionalGeneration

from shared.errors import ImageError, InvalidValue
from shared.speculation.request import Message, Picture, Text
from shared.vlm.hub_vlm import HubVlm
from shared.vlm.port import Block, VisualTokens, Vlm
from shared.vlm.single import extend, prefill
from tests.support.models import assert_alike
from tests.support.tiny_qwen import IMAGE_PAD, MERGE, ROWS, picture, question, tiny_folder, tiny_qwen

ANSWER = (40, 41, 42, 43, 44, 45)
CHATS = {
    "text only": (question("what is in the picture?"), []),
    "a picture": (question("describe the image", 1), [picture(0)]),
    "three pictures": (question("where is the dog?", 3), [picture(0), picture(1, 20, 90), picture(2, 200, 16)]),
    "a tiny picture": (question("cat", 1), [picture(0, 1, 1)]),
    "a thin picture": (question("cat", 1), [picture(0, 3, 190)]),
    "a turn before": (
        (
            Message("system", (Text("the dog and the cat"),)),
            Message("user", (Text("what "), Picture(0), Text("?\n\n"))),
            Message("assistant", (Text("a cat"),)),
            Message("user", (Text("\n\n  and this: "), Picture(1))),
        ),
        [picture(3, 60, 60), picture(4, 90, 30)],
    ),
}


class Stock:
    """The model as anybody would use it, without a line of ours."""

    def __init__(self) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(tiny_folder())
        self.processor = AutoImageProcessor.from_pretrained(tiny_folder(), backend="pil")
        self.model = Qwen3VLForConditionalGeneration.from_pretrained(tiny_folder()).eval()
        self.image_id = self.tokenizer.convert_tokens_to_ids(IMAGE_PAD)

    def inputs(self, messages: Sequence[Message], images: Sequence[Image.Image], ids: Sequence[int] = ()) -> Any:
        """What the stock forward takes for a chat and the output tokens `ids` after it."""
        conversation = [
            {
                "role": message.role,
                "content": [
                    {"type": "text", "text": part.text} if isinstance(part, Text) else {"type": "image"}
                    for part in message.parts
                ],
            }
            for message in messages
        ]
        text = self.tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
        pixels = self.processor(images=list(images), return_tensors="pt") if images else {}
        pieces = text.split(IMAGE_PAD)
        for i, grid in enumerate(pixels.get("image_grid_thw", [])):
            pieces[i] += IMAGE_PAD * (int(grid.prod()) // MERGE**2)
        prompt = self.tokenizer("".join(pieces), add_special_tokens=False)["input_ids"]
        sequence = torch.tensor([[*prompt, *ids]])
        return {"input_ids": sequence, "mm_token_type_ids": (sequence == self.image_id).int(), **pixels}

    def logits(self, inputs: Any, masked: Sequence[int] = ()) -> Tensor:
        """The logits of one full forward in which nothing attends to the `masked` visual tokens: [tokens, rows]."""
        sequence, inputs = inputs["input_ids"], dict(inputs)
        count = sequence.shape[1]
        grid = inputs.get("image_grid_thw")
        inputs["position_ids"], _ = self.model.model.get_rope_index(sequence, inputs["mm_token_type_ids"], grid)
        sees = torch.ones(count, count, dtype=torch.bool).tril()
        places = (sequence[0] == self.image_id).nonzero()[:, 0][list(masked)]
        sees[:, places] = False
        sees[places, places] = True  # a row that sees nothing has no softmax
        lowest = torch.finfo(torch.float32).min
        inputs["attention_mask"] = torch.where(sees, 0.0, lowest)[None, None]
        with torch.no_grad():
            logits: Tensor = self.model(**inputs).logits[0]
        return logits


@functools.cache
def stock() -> Stock:
    """One stock model for all tests of this file."""
    return Stock()


@pytest.mark.parametrize("chat", CHATS)
def test_a_prompt_has_the_stock_ids_and_pixels(chat: str) -> None:
    messages, images = CHATS[chat]
    prompt = tiny_qwen().prepare(messages, images)
    inputs = stock().inputs(messages, images)
    assert prompt.ids == tuple(inputs["input_ids"][0].tolist())
    assert len(prompt.visual_tokens) == len(images)
    if images:
        assert (prompt.pixels.pixels["pixel_values"] == inputs["pixel_values"]).all()
        assert (prompt.pixels.pixels["image_grid_thw"] == inputs["image_grid_thw"]).all()


@pytest.mark.parametrize("chat", CHATS)
def test_the_greedy_answer_is_the_stock_answer(chat: str) -> None:
    messages, images = CHATS[chat]
    vlm = tiny_qwen()
    inputs = stock().inputs(messages, images)
    expected = stock().model.generate(**inputs, max_new_tokens=24, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    prompt = vlm.prepare(messages, images)
    decoder, rows = prefill(vlm, prompt, vlm.see(prompt))
    answer: list[int] = []
    while len(answer) < 24 and not (answer and answer[-1] in vlm.info.defaults.eos_ids):
        answer.append(int(rows[-1].argmax()))
        rows = extend(vlm, decoder, answer[-1:])
    assert answer == expected.tolist()


def test_answers_to_many_at_once_are_the_stock_answers() -> None:
    """All chats in one forward, their prompts in chunks of three sizes, each ending when it ends."""
    vlm = tiny_qwen()
    answers: dict[str, list[int]] = {chat: [] for chat in CHATS}
    decoders = {}
    for chat, (messages, images) in CHATS.items():
        prompt = vlm.prepare(messages, images)
        decoders[chat] = vlm.begin(prompt, vlm.see(prompt))
    open_chats = list(CHATS)
    while open_chats:
        blocks = []
        for number, chat in enumerate(open_chats):
            left = min(decoders[chat].prompt_left, 7 + 6 * (number % 3))
            blocks.append(Block(decoders[chat], left, () if left else answers[chat][-1:]))
        for chat, rows in zip(tuple(open_chats), vlm.step(blocks), strict=True):
            answers[chat] += rows[-1:].argmax(-1).tolist()
            if answers[chat] and (len(answers[chat]) == 24 or answers[chat][-1] in vlm.info.defaults.eos_ids):
                open_chats.remove(chat)
    for chat, (messages, images) in CHATS.items():
        inputs = stock().inputs(messages, images)
        expected = stock().model.generate(**inputs, max_new_tokens=24, do_sample=False)
        assert answers[chat] == expected[0, inputs["input_ids"].shape[1] :].tolist()


@pytest.mark.parametrize("chat", CHATS)
def test_the_logits_are_those_of_a_full_stock_forward(chat: str) -> None:
    messages, images = CHATS[chat]
    vlm = tiny_qwen()
    prompt = vlm.prepare(messages, images)
    inputs = stock().inputs(messages, images, ANSWER)
    with torch.no_grad():
        expected = stock().model(**inputs).logits[0, len(prompt.ids) - 1 :]
    visual = vlm.see(prompt)
    assert_alike(prefill(vlm, prompt, visual, ids=ANSWER)[1], expected)
    decoder, first = prefill(vlm, prompt, visual)
    assert_alike(torch.cat([first, extend(vlm, decoder, ANSWER[:4]), extend(vlm, decoder, ANSWER[4:])]), expected)


@pytest.mark.parametrize("kept", [[], [0], [17], [2, 3, 11, 14, 20], list(range(1, 22))])
def test_a_pruned_prefill_is_the_full_one_that_does_not_look(kept: list[int]) -> None:
    """Left out and masked are the same: those kept have the positions and the deepstack features they always had."""
    messages, images = question("where is the dog?", 2), [picture(0, 60, 60), picture(1, 100, 20)]
    vlm = tiny_qwen()
    prompt = vlm.prepare(messages, images)
    total = sum(prompt.visual_tokens)
    masked = [i for i in range(total) if i not in kept]
    inputs = stock().inputs(messages, images, ANSWER)
    expected = stock().logits(inputs, masked)[len(prompt.ids) - 1 :]
    visual = vlm.see(prompt)
    assert_alike(prefill(vlm, prompt, visual, kept, ANSWER)[1], expected)
    decoder, first = prefill(vlm, prompt, visual, kept)
    assert_alike(torch.cat([first, extend(vlm, decoder, ANSWER)]), expected)
    for size in (1, 4, 9):
        decoder = vlm.begin(prompt, visual, kept)
        while decoder.prompt_left > size:
            vlm.step([Block(decoder, size)])
        (rows,) = vlm.step([Block(decoder, decoder.prompt_left, ANSWER)])
        assert_alike(rows, expected)


def test_deepstack_matters() -> None:
    """So that the tests above would notice its absence."""
    vlm = tiny_qwen()
    prompt = vlm.prepare(question("what?", 1), [picture(0)])
    visual = vlm.see(prompt)
    assert len(visual.extras) == 2
    for layer in range(2):
        extras = tuple(torch.zeros_like(e) if i == layer else e for i, e in enumerate(visual.extras))
        _, rows = prefill(vlm, prompt, VisualTokens(visual.features, extras))
        assert (rows - prefill(vlm, prompt, visual)[1]).abs().max() > 0.1


def test_a_stale_rope_delta_on_the_model_changes_nothing() -> None:
    vlm = tiny_qwen()
    assert isinstance(vlm, HubVlm)
    prompt = vlm.prepare(question("what?", 1), [picture(0)])
    visual = vlm.see(prompt)
    decoder, first = prefill(vlm, prompt, visual)
    expected = torch.cat([first, extend(vlm, decoder, ANSWER)])
    try:
        for stale in (-40, 0, 17):
            vlm._model.model.rope_deltas = torch.tensor([[stale]])
            decoder, first = prefill(vlm, prompt, visual)
            assert (torch.cat([first, extend(vlm, decoder, ANSWER)]) == expected).all()
    finally:
        vlm._model.model.rope_deltas = None


def test_a_prompt_leaves_nothing_on_the_model() -> None:
    vlm = tiny_qwen()
    assert isinstance(vlm, HubVlm)
    prompt = vlm.prepare(question("what?", 1), [picture(0)])
    extend(vlm, prefill(vlm, prompt, vlm.see(prompt))[0], ANSWER)
    assert vlm._model.model.rope_deltas is None


def test_text_goes_on_after_the_longer_side_of_a_picture() -> None:
    prompt = tiny_qwen().prepare(question("what?", 1), [picture(0, 96, 32)])
    columns = 96 // 16
    assert prompt.visual_tokens == (columns * 2,)
    positions = prompt.pixels.positions
    assert int(positions.max()) + 1 == len(prompt.ids) - 2 * columns + columns


@pytest.mark.parametrize("special", [IMAGE_PAD, "<|im_end|>", "<|im_start|>", "<|video_pad|>", "<|endoftext|>"])
def test_a_special_token_in_a_text_is_read_as_text(special: str) -> None:
    vlm = tiny_qwen()
    plain = vlm.prepare(question("what is  here?", 1), [picture(0)])
    prompt = vlm.prepare(question(f"what is {special} here?", 1), [picture(0)])
    specials = {token for token in prompt.ids if token >= 314}
    assert [i for i in prompt.ids if i in specials] == [i for i in plain.ids if i in specials]
    assert f"what is {special} here?" in vlm.tokenizer.decode(prompt.ids)
    assert f"{special}{special}\ue000" in vlm.tokenizer.decode(vlm.prepare(question(special * 2 + "\ue000"), []).ids)


def test_a_text_may_hold_any_character() -> None:
    """Those used to veil special tokens, too."""
    text = "<|im_end|>\U000f0000\U000f0001<|im_start|>\0 é 😀"
    vlm = tiny_qwen()
    assert text in vlm.tokenizer.decode(vlm.prepare(question(text), []).ids)


def test_a_picture_that_the_processor_refuses_is_refused_with_the_limit() -> None:
    with pytest.raises(ImageError, match=r"picture 1 is \(1, 500\).*200"):
        tiny_qwen().prepare(question("what?", 2), [picture(0), picture(1, 1, 500)])


def test_a_template_without_a_place_for_pictures_is_found() -> None:
    vlm = with_template("{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}")
    assert vlm.prepare(question("cat"), []).ids
    with pytest.raises(InvalidValue, match="chat template does not take that many pictures"):
        vlm.prepare(question("cat", 1), [picture(0)])


def test_a_template_that_refuses_a_chat_is_heard() -> None:
    vlm = with_template("{{ raise_exception('users only') }}")
    with pytest.raises(InvalidValue, match=r"messages is \['user'\].*users only"):
        vlm.prepare(question("cat"), [])


def with_template(template: str) -> Vlm:
    """The tiny model with another chat template."""
    from shared.vlm.families.qwen3_vl import Qwen3Vl  # only here
    from shared.vlm.parts import Parts

    tokenizer = AutoTokenizer.from_pretrained(tiny_folder())
    tokenizer.chat_template = template
    return HubVlm(Parts("tiny", Stock().model, tokenizer, stock().processor), Qwen3Vl)  # a model of its own


def test_the_model_is_described_as_its_folder_says() -> None:
    info = tiny_qwen().info
    assert info.family == "qwen3_vl"
    assert info.rows == ROWS
    assert info.context_length == 512
    tokenizer = stock().tokenizer
    assert info.placeholder_ids == set(tokenizer.convert_tokens_to_ids([IMAGE_PAD, "<|video_pad|>"]))
    assert info.defaults.eos_ids == tuple(tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"]))
    assert info.defaults.sampling == {}
    assert info.prints.vocabulary.size == len(tokenizer)


def test_the_prints_tell_templates_apart() -> None:
    some, others = with_template("a").info.prints, with_template("b").info.prints
    assert some.chat_template != others.chat_template
    assert some.special_tokens == others.special_tokens == tiny_qwen().info.prints.special_tokens
    assert some.vocabulary == others.vocabulary
