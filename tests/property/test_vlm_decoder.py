"""Whatever a decoder went through, its rows are those of a fresh one that holds the same tokens."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.vlm.port import Decoder, Prompt, VisualTokens, Vlm
from shared.vlm.single import extend, prefill
from shared.vlm.toy import ToyVlm
from tests.support.tiny_qwen import picture, question, tiny_qwen

TOLERANCE = 1e-4
MODELS: dict[str, Callable[[], Vlm]] = {"toy": lambda: ToyVlm(seed=2, agreement=0.7), "tiny qwen": tiny_qwen}
LIFE = settings(derandomize=True, deadline=None, max_examples=25)

tokens = st.integers(0, 250).filter(lambda token: token != 1)  # 1: the toy's placeholder
blocks = st.lists(tokens, min_size=1, max_size=7)
# A block to take, or the share of the tokens held to keep.
steps = st.lists(st.one_of(blocks, st.floats(0.0, 1.0)), min_size=1, max_size=8)


@functools.cache
def seen(name: str) -> tuple[Vlm, Prompt, VisualTokens]:
    """A model that has seen a question about two pictures."""
    vlm = MODELS[name]()
    prompt = vlm.prepare(question("what is in the picture?", 2), [picture(0), picture(1, 30, 70)])
    return vlm, prompt, vlm.see(prompt)


@pytest.mark.parametrize("name", MODELS)
@LIFE
@given(data=st.data())
def test_any_life_of_a_decoder_leaves_no_trace(name: str, data: st.DataObject) -> None:
    vlm, prompt, visual = seen(name)
    total = sum(prompt.visual_tokens)
    kept = data.draw(st.none() | st.lists(st.integers(0, total - 1), unique=True).map(sorted), "kept")
    held = data.draw(st.lists(tokens, max_size=4), "prefilled")
    decoder, rows = prefill(vlm, prompt, visual, kept, held)
    for step in data.draw(steps, "steps"):
        held, rows = _take(vlm, decoder, held, rows, step)
    _, expected = prefill(vlm, prompt, visual, kept, held)
    assert decoder.length == len(held)
    assert (rows - expected).abs().max() <= TOLERANCE


def _take(
    vlm: Vlm, decoder: Decoder, held: list[int], rows: torch.Tensor, step: list[int] | float
) -> tuple[list[int], torch.Tensor]:
    """One step of a life: the tokens and rows that stand after it."""
    if isinstance(step, list):
        return held + step, torch.cat([rows, extend(vlm, decoder, step)])
    length = int(step * len(held))
    decoder.truncate(length)
    return held[:length], rows[: length + 1]


@pytest.mark.parametrize("name", MODELS)
@LIFE
@given(ids=st.lists(tokens, min_size=1, max_size=12), cuts=st.sets(st.integers(1, 11)))
def test_the_cut_into_blocks_changes_nothing(name: str, ids: list[int], cuts: set[int]) -> None:
    vlm, prompt, visual = seen(name)
    _, expected = prefill(vlm, prompt, visual, ids=ids)
    decoder, first = prefill(vlm, prompt, visual)
    borders = [0, *sorted(cut for cut in cuts if cut < len(ids)), len(ids)]
    rows = [first, *(extend(vlm, decoder, ids[a:b]) for a, b in itertools.pairwise(borders))]
    assert (torch.cat(rows) - expected).abs().max() <= TOLERANCE
    assert (torch.cat(rows).argmax(-1) == expected.argmax(-1)).all()
