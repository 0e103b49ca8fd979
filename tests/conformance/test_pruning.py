"""Every pruner works with every family: several pictures, of odd aspects, and what is left goes into the draft."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import Image

from device_client.prune.registry import prune, pruner
from device_client.prune.sight import Ask
from device_client.prune.wish import PRUNERS, parse_choice
from device_client.reduce import Asked, look
from shared.vlm.single import extend, prefill
from tests.support.models import assert_alike, model_called
from tests.support.tiny_qwen import picture, question

PICTURES: dict[str, list[Image.Image]] = {
    "one wide": [picture(1, 150, 31)],
    "one high": [picture(2, 29, 140)],
    "three": [picture(3, 64, 64), picture(4, 121, 40), picture(5, 33, 90)],
}


@pytest.mark.parametrize("pictures", PICTURES)
def test_every_pruner_prunes(family: str, pictures: str) -> None:
    vlm, images = model_called(family), PICTURES[pictures]
    messages = question("where is the red one?", len(images))
    asked = Asked(vlm, vlm.prepare(messages, images), messages, images)
    visual, gaze = vlm.gaze(asked.prompt)
    sight = replace(look(asked, visual, set(Ask), gaze), attention=vlm.attention(asked.prompt, visual))
    count = sight.count
    for name in PRUNERS:
        for budget in {1, count // 3, count - 1}:
            kept = prune(pruner(parse_choice(name)), sight, budget)
            assert list(kept.indices) == sorted(set(kept.indices)), name
            if name == "none":
                assert len(kept.indices) == count
            else:
                assert all(0 <= index < count for index in kept.indices), name
                assert len(kept.indices) <= budget, name
                assert len(kept.indices) == budget or name in ("text-only", "pool"), name
        entering = visual if kept.mixing is None else visual.mixed(kept.indices, kept.mixing)
        decoder, rows = prefill(vlm, asked.prompt, entering, kept.indices)
        assert decoder.length == 0
        assert torch.isfinite(rows).all(), name
        (row,) = extend(vlm, decoder, [7])
        decoder.truncate(0)
        assert_alike(extend(vlm, decoder, [7]), row[None])
