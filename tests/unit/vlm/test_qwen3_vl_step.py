"""What a step of Qwen3-VL leaves behind: in the model, in decoders, in memory."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch

from shared.vlm.hub_vlm import HubVlm
from shared.vlm.packed_decoder import PackedDecoder
from shared.vlm.port import Block
from shared.vlm.single import extend, prefill
from tests.support.models import ANSWER, assert_alike
from tests.support.tiny_qwen import picture, question, tiny_qwen


def test_a_decoder_that_is_dropped_frees_its_keys() -> None:
    """Nothing else holds them: neither the model, nor what it was seen, nor who stood beside it in a step."""
    vlm = tiny_qwen()
    prompt = vlm.prepare(question("cat", 1), [picture(0)])
    visual = vlm.see(prompt)
    dropped, _ = prefill(vlm, prompt, visual)
    other, _ = prefill(vlm, prompt, visual)
    rows = vlm.step([Block(dropped, ids=ANSWER), Block(other, ids=ANSWER)])
    assert isinstance(dropped, PackedDecoder)
    keys = [weakref.ref(buffer) for layer in dropped.store._layers.values() for buffer in layer]
    decoder = weakref.ref(dropped)
    assert all(ref() is not None for ref in keys)
    del dropped
    gc.collect()
    assert decoder() is None
    assert all(ref() is None for ref in keys)
    assert_alike(extend(vlm, other, (50,)), prefill(vlm, prompt, visual, ids=(*ANSWER, 50))[1][-1:])
    assert len(rows) == 2


def test_a_prompt_that_is_taken_frees_its_features() -> None:
    vlm = tiny_qwen()
    prompt = vlm.prepare(question("cat", 1), [picture(0)])
    visual = vlm.see(prompt)
    features = [weakref.ref(level) for level in (visual.features, *visual.extras)]
    decoder = vlm.begin(prompt, visual)
    del visual
    vlm.step([Block(decoder, decoder.prompt_left - 1)])
    assert all(ref() is not None for ref in features)
    vlm.step([Block(decoder, 1)])
    gc.collect()
    assert all(ref() is None for ref in features)


def test_only_rows_that_are_returned_reach_the_output_layer() -> None:
    vlm = tiny_qwen()
    assert isinstance(vlm, HubVlm)
    prompt = vlm.prepare(question("cat", 1), [picture(0)])
    visual = vlm.see(prompt)
    some, others = vlm.begin(prompt, visual), prefill(vlm, prompt, visual)[0]
    counts: list[int] = []
    handle = vlm._model.lm_head.register_forward_pre_hook(lambda _, inputs: counts.append(len(inputs[0])))
    vlm.step([Block(some, 5), Block(others, ids=(40, 41))])
    vlm.step([Block(others, ids=(42,)), Block(some, some.prompt_left, (40,))])
    handle.remove()
    assert counts == [2, 3]


def test_a_forward_that_breaks_half_way_leaves_no_trace() -> None:
    vlm = tiny_qwen()
    assert isinstance(vlm, HubVlm)
    prompt = vlm.prepare(question("cat", 1), [picture(0)])
    visual = vlm.see(prompt)
    begun, done = vlm.begin(prompt, visual), prefill(vlm, prompt, visual)[0]
    vlm.step([Block(begun, 5)])
    left = begun.prompt_left

    def broken(*_: Any) -> None:
        raise MemoryError

    handle = vlm._model.model.language_model.layers[-1].mlp.register_forward_pre_hook(broken)
    with pytest.raises(MemoryError):
        vlm.step([Block(begun, left, (60, 61)), Block(done, ids=(70, 71, 72))])
    handle.remove()
    assert (begun.prompt_left, begun.length, done.length) == (left, 0, 0)
    expected = prefill(vlm, prompt, visual, ids=ANSWER)[1]
    rows = vlm.step([Block(begun, left, ANSWER), Block(done, ids=ANSWER)])
    assert_alike(rows[0], expected)
    assert_alike(rows[1], expected[1:])


def test_a_model_told_to_attend_over_rows_says_so_when_used_otherwise() -> None:
    vlm = tiny_qwen()
    assert isinstance(vlm, HubVlm)
    with pytest.raises(TypeError, match="takes a Packed"):
        vlm._model(input_ids=torch.tensor([[40, 41]]))
