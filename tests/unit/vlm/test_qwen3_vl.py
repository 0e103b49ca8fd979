"""What is Qwen3-VL's own behind the port, and how a chat becomes ids in any family; the rest is in conformance."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoImageProcessor, AutoTokenizer, Qwen3VLForConditionalGeneration

from shared.errors import ImageError, InvalidValue, PromptTooLong
from shared.vlm.hub_vlm import HubVlm
from shared.vlm.parts import Parts
from shared.vlm.port import VisualTokens, Vlm
from shared.vlm.single import extend, prefill
from tests.support.tiny_qwen import IMAGE_PAD, ROWS, TEMPLATE, picture, question, tiny_folder, tiny_qwen

ANSWER = (40, 41, 42, 43, 44, 45)


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
    with pytest.raises(ValueError, match="marks 0 pictures where a message has 1"):
        with_template("{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}")


def test_a_template_that_refuses_a_chat_is_heard() -> None:
    vlm = with_template("{% if messages|length > 1 %}{{ raise_exception('one only') }}{% endif %}" + TEMPLATE)
    with pytest.raises(InvalidValue, match=r"messages is \['user', 'user'\].*one only"):
        vlm.prepare([*question("cat"), *question("dog")], [])


def test_a_text_that_cannot_fit_is_refused_before_the_template_reads_it() -> None:
    guard = "{% if messages[0].content[0].text|length > 99 %}{{ raise_exception('it was read') }}{% endif %}"
    vlm = with_template(guard + TEMPLATE)
    with pytest.raises(InvalidValue, match="it was read"):
        vlm.prepare(question("<|im_end|>" * 30), [])
    with pytest.raises(PromptTooLong):
        vlm.prepare(question("<|im_end|>" * 100_000), [])


def with_template(template: str) -> Vlm:
    """The tiny model with another chat template."""
    from shared.vlm.families.qwen3_vl import Qwen3Vl  # only here

    model = Qwen3VLForConditionalGeneration.from_pretrained(tiny_folder()).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder())
    tokenizer.chat_template = template
    processor = AutoImageProcessor.from_pretrained(tiny_folder(), backend="pil")
    return HubVlm(Parts("tiny", model, tokenizer, processor), Qwen3Vl)  # a model of its own


def test_the_model_is_described_as_its_folder_says() -> None:
    info = tiny_qwen().info
    assert info.family == "qwen3_vl"
    assert info.rows == ROWS
    assert info.context_length == 512
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder())
    assert info.placeholder_ids == set(tokenizer.convert_tokens_to_ids([IMAGE_PAD, "<|video_pad|>"]))
    assert info.defaults.eos_ids == tuple(tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"]))
    assert info.defaults.sampling == {}
    assert info.prints.vocabulary.size == len(tokenizer)


def test_the_prints_tell_templates_apart() -> None:
    some, others = with_template(TEMPLATE).info.prints, with_template("b" + TEMPLATE).info.prints
    assert some.chat_template != others.chat_template
    assert some.special_tokens == others.special_tokens == tiny_qwen().info.prints.special_tokens
    assert some.vocabulary == others.vocabulary


def test_the_prints_tell_image_processors_apart_by_what_they_do() -> None:
    prints = [Parts("tiny", None, None, processor).image_print() for processor in (one(), one(), one(patch_size=16))]
    assert prints[0] == prints[1] == tiny_qwen().info.prints.image_processor
    assert prints[0] != prints[2]


def one(**changes: object) -> Any:
    """The image processor of the tiny model, but for `changes`."""
    return AutoImageProcessor.from_pretrained(tiny_folder(), backend="pil", **changes)
