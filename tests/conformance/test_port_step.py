"""The laws of a step of many decoders, for every model behind the port."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from PIL import Image

from shared.vlm.port import Block, Decoder, Vlm
from shared.vlm.single import extend, prefill
from tests.support.models import ANSWER, assert_alike, seen
from tests.support.tiny_qwen import picture


def test_a_prompt_may_be_cut_anywhere(vlm: Vlm) -> None:
    """In the middle of a picture, too."""
    prompt, visual = seen(vlm, [picture(0), picture(1, 20, 90)])
    _, whole = prefill(vlm, prompt, visual, ids=ANSWER[:2])
    for cut in range(1, len(prompt.ids)):
        decoder = vlm.begin(prompt, visual)
        assert decoder.prompt_left == len(prompt.ids)
        (none,) = vlm.step([Block(decoder, cut)])
        assert none.shape == (0, vlm.info.rows)
        (first,) = vlm.step([Block(decoder, decoder.prompt_left)])
        assert_alike(torch.cat([first, extend(vlm, decoder, ANSWER[:2])]), whole)


def test_a_step_of_many_is_each_of_them_alone(vlm: Vlm, images: list[Image.Image]) -> None:
    """A beginning, a chunk of a prompt, its end with output, one token and a block, all in one forward."""
    prompt, visual = seen(vlm, images)
    _, whole = prefill(vlm, prompt, visual, ids=ANSWER)
    fresh, chunked, ending = (vlm.begin(prompt, visual) for _ in range(3))
    vlm.step([Block(chunked, 2), Block(ending, 5)])
    one, several = (prefill(vlm, prompt, visual, ids=ANSWER[:3])[0] for _ in range(2))
    extend(vlm, several, (90, 91, 92))
    several.truncate(2)
    rows = vlm.step(
        [
            Block(several, ids=ANSWER[2:7]),
            Block(fresh, fresh.prompt_left),
            Block(chunked, 3),
            Block(one, ids=ANSWER[3:4]),
            Block(ending, ending.prompt_left, ANSWER[:2]),
        ]
    )
    for some, others in zip(rows, (whole[3:8], whole[:1], whole[:0], whole[4:5], whole[:3]), strict=True):
        if len(others):
            assert_alike(some, others)
        assert some.shape == others.shape
    rows = vlm.step([Block(chunked, chunked.prompt_left), Block(one, ids=ANSWER[4:]), Block(several, ids=ANSWER[7:])])
    for some, others in zip(rows, (whole[:1], whole[5:], whole[8:]), strict=True):
        assert_alike(some, others)


def test_the_order_of_the_blocks_is_the_order_of_the_rows(vlm: Vlm) -> None:
    prompt, visual = seen(vlm, [])
    decoders = [prefill(vlm, prompt, visual)[0] for _ in range(3)]
    for order in ([0, 1, 2], [2, 0, 1]):
        rows = vlm.step([Block(decoders[i], ids=ANSWER[i : i + 1]) for i in order])
        for i, row in zip(order, rows, strict=True):
            decoders[i].truncate(0)
            assert_alike(row, extend(vlm, decoders[i], ANSWER[i : i + 1]))
            decoders[i].truncate(0)


def test_a_step_of_nobody_is_nothing(vlm: Vlm) -> None:
    assert vlm.step([]) == []


def test_a_block_that_cannot_be_is_refused_and_changes_nothing(vlm: Vlm) -> None:
    prompt, visual = seen(vlm, [picture(0)])
    begun, done = vlm.begin(prompt, visual), prefill(vlm, prompt, visual)[0]
    expected = extend(vlm, prefill(vlm, prompt, visual)[0], ANSWER)
    vlm.step([Block(begun, 4)])
    left = begun.prompt_left
    refused = [
        (Block(begun), "at least one token"),
        (Block(begun, -1), "cannot take -1"),
        (Block(begun, left + 1), f"cannot take {left + 1} of the {left} prompt tokens left"),
        (Block(begun, left - 1, (40,)), "1 prompt tokens come before any output"),
        (Block(begun, ids=(40,)), f"{left} prompt tokens come before any output"),
        (Block(done, ids=(40,)), "one block in a step"),
    ]
    for block, sentence in refused:
        with pytest.raises(ValueError, match=sentence):
            vlm.step([Block(done, ids=ANSWER[:3]), block])
    with pytest.raises(TypeError, match="another model"):
        vlm.step([Block(done, ids=ANSWER[:3]), Block(Foreign(), ids=(40,))])
    assert (begun.prompt_left, begun.length, done.length) == (left, 0, 0)
    _, rows = vlm.step([Block(begun, left), Block(done, ids=ANSWER)])
    assert_alike(rows, expected)


class Foreign:
    """A decoder of no model here."""

    prompt_left = 0
    length = 0
    held = 0
    nbytes = 0

    def common(self, giver: Decoder) -> int:
        """Nothing."""
        return 0

    def adopt(self, giver: Decoder) -> int:
        """Nothing."""
        return 0

    def truncate(self, length: int) -> None:
        """Nothing to forget."""

    def fork(self) -> Foreign:
        """Another."""
        return Foreign()

    def keep(self, path: Sequence[int]) -> None:
        """Nothing to keep."""


def test_a_decoder_in_its_prompt_cannot_be_forked(vlm: Vlm) -> None:
    prompt, visual = seen(vlm, [])
    with pytest.raises(ValueError, match="left cannot be forked"):
        vlm.begin(prompt, visual).fork()
