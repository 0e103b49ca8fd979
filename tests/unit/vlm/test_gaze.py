"""What is heard of torch's own attention, whatever its mask."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from shared.vlm.gaze import watching

STATES = torch.rand(2, 3, 6, 4, generator=torch.Generator().manual_seed(0)) * 4
SEES = torch.ones(6, 6, dtype=torch.bool).tril(2)
MASKS: dict[str, Tensor] = {
    "which": SEES.expand(2, 1, 6, 6),
    "one for all": SEES[None, None],
    "added": torch.where(SEES, 0.5, -torch.inf)[None, None],
    "by key": torch.tensor([True] * 4 + [False] * 2).expand(2, 1, 1, 6),
}


class Layer(torch.nn.Module):
    """Calls back."""

    def __init__(self, work: Callable[[], Tensor]) -> None:
        super().__init__()
        self.work = work

    def forward(self) -> Tensor:
        return self.work()


@pytest.mark.parametrize("mask", MASKS)
def test_a_mask_counts(mask: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.vlm.gaze._QUERIES", 4)
    query, key, given = STATES, STATES.flip(2), MASKS[mask]
    layer = Layer(lambda: scaled_dot_product_attention(query, key, key, attn_mask=given, scale=0.7))
    with watching(layer) as looks:
        layer()
    (look,) = looks
    scores = query @ key.transpose(-1, -2) * 0.7
    scores = scores.masked_fill(~given, -torch.inf) if given.dtype == torch.bool else scores + given
    expected = scores.softmax(-1).mean((1, 2))
    assert torch.allclose(look.channels(class_token=False)[..., 0], expected, atol=1e-6)
    by_class = look.channels(class_token=True)[..., 0]
    assert torch.allclose(by_class, scores.softmax(-1)[:, :, 0].mean(1)[:, 1:], atol=1e-6)


def test_only_what_is_watched_is_heard_and_only_while_it_is() -> None:
    other = Layer(lambda: scaled_dot_product_attention(STATES, STATES, STATES))
    layer = Layer(lambda: scaled_dot_product_attention(STATES, STATES, STATES))
    with watching(layer) as looks:
        other()
        assert not looks
        layer()
        other()
        assert len(looks) == 1
    layer()
    assert len(looks) == 1


def test_a_layer_that_fails_is_no_longer_heard() -> None:
    def fail() -> Tensor:
        raise RuntimeError("out of memory")

    layer = Layer(fail)
    with watching(layer) as looks:
        with pytest.raises(RuntimeError, match="out of memory"):
            layer()
        scaled_dot_product_attention(STATES, STATES, STATES)
        assert not looks
