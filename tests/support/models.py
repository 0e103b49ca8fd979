"""Every model behind the port, a question put to it, and what it means that two of its answers are alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image
from torch import Tensor

from shared.vlm.port import Prompt, VisualTokens, Vlm
from shared.vlm.toy import ToyVlm
from tests.support.tiny_qwen import question, tiny_qwen

TOLERANCE = 1e-4
ANSWER = (40, 41, 42, 43, 44, 45, 46, 47, 48)

MODELS: dict[str, Callable[[], Vlm]] = {
    "toy": lambda: ToyVlm(seed=1),
    "toy draft": lambda: ToyVlm(seed=1, agreement=0.5),
    "tiny qwen": tiny_qwen,
}


def seen(vlm: Vlm, images: Sequence[Image.Image], text: str = "what is in the picture?") -> tuple[Prompt, VisualTokens]:
    """A question about `images`, and what the model sees of them."""
    prompt = vlm.prepare(question(text, len(images)), images)
    return prompt, vlm.see(prompt)


def assert_alike(some: Tensor, others: Tensor) -> None:
    """Equal up to rounding, and with the same best ids."""
    assert some.shape == others.shape
    assert (some - others).abs().max() <= TOLERANCE
    assert (some.argmax(-1) == others.argmax(-1)).all()
