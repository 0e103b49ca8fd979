"""What an edge tells of where its target looks: what was asked for and no more, and nothing rather than a failure."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from edge_server.engine.attending import attended
from edge_server.engine.port import Request
from shared.shares import Count, Ratio, Share
from shared.speculation.attended import Attended
from shared.speculation.messages import Pace
from shared.speculation.request import SamplingWish
from shared.vlm.attending import lying_there, most_attended
from shared.vlm.port import Prompt, VisualTokens, Vlm
from shared.vlm.toy import ToyVlm
from tests.support.tiny_qwen import picture, question, tiny_qwen

PICTURES = (picture(1, 90, 60), picture(2, 40, 70))
REQUEST = Request(question("where is it?", 2), PICTURES, SamplingWish(), 0, Pace.EAGER)


def told(vlm: Vlm, share: Share | None) -> Attended | None:
    prompt = vlm.prepare(REQUEST.messages, REQUEST.images)
    return attended(vlm, replace(REQUEST, attend=share), prompt, vlm.see(prompt))


class Counted(ToyVlm):
    """A toy that counts how often it was asked where it looks."""

    asked = 0

    def attention(self, prompt: Prompt, visual: VisualTokens) -> Tensor:
        self.asked += 1
        return super().attention(prompt, visual)


@pytest.mark.parametrize("vlm", [ToyVlm(seed=1), tiny_qwen()], ids=["toy", "tiny qwen"])
def test_the_most_attended_tokens_are_told_by_their_places(vlm: Vlm) -> None:
    prompt = vlm.prepare(REQUEST.messages, REQUEST.images)
    expected = sorted(most_attended(vlm.attention(prompt, vlm.see(prompt)), 7).tolist())
    found = told(vlm, Count(7))
    assert found is not None
    assert [len(boxes) for boxes in found.pictures] == [
        sum(int(vlm.places(prompt).pictures[token]) == number for token in expected) for number in (0, 1)
    ]
    assert lying_there(found, vlm.places(prompt), 7) == tuple(expected)


@pytest.mark.parametrize("share", [None, Ratio(1.0), Count(9999)], ids=str)
def test_nothing_is_told_or_computed_where_all_would_be_kept_or_nobody_asked(share: Share | None) -> None:
    vlm = Counted(seed=1)
    assert told(vlm, share) is None
    assert vlm.asked == 0


def test_to_keep_none_takes_no_forward() -> None:
    vlm = Counted(seed=1)
    assert told(vlm, Count(0)) == Attended(((), ()))
    assert vlm.asked == 0


def test_attention_in_half_precision_is_told_as_well() -> None:
    class Half(Counted):
        def attention(self, prompt: Prompt, visual: VisualTokens) -> Tensor:
            return super().attention(prompt, visual).to(torch.bfloat16)

    found = told(Half(seed=1), Count(7))
    assert found is not None
    assert found.count == 7


def test_a_model_that_cannot_say_where_it_looks_costs_a_hint(caplog: pytest.LogCaptureFixture) -> None:
    class Blind(ToyVlm):
        def attention(self, prompt: Prompt, visual: VisualTokens) -> Tensor:
            raise MemoryError("no room")

    with caplog.at_level(logging.ERROR):
        assert told(Blind(seed=1), Count(7)) is None
    assert "the target's attention was not found" in caplog.text
