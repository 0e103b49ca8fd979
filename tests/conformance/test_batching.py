"""Whoever steps beside a decoder, and however its prompt is cut: its rows are those of one that is alone."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from copy import copy

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.vlm.port import Block, Decoder, Prompt, VisualTokens, Vlm
from shared.vlm.single import prefill
from tests.support.models import assert_alike, model_called
from tests.support.tiny_qwen import picture, question

LIVES = settings(derandomize=True, deadline=None, max_examples=15)

tokens = st.integers(0, 250).filter(lambda token: token != 1)  # 1: the toy's placeholder
blocks = st.lists(tokens, min_size=1, max_size=6)


@functools.cache
def seen(name: str) -> tuple[Vlm, list[tuple[Prompt, VisualTokens]]]:
    """A model that has seen prompts of several lengths, without a picture, with one and with two."""
    vlm = model_called(name)
    prompts = [
        vlm.prepare(question(text, len(images)), images)
        for text, images in [
            ("a cat", []),
            ("what is in the picture?", [picture(0), picture(1, 30, 70)]),
            ("where is the dog? " * 4, [picture(2, 90, 20)]),
        ]
    ]
    return vlm, [(prompt, vlm.see(prompt)) for prompt in prompts]


class Life:
    """One decoder among others: what it holds, and the rows it got for that."""

    def __init__(self, vlm: Vlm, prompt: Prompt, visual: VisualTokens, kept: Sequence[int] | None) -> None:
        self._fresh = functools.partial(prefill, vlm, prompt, visual, kept)
        self.decoder: Decoder = vlm.begin(prompt, visual, kept)
        self._held: list[int] = []
        self._rows = torch.zeros(0, vlm.info.rows)

    def block(self, prompt: int, ids: list[int]) -> Block:
        """A block of `prompt` tokens at most, and behind the whole prompt of `ids`; never empty."""
        left = self.decoder.prompt_left
        prompt = min(prompt, left)
        return Block(self.decoder, prompt, ids if prompt == left else ())

    def take(self, block: Block, rows: torch.Tensor) -> None:
        """What a step gave for `block`."""
        self._held += block.ids
        self._rows = torch.cat([self._rows, rows])
        assert self.decoder.length == len(self._held)

    def fork(self) -> Life:
        """Another one that holds the same."""
        twin = copy(self)
        twin.decoder, twin._held = self.decoder.fork(), list(self._held)
        return twin

    def truncate(self, share: float) -> None:
        """Keep that share of the output tokens held."""
        length = int(share * len(self._held))
        self.decoder.truncate(length)
        del self._held[length:]
        self._rows = self._rows[: length + 1]

    def check(self) -> None:
        """The rows are those of a fresh decoder that is alone."""
        _, expected = self._fresh(self._held)
        assert_alike(self._rows, expected)


@LIVES
@given(data=st.data())
def test_any_mix_of_sessions_is_each_of_them_alone(model: str, data: st.DataObject) -> None:
    vlm, prompts = seen(model)
    lives = []
    for _ in range(data.draw(st.integers(1, 6), "sessions")):
        prompt, visual = data.draw(st.sampled_from(prompts), "prompt")
        visual_tokens = range(sum(prompt.visual_tokens))
        subsets = st.lists(st.sampled_from(visual_tokens), unique=True).map(sorted) if visual_tokens else st.just([])
        lives.append(Life(vlm, prompt, visual, data.draw(st.none() | subsets, "kept")))
    for _ in range(data.draw(st.integers(1, 6), "steps")):
        stepping = _drawn(data, lives, 1, "stepping")
        _step(vlm, stepping, [life.block(data.draw(st.integers(1, 40)), data.draw(blocks)) for life in stepping])
        for life in _drawn(data, lives, 0, "truncated"):
            life.truncate(data.draw(st.floats(0.0, 1.0)))
        begun = [life for life in lives if not life.decoder.prompt_left]
        if begun and len(lives) < 10:
            lives += [life.fork() for life in _drawn(data, begun, 0, "forked")[:2]]
    _step(vlm, lives, [life.block(10**6, [40, 41]) for life in lives])
    for life in lives:
        life.check()


def _drawn(data: st.DataObject, lives: Sequence[Life], least: int, label: str) -> list[Life]:
    """Some of `lives`, by their numbers: Hypothesis keeps a strategy in a cache, and with it what it chooses from."""
    numbers = st.lists(st.integers(0, len(lives) - 1), min_size=least, unique=True)
    return [lives[number] for number in data.draw(numbers, label)]


def _step(vlm: Vlm, lives: Sequence[Life], taken: Sequence[Block]) -> None:
    counts = [block.rows for block in taken]
    for life, block, count, rows in zip(lives, taken, counts, vlm.step(taken), strict=True):
        assert rows.shape == (count, vlm.info.rows)
        life.take(block, rows)


@LIVES
@given(cuts=st.sets(st.integers(1, 60)), which=st.integers(0, 2), pruned=st.booleans())
def test_the_cut_of_a_prompt_into_chunks_changes_nothing(model: str, cuts: set[int], which: int, pruned: bool) -> None:
    vlm, prompts = seen(model)
    prompt, visual = prompts[which]
    kept = range(0, sum(prompt.visual_tokens), 2) if pruned else None
    _, expected = prefill(vlm, prompt, visual, kept, (40, 41))
    decoder = vlm.begin(prompt, visual, kept)
    length = decoder.prompt_left
    borders = [0, *sorted(cut for cut in cuts if cut < length), length]
    for begin, end in itertools.pairwise(borders[:-1]):
        (rows,) = vlm.step([Block(decoder, end - begin)])
        assert rows.shape == (0, vlm.info.rows)
        assert (decoder.prompt_left, decoder.length) == (length - end, 0)
    (rows,) = vlm.step([Block(decoder, borders[-1] - borders[-2], (40, 41))])
    assert (decoder.prompt_left, decoder.length) == (0, 2)
    assert_alike(rows, expected)
