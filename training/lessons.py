"""Batches for training: pictures of one size, several questions each, run as branches after a shared beginning.

A branch sees the beginning (with the picture) and itself; its positions restart where the beginning ends, so a
branch is exactly a run of its own.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from shared.demo.scenes import SIZE_WEIGHTS
from shared.demo.words import COLORS, NOUNS
from shared.demo.world import SIZES, Scene, ask_kind, draw, scene
from training.shapes import FACTOR, MERGE, PATCH

IGNORED = -100
FOLLOW_UP = 0.15  # how often a branch has a second turn
LOOK_UP_WEIGHTS = {  # what is hard comes often
    "where": 5, "place": 2, "middle": 1, "exists": 5, "relation": 8, "count": 1, "list": 3, "background": 1,
}  # fmt: skip
LOOK_UPS = 6  # questions per picture besides its description


@dataclass(frozen=True)
class Lesson:
    """One batch; `length` counts the tokens of the longest picture with its branches."""

    grid: tuple[int, int]  # patches down, right
    patches: Tensor  # [pictures, patches, 3 * PATCH * PATCH]
    words: Tensor  # [pictures, visual]: noun, or colour after the nouns
    cells: Tensor  # [pictures, visual]: cell of the thing, IGNORED on the background
    ids: Tensor  # [pictures, length]
    labels: Tensor  # [pictures, length]: the next token where it belongs to an answer, else IGNORED
    positions: Tensor  # [3, pictures, length]
    mask: Tensor  # [pictures, 1, length, length], bool
    first_visual: int


def patches_of(pixels: np.ndarray) -> Tensor:
    """[height, width, 3] bytes as the image processor's patches of one frame, in merge-block order."""
    height, width, _ = pixels.shape
    blocks = pixels.reshape(height // FACTOR, MERGE, PATCH, width // FACTOR, MERGE, PATCH, 3)
    flat = blocks.transpose(0, 3, 1, 4, 6, 2, 5).reshape(-1, 3 * PATCH * PATCH)
    return torch.from_numpy(flat.astype(np.float32)) / 127.5 - 1


def visual_labels(scene: Scene) -> tuple[Tensor, Tensor]:
    """What each visual token shows (word index) and in which cell that lies."""
    down = torch.arange(scene.height // FACTOR)[:, None] * FACTOR + FACTOR / 2
    right = torch.arange(scene.width // FACTOR)[None] * FACTOR + FACTOR / 2
    words = torch.full((len(down), right.shape[1]), len(NOUNS) + list(COLORS).index(scene.background))
    cells = torch.full_like(words, IGNORED)
    for thing in scene.things:
        top, left, side = scene.box(thing)
        inside = ((down - top) ** 2 + (right - left) ** 2).sqrt() < 0.52 * side
        words[inside] = NOUNS.index(thing.noun)
        cells[inside] = thing.cell
    return words.flatten(), cells.flatten()


class Teacher:
    """Makes lessons from seeds; the same step gives the same lesson."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, pictures: int) -> None:
        self.pictures = pictures
        self._tokenizer = tokenizer.backend_tokenizer
        self._before = self._encode("<|im_start|>user\n<|vision_start|>")
        self._pad = tokenizer.convert_tokens_to_ids("<|image_pad|>")
        self._after = self._encode("<|vision_end|>")
        self._reply = self._encode("<|im_end|>\n<|im_start|>assistant\n")
        self._end = self._encode("<|im_end|>")
        self._next_turn = self._encode("\n<|im_start|>user\n")

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def lesson(self, step: int) -> Lesson:
        """The lesson of a step, from training seeds of its own."""
        rng = random.Random(f"lesson/{step}")
        size = rng.choices(SIZES, SIZE_WEIGHTS)[0]
        scenes = [scene(step * self.pictures + index, size) for index in range(self.pictures)]
        return self.lesson_about(scenes, rng)

    def lesson_about(self, scenes: list[Scene], rng: random.Random) -> Lesson:
        """A lesson about scenes of one size."""
        rows, columns = scenes[0].height // FACTOR, scenes[0].width // FACTOR
        labelled = [visual_labels(each) for each in scenes]
        branches = [self._branches(each, rng) for each in scenes]
        beginning = [*self._before, *[self._pad] * (rows * columns), *self._after]
        length = len(beginning) + max(sum(len(ids) for ids, _ in each) for each in branches)
        packed = [self._pack(beginning, (rows, columns), each, length) for each in branches]
        ids, labels, owners, positions = (torch.stack(parts) for parts in zip(*packed, strict=True))
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        same = (owners[:, :, None] == owners[:, None, :]) | (owners[:, None, :] == 0)
        return Lesson(
            grid=(rows * MERGE, columns * MERGE),
            patches=torch.stack([patches_of(np.asarray(draw(each))) for each in scenes]),
            words=torch.stack([words for words, _ in labelled]),
            cells=torch.stack([cells for _, cells in labelled]),
            ids=ids,
            labels=labels,
            positions=positions.permute(1, 0, 2),
            mask=(same & causal)[:, None],
            first_visual=len(self._before),
        )

    def _branches(self, scene: Scene, rng: random.Random) -> list[tuple[list[int], list[int]]]:
        kinds = ["describe", *rng.choices(tuple(LOOK_UP_WEIGHTS), tuple(LOOK_UP_WEIGHTS.values()), k=LOOK_UPS)]
        branches = []
        for kind in kinds:
            ids, labels = self._exchange(scene, kind, rng, [])
            if rng.random() < FOLLOW_UP:
                more, more_labels = self._exchange(scene, rng.choice(tuple(LOOK_UP_WEIGHTS)), rng, self._next_turn)
                ids, labels = ids + more, labels + more_labels
            shifted = [*labels[1:], IGNORED]  # a label is the token to come
            branches.append((ids, shifted))
        return branches

    def _exchange(self, scene: Scene, kind: str, rng: random.Random, before: list[int]) -> tuple[list[int], list[int]]:
        question = ask_kind(scene, kind, rng)
        asked = [*before, *self._encode(question.prompt), *self._reply]
        answer = [*self._encode(question.answer), *self._end]
        return asked + answer, [IGNORED] * len(asked) + answer

    @staticmethod
    def _pack(
        beginning: list[int], grid: tuple[int, int], branches: list[tuple[list[int], list[int]]], length: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rows, columns = grid
        first = len(beginning) - rows * columns - 1
        down = [*range(first), *(first + row for row in range(rows) for _ in range(columns))]
        right = [*range(first), *(first + column for _ in range(rows) for column in range(columns))]
        time = [*range(first), *[first] * (rows * columns)]
        restart = first + max(rows, columns)
        ids, labels, owners = list(beginning), [IGNORED] * len(beginning), [0] * len(beginning)
        text = [restart]
        for number, (branch, wanted) in enumerate(branches, start=1):
            ids += branch
            labels += wanted
            owners += [number] * len(branch)
            text += range(restart + 1, restart + 1 + len(branch))
        missing = length - len(ids)
        pad = [0] * missing
        positions = torch.tensor([axis + text + pad for axis in (time, down, right)])
        return (
            torch.tensor(ids + pad),
            torch.tensor(labels + [IGNORED] * missing),
            torch.tensor(owners + [len(branches) + 1] * missing),
            positions,
        )
