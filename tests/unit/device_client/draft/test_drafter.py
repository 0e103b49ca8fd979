"""The drafter says what a full computation of the same text would, however the text came about."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from device_client.draft.drafter import Drafter
from device_client.draft.drawing import Drawing
from device_client.prune.wish import Choice
from device_client.reduce import Reducer
from shared.errors import PromptTooLong
from shared.shares import Count, Ratio
from shared.speculation.attended import Attended
from shared.speculation.coupled import Chooser
from shared.speculation.messages import Evidence, Judging, Rule
from shared.speculation.prints import CommonIds
from shared.speculation.request import Message, SamplingParameters, Text
from shared.vlm.attending import told
from shared.vlm.single import extend, prefill
from shared.vlm.toy import ToyVlm
from shared.vlm.toy_vocabulary import IMAGE
from tests.support.tiny_qwen import picture, question

MESSAGES = (Message("user", (Text("what is it?"),)),)
DRAFT = ToyVlm("draft", seed=1, agreement=0.8)
WARM = SamplingParameters(max_tokens=100, seed=3, temperature=1.0, repetition_penalty=1.2)

EDITS = st.lists(st.tuples(st.integers(0, 12), st.lists(st.integers(0, 255), max_size=5)), max_size=10)


def drafter(parameters: SamplingParameters = WARM, common_ids: int = 256) -> Drafter:
    made = Drafter(DRAFT, MESSAGES, ())
    made.follow(parameters, CommonIds.below(common_ids), {IMAGE})
    return made


@settings(deadline=None)  # a busy machine is no error
@given(EDITS)
def test_next_depends_on_the_text_alone(edits: list[tuple[int, list[int]]]) -> None:
    one, text = drafter(), list[int]()
    for kept, added in edits:
        text = text[:kept] + added
        assert one.next(text) == drafter().next(text)


@settings(deadline=None)  # a busy machine is no error
@given(EDITS, st.integers(32, 256))
def test_only_common_ids_that_are_no_placeholders_are_proposed(
    edits: list[tuple[int, list[int]]], common_ids: int
) -> None:
    one, text = drafter(common_ids=common_ids), list[int]()
    for kept, added in edits:
        text = text[:kept] + added
        token = one.next(text)
        assert token < common_ids
        assert token != IMAGE


def test_a_long_answer_one_by_one_is_the_same_as_from_nothing() -> None:
    one, text = drafter(), list[int]()
    for _ in range(50):
        text.append(one.next(text))
    other = drafter()
    assert [other.next(text[:length]) for length in (49, 3, 0, 20)] == [text[49], text[3], text[0], text[20]]


def test_where_the_target_looks_it_says_what_a_draft_of_those_tokens_says_and_hears_that_once() -> None:
    messages, images = question("where is it?", 1), [picture(1, 90, 60)]
    one = Drafter(DRAFT, messages, images, reducer=Reducer(Choice("verifier"), Count(5)))
    one.follow(WARM, CommonIds.below(256), {IMAGE})
    text = list[int]()
    for _ in range(20):
        text.append(one.next(text))
    prompt = DRAFT.prepare(messages, images)
    kept = torch.tensor([0, 3, 4, 7, 9])
    one.attend(told(DRAFT.places(prompt), kept))
    one.attend(told(DRAFT.places(prompt), kept + 1))
    decoder, rows = prefill(DRAFT, prompt, DRAFT.see(prompt), kept.tolist())
    allowed = np.array([token != IMAGE for token in range(DRAFT.info.rows)])
    chooser, said = Chooser(WARM, prompt.ids, allowed), list[int]()
    for length in range(20):
        said.append(one.next(text[:length]))
        assert said[-1] == chooser.choose(rows[-1], text[:length])
        rows = extend(DRAFT, decoder, [text[length]])
    assert said != text


def test_who_did_not_ask_goes_on_as_before() -> None:
    messages, images = question("where is it?", 1), [picture(1, 90, 60)]
    for reducer in (None, Reducer(Choice(), Count(5)), Reducer(Choice("verifier"), Ratio(1.0))):
        one = Drafter(DRAFT, messages, images, reducer=reducer)
        one.follow(WARM, CommonIds.below(256), {IMAGE})
        before = [one.next(list(range(length))) for length in range(10)]
        one.attend(Attended((((0, 0, 9, 9),),)))
        assert [one.next(list(range(length))) for length in range(10)] == before


def test_other_parameters_hold_from_the_next_token_on() -> None:
    one = drafter()
    warm = [one.next([]) for _ in range(2)]
    one.follow(SamplingParameters(max_tokens=100), CommonIds.below(256), ())
    cold = drafter(SamplingParameters(max_tokens=100))
    assert warm[0] == warm[1]
    assert [one.next([]), one.next([7, 8])] == [cold.next([]), cold.next([7, 8])]


def test_room_is_what_the_context_leaves() -> None:
    small = ToyVlm("draft", context_length=20)
    made = Drafter(small, MESSAGES, ())
    assert made.room == 20 - made.prompt_tokens
    assert made.visual_tokens == 0
    with pytest.raises(PromptTooLong, match="no room for an answer"):
        Drafter(ToyVlm("draft", context_length=made.prompt_tokens), MESSAGES, ())


def test_next_before_follow_is_a_bug() -> None:
    with pytest.raises(ValueError, match="follow comes before next"):
        Drafter(DRAFT, MESSAGES, ()).next([])


LIVES = st.lists(
    st.tuples(st.integers(0, 12), st.lists(st.lists(st.integers(2, 255), max_size=4), max_size=4)), max_size=8
)


@settings(deadline=None)  # a busy machine is no error
@given(LIVES)
def test_many_texts_in_one_forward_are_each_of_them_alone(lives: list[tuple[int, list[list[int]]]]) -> None:
    one, path = drafter(), list[int]()
    for kept, ends in lives:
        path = [*path[:kept], 7]
        texts = [path, *(path[: len(path) // 2] + end for end in ends)]
        chosen = one.weigh_all(texts, path)
        assert chosen == [drafter().weigh(text) for text in texts]
        path = texts[len(ends) // 2]


@pytest.mark.parametrize("evidence", list(Evidence))
@given(st.lists(st.lists(st.integers(2, 255), min_size=1, max_size=4), max_size=3), st.booleans())
@settings(deadline=None, max_examples=25)
def test_what_is_proposed_after_several_texts_is_drawn_as_after_each_alone(
    evidence: Evidence, ends: list[list[int]], behind: bool
) -> None:
    drawing, path = Drawing(Judging(Rule.REJECTION, evidence)), [7, 8, 9]
    asides = [[7, *end] for end in ends if [7, *end] != path]
    (own, mark), *drawn = drafter().draw_all([path, *asides], path, drawing, behind=behind)
    alone = [drafter().draw(text, drawing) for text in asides]
    assert [choice for choice, _ in drawn] == [choice for choice, _ in alone]
    assert [of.claim for _, of in drawn if of] == [of.claim for _, of in alone if of]
    assert len(drawn) == sum(of is not None for _, of in drawn)
    if behind:  # what the target would say by itself: nobody is to judge it
        assert (own, mark) == (drafter().weigh(path), None)
    else:
        assert own == drafter().draw(path, drawing)[0]


def test_a_branch_takes_nothing_of_the_path_from_the_cache() -> None:
    steps = list[float]()
    draft = ToyVlm("draft", seed=1, agreement=0.8, token_seconds=1.0, sleep=steps.append)
    one = Drafter(draft, MESSAGES, ())
    one.follow(WARM, CommonIds.below(256), {IMAGE})
    path = [7, 8, 9, 10, 11, 12]
    one.weigh(path)
    del steps[:]
    one.weigh_all([path, [7, 8, 20]], path)
    one.weigh_all([[7, 8, 20, 21]], path)
    one.weigh([*path, 13])
    one.weigh([7, 8, 20, 21, 22])
    assert steps == [2.0, 1.0, 1.0, 1.0]  # tokens that a forward took: each of them once
