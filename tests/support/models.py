"""Every model behind the port, a question put to it, and what it means that two of its answers are alike."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

from PIL import Image
from torch import Tensor

from shared.vlm.load import load
from shared.vlm.port import Prompt, VisualTokens, Vlm
from shared.vlm.toy import ToyVlm
from tests.support import tiny_families
from tests.support.tiny_qwen import question, tiny_qwen

TOLERANCE = 1e-4
ANSWER = (40, 41, 42, 43, 44, 45, 46, 47, 48)

FAMILIES: tuple[str, ...] = ("qwen3_vl", *tiny_families.FAMILIES)
MODELS: Mapping[str, Callable[[], Vlm]] = {
    "toy": lambda: ToyVlm(seed=1),
    "toy draft": lambda: ToyVlm(seed=1, agreement=0.5),
    "qwen3_vl": tiny_qwen,
    **{name: functools.partial(tiny_families.tiny, name) for name in tiny_families.FAMILIES},
}


@functools.cache
def model_called(name: str) -> Vlm:
    """The model of MODELS with this name, or one of the hub, loaded once."""
    return MODELS[name]() if name in MODELS else load(name)


def seen(vlm: Vlm, images: Sequence[Image.Image], text: str = "what is in the picture?") -> tuple[Prompt, VisualTokens]:
    """A question about `images`, and what the model sees of them."""
    prompt = vlm.prepare(question(text, len(images)), images)
    return prompt, vlm.see(prompt)


def assert_alike(some: Tensor, others: Tensor) -> None:
    """Equal up to rounding, and with the same best ids."""
    assert some.shape == others.shape
    scale = max(1.0, float(others.abs().max()) / 10) if len(others) else 1.0  # of tiny models it is 1
    assert (some - others).abs().max() <= TOLERANCE * scale
    assert (some.argmax(-1) == others.argmax(-1)).all()
