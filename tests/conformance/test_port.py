"""The laws of the port, for every model behind it."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from shared.errors import InvalidValue, PromptTooLong
from shared.speculation.request import Message, Picture, Text
from shared.vlm.port import Vlm
from shared.vlm.single import extend, prefill
from tests.support.models import ANSWER, TOLERANCE, assert_alike, seen
from tests.support.tiny_qwen import picture, question


def test_a_block_is_one_by_one_is_the_whole(vlm: Vlm, images: list[Image.Image]) -> None:
    prompt, visual = seen(vlm, images)
    _, whole = prefill(vlm, prompt, visual, ids=ANSWER)
    assert whole.shape == (1 + len(ANSWER), vlm.info.rows)
    block, first = prefill(vlm, prompt, visual)
    assert_alike(torch.cat([first, extend(vlm, block, ANSWER)]), whole)
    single, first = prefill(vlm, prompt, visual)
    assert_alike(torch.cat([first, *(extend(vlm, single, [token]) for token in ANSWER)]), whole)
    assert single.length == block.length == len(ANSWER)


def test_a_prefill_with_output_goes_on_as_if_it_had_been_extended(vlm: Vlm, images: list[Image.Image]) -> None:
    prompt, visual = seen(vlm, images)
    _, whole = prefill(vlm, prompt, visual, ids=ANSWER)
    for cut in (1, 4, len(ANSWER) - 1):
        decoder, rows = prefill(vlm, prompt, visual, ids=ANSWER[:cut])
        assert decoder.length == cut
        assert_alike(torch.cat([rows, extend(vlm, decoder, ANSWER[cut:])]), whole)


def test_truncation_leaves_no_trace(vlm: Vlm, images: list[Image.Image]) -> None:
    prompt, visual = seen(vlm, images)
    fresh, _ = prefill(vlm, prompt, visual)
    expected = extend(vlm, fresh, ANSWER)
    decoder, _ = prefill(vlm, prompt, visual, ids=(60, 61, 62))
    for detour in [(70, 71, 72, 73, 74, 75, 76), (80,), ()]:
        decoder.truncate(0)
        if detour:
            extend(vlm, decoder, detour)
    decoder.truncate(0)
    assert decoder.length == 0
    rows = extend(vlm, decoder, ANSWER[:6])
    decoder.truncate(4)
    assert_alike(torch.cat([rows[:4], extend(vlm, decoder, ANSWER[4:])]), expected)
    decoder.truncate(decoder.length)
    assert decoder.length == len(ANSWER)


def test_decoders_of_one_model_do_not_see_each_other(vlm: Vlm) -> None:
    some, others = seen(vlm, [picture(0)]), seen(vlm, [picture(1, 90, 20), picture(2)], "where is the dog?")
    alone, _ = prefill(vlm, *some)
    expected = extend(vlm, alone, ANSWER)
    one, _ = prefill(vlm, *some)
    rows = [extend(vlm, one, ANSWER[:3])]
    two, _ = prefill(vlm, *others)
    three, _ = prefill(vlm, *some)
    extend(vlm, two, (90, 91))
    extend(vlm, three, (92,))
    rows.append(extend(vlm, one, ANSWER[3:5]))
    two.truncate(0)
    rows.append(extend(vlm, one, ANSWER[5:]))
    assert_alike(torch.cat(rows), expected)


def test_to_keep_all_is_to_say_nothing(vlm: Vlm, images: list[Image.Image]) -> None:
    prompt, visual = seen(vlm, images)
    decoder, rows = prefill(vlm, prompt, visual, ids=ANSWER)
    other, others = prefill(vlm, prompt, visual, kept=range(sum(prompt.visual_tokens)), ids=ANSWER)
    assert (rows == others).all()
    assert (extend(vlm, decoder, ANSWER) == extend(vlm, other, ANSWER)).all()


@pytest.mark.parametrize("kept", [[], [0], [1, 4, 5]])
def test_a_pruned_prompt_obeys_the_same_laws(vlm: Vlm, kept: list[int]) -> None:
    prompt, visual = seen(vlm, [picture(0), picture(1)])
    _, whole = prefill(vlm, prompt, visual, kept, ANSWER)
    decoder, first = prefill(vlm, prompt, visual, kept)
    extend(vlm, decoder, (70, 71))
    decoder.truncate(0)
    assert_alike(torch.cat([first, extend(vlm, decoder, ANSWER[:4]), extend(vlm, decoder, ANSWER[4:])]), whole)
    _, unpruned = prefill(vlm, prompt, visual, ids=ANSWER)
    assert (whole - unpruned).abs().max() > 0.1


def test_pictures_change_the_answer(vlm: Vlm) -> None:
    _, some = prefill(vlm, *seen(vlm, [picture(0)]))
    _, others = prefill(vlm, *seen(vlm, [picture(1)]))
    assert (some - others).abs().max() > 0.1


def test_the_text_changes_the_answer(vlm: Vlm) -> None:
    _, some = prefill(vlm, *seen(vlm, [], "a cat"))
    _, others = prefill(vlm, *seen(vlm, [], "the dog"))
    assert (some - others).abs().max() > 0.1


@pytest.mark.parametrize("changed", [0, 3, 7])
def test_every_token_before_counts(vlm: Vlm, changed: int) -> None:
    """Those after it change, those before it do not."""
    prompt, visual = seen(vlm, [])
    other = [token + 50 * (i == changed) for i, token in enumerate(ANSWER)]
    _, rows = prefill(vlm, prompt, visual, ids=ANSWER)
    _, others = prefill(vlm, prompt, visual, ids=other)
    difference = (rows - others).abs().max(-1).values
    assert (difference[: changed + 1] <= TOLERANCE).all()
    assert (difference[changed + 1 :] > 0.01).all()


def test_logits_belong_to_the_caller(vlm: Vlm) -> None:
    """They are float32 and may be written to, and what is written stays out of the model."""
    prompt, visual = seen(vlm, [picture(0)])
    decoder, first = prefill(vlm, prompt, visual)
    rows = extend(vlm, decoder, ANSWER)
    assert first.dtype == rows.dtype == torch.float32
    expected = rows.clone()
    first[:] = 0
    rows[:] = 0
    visual.features.add_(0)
    decoder.truncate(0)
    assert_alike(extend(vlm, decoder, ANSWER), expected)


def test_features_have_one_row_for_each_placeholder(vlm: Vlm, images: list[Image.Image]) -> None:
    prompt, visual = seen(vlm, images)
    assert len(prompt.visual_tokens) == len(images)
    assert len(visual.features) == sum(prompt.visual_tokens)
    assert sum(token in vlm.info.placeholder_ids for token in prompt.ids) == sum(prompt.visual_tokens)


def test_pictures_count_in_the_order_of_their_places(vlm: Vlm) -> None:
    wide, high = picture(0, 120, 33), picture(1, 40, 40)
    messages = (Message("user", (Picture(1), Text("a"), Picture(0))),)
    crossed = vlm.prepare(messages, [high, wide])
    straight = vlm.prepare((Message("user", (Picture(0), Text("a"), Picture(1))),), [wide, high])
    assert crossed.ids == straight.ids
    assert crossed.visual_tokens == straight.visual_tokens
    assert (vlm.see(crossed).features == vlm.see(straight).features).all()


def test_a_picture_may_stand_in_any_message_and_more_than_once(vlm: Vlm) -> None:
    messages = (
        Message("system", (Text("a cat"),)),
        Message("user", (Text("the"), Picture(0))),
        Message("assistant", (Text("dog"),)),
        Message("user", (Picture(0), Text("where"), Picture(1))),
    )
    prompt = vlm.prepare(messages, [picture(0), picture(1, 20, 20)])
    visual = vlm.see(prompt)
    count = prompt.visual_tokens[0]
    assert prompt.visual_tokens[1] == count
    assert (visual.features[:count] - visual.features[count : 2 * count]).abs().max() <= TOLERANCE
    decoder, first = prefill(vlm, prompt, visual)
    _, whole = prefill(vlm, prompt, visual, ids=ANSWER)
    assert_alike(torch.cat([first, extend(vlm, decoder, ANSWER)]), whole)


def test_a_decoder_refuses_an_empty_block_and_a_length_it_does_not_have(vlm: Vlm) -> None:
    decoder, _ = prefill(vlm, *seen(vlm, []), ids=ANSWER[:2])
    with pytest.raises(ValueError, match="at least one"):
        extend(vlm, decoder, [])
    for length in (-1, 3):
        with pytest.raises(ValueError, match="cannot truncate"):
            decoder.truncate(length)


@pytest.mark.parametrize(
    ("messages", "count", "sentence"),
    [
        ((), 0, "at least one message"),
        ((Message("robot", (Text("a"),)),), 0, "must be one of system, user, assistant"),
        ((Message("user", (Picture(1),)),), 1, "there are 1 images"),
        ((Message("user", (Picture(-1),)),), 1, "there are 1 images"),
        ((Message("user", (Text("a"),)),), 1, "no message has a place"),
    ],
)
def test_a_chat_that_makes_no_sense_is_refused(
    vlm: Vlm, messages: tuple[Message, ...], count: int, sentence: str
) -> None:
    with pytest.raises(InvalidValue, match=sentence):
        vlm.prepare(messages, [picture(i) for i in range(count)])


def test_a_prompt_that_leaves_no_room_is_refused_with_the_numbers(vlm: Vlm) -> None:
    context = vlm.info.context_length
    with pytest.raises(PromptTooLong, match=rf"prompt is \d+: .* of pictures.* {context} tokens"):
        vlm.prepare(question("cat " * context, 1), [picture(0)])


def test_specials_are_left_out_of_the_text_and_a_broken_character_is_marked(vlm: Vlm) -> None:
    specials = [*vlm.info.placeholder_ids, *vlm.info.defaults.eos_ids]
    assert vlm.tokenizer.decode(specials) == ""
    assert vlm.tokenizer.decode([]) == ""
    texts = [vlm.tokenizer.decode([token]) for token in range(vlm.info.rows)]
    assert "\N{REPLACEMENT CHARACTER}" in texts
    assert vlm.tokenizer.decode([*ANSWER, *specials]) == vlm.tokenizer.decode(ANSWER) != ""


def test_the_answer_ends_by_ids_that_the_model_can_emit(vlm: Vlm) -> None:
    assert vlm.info.defaults.eos_ids
    assert all(0 <= token < vlm.info.rows for token in vlm.info.defaults.eos_ids)
    assert not vlm.info.placeholder_ids & set(vlm.info.defaults.eos_ids)
    assert vlm.info.prints.vocabulary.size <= vlm.info.rows


def test_every_visual_token_has_a_place(vlm: Vlm, images: list[Image.Image]) -> None:
    prompt, _ = seen(vlm, images)
    places = vlm.places(prompt)
    counts = places.pictures.bincount(minlength=len(images)).tolist()
    assert tuple(counts) == prompt.visual_tokens
    assert places.pictures.tolist() == sorted(places.pictures.tolist())
    assert places.boxes.shape == (sum(counts), 4)
    left, top, right, bottom = places.boxes.unbind(-1)
    assert ((left >= 0) & (left <= right) & (right <= 1) & (top >= 0) & (top <= bottom) & (bottom <= 1)).all()


def test_what_a_visual_token_stands_for_is_where_its_place_is(vlm: Vlm) -> None:
    """Where a picture is changed, the tokens of that place change more than the others."""
    plain = Image.new("RGB", (128, 64), "white")
    for column, row in ((0, 0), (1, 0), (0, 1), (1, 1)):
        marked = plain.copy()
        marked.paste(picture(3, 64, 32), (64 * column, 32 * row))
        prompt, visual = seen(vlm, [marked])
        change = (visual.features - seen(vlm, [plain])[1].features).norm(dim=-1)
        box = vlm.places(prompt).boxes
        middle = (box[:, :2] + box[:, 2:]) / 2
        inside = (middle[:, 0] // 0.5 == column) & (middle[:, 1] // 0.5 == row)
        assert inside.any()
        assert change[inside].mean() > change[~inside].mean()


def test_text_is_embedded_as_it_enters_the_model(vlm: Vlm) -> None:
    some = vlm.embed(ANSWER)
    _, visual = seen(vlm, [picture(0)])
    assert some.shape == (len(ANSWER), visual.features.shape[1])
    assert some.dtype == visual.features.dtype
    assert (vlm.embed(ANSWER[::-1]).flip(0) == some).all()
    assert torch.cdist(some, some).fill_diagonal_(1).min() > 0.01
    some[:] = 0  # it is the caller's
    assert (vlm.embed(ANSWER) != 0).any()
