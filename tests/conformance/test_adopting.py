"""A decoder that adopts the beginning that another holds goes on as one that has taken it itself."""

from __future__ import annotations

import functools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from shared.vlm.port import Block, Decoder, Prompt, VisualTokens, Vlm
from shared.vlm.single import extend, prefill
from tests.support.chats import alike, known, turns
from tests.support.models import ANSWER, assert_alike, model_called, seen
from tests.support.tiny_qwen import picture

SAID = "a cat in the picture"


def rest(vlm: Vlm, decoder: Decoder) -> Tensor:
    """The rows of what is left of the prompt, and of ANSWER behind it."""
    (rows,) = vlm.step([Block(decoder, decoder.prompt_left, ANSWER)])
    return rows


def two_turns(vlm: Vlm, images: list[Image.Image]) -> tuple[Decoder, tuple[Prompt, VisualTokens], int]:
    """A decoder that has answered a first turn, the prompt of the second, and how much of that it holds."""
    first = known(vlm, turns("what is in the picture?", pictures=[len(images)]), images)
    answer = vlm.tokenizer.text_ids(SAID)
    giver, _ = prefill(vlm, *first, ids=answer)
    second = known(vlm, turns("what is in the picture?", SAID, "where is the dog?", pictures=[len(images)]), images)
    return giver, second, alike(vlm, first[0], answer, second[0])


def test_the_next_turn_of_a_chat_takes_but_what_is_new_of_it(vlm: Vlm, images: list[Image.Image]) -> None:
    giver, second, shared = two_turns(vlm, images)
    _, expected = prefill(vlm, *second, ids=ANSWER)
    decoder = vlm.begin(*second)
    whole = decoder.prompt_left
    assert decoder.common(giver) == shared > len(vlm.tokenizer.text_ids(SAID)) + sum(second[0].visual_tokens)
    assert decoder.adopt(giver) == shared
    assert decoder.prompt_left == whole - shared
    assert_alike(rest(vlm, decoder), expected)


def test_whoever_gave_stays_as_it_was_and_neither_sees_the_other(vlm: Vlm, images: list[Image.Image]) -> None:
    giver, second, _ = two_turns(vlm, images)
    other, _, _ = two_turns(vlm, images)
    begun = giver.length
    _, expected = prefill(vlm, *second, ids=ANSWER)
    some, others = vlm.begin(*second), vlm.begin(*second)
    some.adopt(giver)
    others.adopt(giver)
    vlm.step([Block(some, 1)])
    assert (giver.prompt_left, giver.length) == (0, begun)
    assert_alike(extend(vlm, giver, ANSWER), extend(vlm, other, ANSWER))
    for each in (giver, other):
        each.truncate(1)
    assert_alike(extend(vlm, giver, (70, 71, 72)), extend(vlm, other, (70, 71, 72)))
    giver.truncate(0)
    extend(vlm, giver, (80,))
    for each in (some, others):
        assert_alike(rest(vlm, each), expected)


def test_what_was_forgotten_is_not_given(vlm: Vlm, images: list[Image.Image]) -> None:
    first = known(vlm, turns("what is in the picture?", pictures=[len(images)]), images)
    second = known(vlm, turns("what is in the picture?", SAID, "where is the dog?", pictures=[len(images)]), images)
    answer = vlm.tokenizer.text_ids(SAID)
    giver, _ = prefill(vlm, *first, ids=(*answer[:2], 70, 71, 72))
    giver.truncate(2)
    assert vlm.begin(*second).common(giver) == alike(vlm, first[0], answer[:2], second[0])
    extend(vlm, giver, answer[2:])
    decoder = vlm.begin(*second)
    assert decoder.adopt(giver) == alike(vlm, first[0], answer, second[0])
    assert_alike(rest(vlm, decoder), prefill(vlm, *second, ids=ANSWER)[1])


@pytest.mark.parametrize(("given", "kept"), [(None, [0, 1]), ([0, 1], None), ([0, 1], [0, 2]), ([0, 1, 2], [0, 1])])
def test_a_picture_of_which_other_tokens_are_kept_is_another_where_its_tokens_see_each_other(
    vlm: Vlm, given: list[int] | None, kept: list[int] | None
) -> None:
    prompt, visual = known(vlm, turns("where is the dog?", pictures=[1]), [picture(0)])
    giver, _ = prefill(vlm, prompt, visual, given, ANSWER)
    decoder = vlm.begin(prompt, visual, kept)
    decoder.adopt(giver)
    assert_alike(rest(vlm, decoder), prefill(vlm, prompt, visual, kept, ANSWER)[1])


def test_the_last_token_of_a_prompt_is_taken_all_the_same(vlm: Vlm, images: list[Image.Image]) -> None:
    prompt, visual = known(vlm, turns("where is the dog?", pictures=[len(images)]), images)
    giver, expected = prefill(vlm, prompt, visual, ids=ANSWER)
    again = vlm.begin(prompt, visual)
    assert again.common(giver) == again.adopt(giver) + 1 == len(prompt.ids)
    assert_alike(rest(vlm, again), expected)


