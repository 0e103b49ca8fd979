"""What the laws of the port are tried on."""

from __future__ import annotations

import pytest
from PIL import Image

from shared.vlm.port import Vlm
from tests.support.models import MODELS
from tests.support.tiny_qwen import picture


@pytest.fixture(params=MODELS)
def vlm(request: pytest.FixtureRequest) -> Vlm:
    """Each model in turn."""
    return MODELS[request.param]()


@pytest.fixture(params=[0, 1, 3], ids=["text only", "one picture", "three pictures"])
def images(request: pytest.FixtureRequest) -> list[Image.Image]:
    """Pictures of different sizes."""
    sizes = [(50, 40), (20, 90), (120, 33)]
    return [picture(i, *size) for i, size in enumerate(sizes[: request.param])]
