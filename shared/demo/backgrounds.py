"""Textured backgrounds: how far each pixel's shade moves, from a seed alone.

Every pattern keeps within its strength, so a background stays the colour it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.demo.scenes import Texture

Field = NDArray[np.float64]  # [height, width], -1 .. 1


def _across(texture: Texture, shape: tuple[int, int], scale: float) -> tuple[Field, Field]:
    """Two turned coordinates of every pixel, in pixels of the unscaled picture."""
    down, right = np.mgrid[: shape[0], : shape[1]] / scale
    angle = np.deg2rad(texture.turn)
    return right * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - right * np.sin(angle)


def gradient(texture: Texture, shape: tuple[int, int], scale: float) -> Field:
    """From dark to light across the picture."""
    along = _across(texture, shape, scale)[0]
    spread = along - along.min()
    field: Field = 2 * spread / max(1.0, float(spread.max())) - 1
    return field


def stripes(texture: Texture, shape: tuple[int, int], scale: float) -> Field:
    """Bands of two shades."""
    along = _across(texture, shape, scale)[0]
    return np.where(np.floor(along / texture.period) % 2 == 0, 1.0, -1.0)


def checks(texture: Texture, shape: tuple[int, int], scale: float) -> Field:
    """A chequered cloth of two shades."""
    along, beside = _across(texture, shape, scale)
    return np.where((np.floor(along / texture.period) + np.floor(beside / texture.period)) % 2 == 0, 1.0, -1.0)


def _noise(texture: Texture, shape: tuple[int, int], step: float) -> Field:
    """Smooth noise whose grains are about `step` pixels wide."""
    rng = np.random.default_rng(texture.seed)
    coarse = rng.uniform(0, 255, (max(2, round(shape[0] / step)), max(2, round(shape[1] / step)))).astype(np.uint8)
    fine = Image.fromarray(coarse, "L").resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    field: Field = np.asarray(fine, dtype=np.float64) / 127.5 - 1
    return field


def speckle(texture: Texture, shape: tuple[int, int], scale: float) -> Field:
    """Small grains."""
    return _noise(texture, shape, 2.5 * scale)


def blobs(texture: Texture, shape: tuple[int, int], scale: float) -> Field:
    """Large soft spots."""
    return np.clip(1.6 * _noise(texture, shape, 2 * texture.period * scale), -1, 1)


PATTERNS: dict[str, Callable[[Texture, tuple[int, int], float], Field]] = {
    "gradient": gradient,
    "stripes": stripes,
    "checks": checks,
    "speckle": speckle,
    "blobs": blobs,
}


def pattern(texture: Texture, shape: tuple[int, int], scale: float) -> NDArray[Any]:
    """What is added to the shade [height, width, 1]; the strength is never exceeded."""
    field = PATTERNS[texture.pattern](texture, shape, scale)
    return np.rint(field * texture.strength).astype(np.int16)[..., None]
