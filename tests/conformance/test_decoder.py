"""Whatever a decoder went through, its rows are those of a fresh one that holds the same tokens."""

from __future__ import annotations

import functools
import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.vlm.port import Decoder, Prompt, VisualTokens, Vlm
from shared.vlm.single import extend, prefill
from tests.support.models import assert_alike, model_called
from tests.support.tiny_qwen import picture, question

LIFE = settings(derandomize=True, deadline=None, max_examples=12)

tokens = st.integers(0, 250).filter(lambda token: token != 1)  # 1: the toy's placeholder
blocks = st.lists(tokens, min_size=1, max_size=7)
# A block to take, or the share of the tokens held to keep.
steps = st.lists(st.one_of(blocks, st.floats(0.0, 1.0)), min_size=1, max_size=8)


@functools.cache
def seen(name: str) -> tuple[Vlm, Prompt, VisualTokens]:
    """A model that has seen a question about two pictures."""
    vlm = model_called(name)
    prompt = vlm.prepare(question("what is in the picture?", 2), [picture(0), picture(1, 30, 70)])
    return vlm, prompt, vlm.see(prompt)


@LIFE
@given(data=st.data())
def test_any_life_of_a_decoder_leaves_no_trace(model: str, data: st.DataObject) -> None:
    vlm, prompt, visual = seen(model)
    total = sum(prompt.visual_tokens)
    kept = data.draw(st.none() | st.lists(st.integers(0, total - 1), unique=True).map(sorted), "kept")
    held = data.draw(st.lists(tokens, max_size=4), "prefilled")
    decoder, rows = prefill(vlm, prompt, visual, kept, held)
    for step in data.draw(steps, "steps"):
        held, rows = _take(vlm, decoder, held, rows, step)
    _, expected = prefill(vlm, prompt, visual, kept, held)
    assert decoder.length == len(held)
    assert_alike(rows, expected)


def _take(
    vlm: Vlm, decoder: Decoder, held: list[int], rows: torch.Tensor, step: list[int] | float
) -> tuple[list[int], torch.Tensor]:
    """One step of a life: the tokens and rows that stand after it."""
    if isinstance(step, list):
        return held + step, torch.cat([rows, extend(vlm, decoder, step)])
    length = int(step * len(held))
    decoder.truncate(length)
    return held[:length], rows[: length + 1]


@LIFE
@given(ids=st.lists(tokens, min_size=1, max_size=12), cuts=st.sets(st.integers(1, 11)))
def test_the_cut_into_blocks_changes_nothing(model: str, ids: list[int], cuts: set[int]) -> None:
    vlm, prompt, visual = seen(model)
    _, expected = prefill(vlm, prompt, visual, ids=ids)
    decoder, first = prefill(vlm, prompt, visual)
    borders = [0, *sorted(cut for cut in cuts if cut < len(ids)), len(ids)]
    rows = [first, *(extend(vlm, decoder, ids[a:b]) for a, b in itertools.pairwise(borders))]
    assert_alike(torch.cat(rows), expected)
