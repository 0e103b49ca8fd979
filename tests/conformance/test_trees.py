"""A block that is a tree: its rows are those of each path alone, and what is kept of it is as if nothing else had been.

For every model behind the port.
"""

from __future__ import annotations

import functools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.vlm.port import Block, Prompt, VisualTokens, Vlm
from shared.vlm.single import extend, prefill
from tests.support.models import ANSWER, assert_alike, model_called
from tests.support.tiny_qwen import picture, question

TREES = settings(derandomize=True, deadline=None, max_examples=4)

tokens = st.integers(0, 250).filter(lambda token: token != 1)  # 1: the toy's placeholder
Tree = tuple[list[int], list[int]]


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Ids and their parents."""
    ids = draw(st.lists(tokens, min_size=1, max_size=9))
    return ids, [draw(st.integers(-1, place - 1)) for place in range(len(ids))]


def path_to(parents: list[int], place: int) -> list[int]:
    return [] if place < 0 else [*path_to(parents, parents[place]), place]


@functools.cache
def seen(name: str, pictures: int) -> tuple[Vlm, Prompt, VisualTokens]:
    vlm = model_called(name)
    images = [picture(1, 30, 70)][:pictures]
    prompt = vlm.prepare(question("what is in the picture?", pictures), images)
    return vlm, prompt, vlm.see(prompt)


@TREES
@given(data=st.data())
def test_a_trees_rows_are_those_of_each_path_and_what_is_kept_goes_on_like_it(model: str, data: st.DataObject) -> None:
    """With a text before it, whole prompts and pruned ones, and somebody else in the step."""
    vlm, prompt, visual = seen(model, data.draw(st.sampled_from([0, 1]), "pictures"))
    total = sum(prompt.visual_tokens)
    subsets = st.lists(st.sampled_from(range(total)), unique=True).map(sorted) if total else st.just([])
    kept = data.draw(st.none() | subsets, "kept")
    before = data.draw(st.lists(tokens, max_size=9), "before")
    ids, parents = data.draw(trees(), "tree")
    decoder, _ = prefill(vlm, prompt, visual, kept, before)
    other, _ = prefill(vlm, prompt, visual, kept)
    rows, others = vlm.step([Block(decoder, ids=ids, parents=parents), Block(other, ids=ANSWER)])
    alone, _ = prefill(vlm, prompt, visual, kept, before)
    for leaf in set(range(len(ids))) - set(parents):
        path = path_to(parents, leaf)
        alone.truncate(len(before))
        assert_alike(rows[path], extend(vlm, alone, [ids[each] for each in path]))
    path = path_to(parents, data.draw(st.integers(-1, len(ids) - 1), "kept path"))
    decoder.keep(path)
    text = [*before, *(ids[each] for each in path)]
    assert decoder.length == len(text)
    fresh, _ = prefill(vlm, prompt, visual, kept, text)
    assert_alike(extend(vlm, decoder, ANSWER), extend(vlm, fresh, ANSWER))
    assert_alike(others, extend(vlm, prefill(vlm, prompt, visual, kept)[0], ANSWER))


@TREES
@given(tree=trees(), share=st.floats(0.0, 1.0), chunked=st.booleans())
def test_a_tree_behind_the_end_of_a_prompt_is_one_behind_it(
    model: str, tree: Tree, share: float, chunked: bool
) -> None:
    vlm, prompt, visual = seen(model, 1)
    ids, parents = tree
    decoder, first = prefill(vlm, prompt, visual)
    expected = torch.cat([first, extend(vlm, decoder, ids, parents)])
    late = vlm.begin(prompt, visual)
    if chunked:
        vlm.step([Block(late, 1 + int(share * (late.prompt_left - 2)))])
    (rows,) = vlm.step([Block(late, late.prompt_left, ids, parents)])
    assert_alike(rows, expected)
    path = path_to(parents, len(ids) - 1)
    for each in (decoder, late):
        each.keep(path)
    assert_alike(extend(vlm, late, ANSWER), extend(vlm, decoder, ANSWER))


def test_a_tree_of_a_fork_leaves_no_trace_in_the_other(model: str) -> None:
    vlm, prompt, visual = seen(model, 1)
    one, _ = prefill(vlm, prompt, visual, ids=ANSWER[:3])
    two = one.fork()
    for decoder in (one, two):
        extend(vlm, decoder, (70, 71, ANSWER[3], 72, ANSWER[4]), (-1, 0, -1, 2, 2))
        decoder.keep((2, 4))
    one.truncate(4)
    expected = extend(vlm, prefill(vlm, prompt, visual, ids=ANSWER[:5])[0], ANSWER[5:])
    assert_alike(extend(vlm, two, ANSWER[5:]), expected)
    assert_alike(extend(vlm, one, ANSWER[4:])[1:], expected)


def test_a_chain_may_be_told_as_a_tree(model: str) -> None:
    vlm, prompt, visual = seen(model, 1)
    decoder, _ = prefill(vlm, prompt, visual)
    rows = extend(vlm, decoder, ANSWER, range(-1, len(ANSWER) - 1))
    decoder.keep(range(4))
    assert_alike(torch.cat([rows[:4], extend(vlm, decoder, ANSWER[4:])]), rows)


def test_a_tree_is_kept_before_anything_else_and_by_a_path(model: str) -> None:
    vlm, prompt, visual = seen(model, 0)
    decoder, _ = prefill(vlm, prompt, visual)
    with pytest.raises(ValueError, match="took no tree"):
        decoder.keep(())
    for parents, sentence in [
        ((-1,), "1 parents for 2 tokens"),
        ((-1, 1), "the parent of token 1 is 1"),
        ((-2, 0), "0 is -2"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            extend(vlm, decoder, (40, 41), parents)
    extend(vlm, decoder, (40, 41, 42), (-1, 0, 0))
    for forbidden in (lambda: decoder.truncate(0), decoder.fork, lambda: extend(vlm, decoder, (43,))):
        with pytest.raises(ValueError, match="tree of 3 tokens has to be kept"):
            forbidden()
    for path in ((1,), (0, 1, 2), (0, 3), (-1,)):
        with pytest.raises(ValueError, match="does not follow"):
            decoder.keep(path)
    decoder.keep((0, 2))
    assert decoder.length == 2