def test_other_pictures_in_the_same_place_are_not_the_same(vlm: Vlm) -> None:
    asked = turns("what is in the picture?", pictures=[2])
    given = known(vlm, asked, [picture(0), picture(1)])
    giver, _ = prefill(vlm, *given, ids=ANSWER)
    for images in ([picture(2), picture(1)], [picture(0), picture(2)], [picture(1), picture(0)]):
        prompt, visual = known(vlm, asked, images)
        decoder = vlm.begin(prompt, visual)
        assert decoder.adopt(giver) <= alike(vlm, given[0], ANSWER, prompt)
        assert_alike(rest(vlm, decoder), prefill(vlm, prompt, visual, ids=ANSWER)[1])


def test_pictures_that_nobody_knows_by_content_are_like_themselves_alone(vlm: Vlm) -> None:
    prompt, visual = seen(vlm, [picture(0)])
    giver, _ = prefill(vlm, prompt, visual, ids=ANSWER)
    decoder = vlm.begin(prompt, visual)
    assert decoder.common(giver) == len(prompt.ids)
    assert vlm.begin(prompt, vlm.see(prompt)).common(giver) < len(prompt.ids) - sum(prompt.visual_tokens)


def test_mixed_tokens_are_the_same_if_they_are_mixed_alike(vlm: Vlm) -> None:
    prompt, visual = known(vlm, turns("where?", pictures=[1]), [picture(0)])
    mixing = torch.full((1, len(visual.features)), 1 / len(visual.features))
    giver, _ = prefill(vlm, prompt, visual.mixed([1], mixing), [1, 2], ANSWER)
    assert vlm.begin(prompt, visual.mixed([1], mixing), [1, 2]).common(giver) == giver.length - len(ANSWER) + (
        len(prompt.ids) - len(visual.features) + 2
    )
    for visual_tokens in (visual, visual.mixed([2], mixing), visual.mixed([1], mixing / 2)):
        decoder = vlm.begin(prompt, visual_tokens, [1, 2])
        assert decoder.adopt(giver) < len(prompt.ids) - len(visual.features)
        assert_alike(rest(vlm, decoder), prefill(vlm, prompt, visual_tokens, [1, 2], ANSWER)[1])


def test_whoever_has_taken_something_adopts_nothing(vlm: Vlm) -> None:
    prompt, visual = seen(vlm, [])
    giver, _ = prefill(vlm, prompt, visual)
    decoder = vlm.begin(prompt, visual)
    vlm.step([Block(decoder, 1)])
    with pytest.raises(ValueError, match="adopts none"):
        decoder.adopt(giver)


def test_what_a_decoder_keeps_from_others_grows_with_it(vlm: Vlm) -> None:
    prompt, visual = seen(vlm, [picture(0)])
    decoder = vlm.begin(prompt, visual)
    before = decoder.nbytes
    vlm.step([Block(decoder, decoder.prompt_left)])
    held = decoder.nbytes
    assert held > before
    extend(vlm, decoder, ANSWER * 20)
    assert decoder.nbytes > held


@functools.cache
def chats(name: str) -> tuple[Vlm, list[tuple[Prompt, VisualTokens]]]:
    """Prompts that begin alike, some with more words, some with other or more pictures."""
    vlm = model_called(name)
    one, other = picture(0), picture(1)
    said = [
        (turns("a cat"), []),
        (turns("a cat", "the dog", "a cat"), []),
        (turns("a cat", pictures=[1]), [one]),
        (turns("a cat", "the dog", "where?", pictures=[1]), [one]),
        (turns("a cat", "the dog", "where?", pictures=[1]), [other]),
        (turns("a cat", "the dog", "where?", pictures=[1, 1]), [one, other]),
        (turns("a cat", pictures=[2]), [one, other]),
        (turns("a cat", pictures=[2]), [one, one.copy()]),
    ]
    return vlm, [known(vlm, messages, images) for messages, images in said]


@settings(derandomize=True, deadline=None, max_examples=10)
@given(data=st.data())
def test_whatever_is_adopted_of_whoever_the_rows_are_those_of_a_fresh_one(model: str, data: st.DataObject) -> None:
    vlm, prompts = chats(model)
    numbers = st.integers(0, len(prompts) - 1)
    given, taken = (prompts[data.draw(numbers, name)] for name in ("giver", "taker"))

    def drawn(prompt: Prompt) -> list[int] | None:
        every = range(sum(prompt.visual_tokens))
        return data.draw(st.sampled_from([None, list(every[::2]), list(every[1:]), list(every[:5])]), "kept")

    giver = vlm.begin(*given, drawn(given[0]))
    first = data.draw(st.integers(1, 60), "taken")
    vlm.step([Block(giver, min(first, giver.prompt_left))])
    if not giver.prompt_left:
        extend(vlm, giver, ANSWER[: data.draw(st.integers(1, 5))])
    kept = drawn(taken[0])
    decoder, whole = vlm.begin(*taken, kept), vlm.begin(*taken, kept).prompt_left
    count = decoder.adopt(giver)
    assert 0 <= count < whole
    assert decoder.prompt_left == whole - count
    piece = min(data.draw(st.integers(1, 40), "piece"), decoder.prompt_left - 1)
    blocks = [Block(decoder, piece)] if piece else []
    vlm.step([*blocks, Block(giver, 1) if giver.prompt_left else Block(giver, ids=(90,))])
    assert_alike(rest(vlm, decoder), prefill(vlm, *taken, kept, ANSWER)[1])
