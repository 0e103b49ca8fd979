"""Batches for training: pictures of one size, several questions each, run as branches after a shared beginning.

A branch sees the beginning (with the picture) and itself; its positions restart where the beginning ends, so a
branch is exactly a run of its own.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from shared.demo.questions import Question, neighbour
from shared.demo.rich import RICH_SIZE_WEIGHTS, sides
from shared.demo.scenes import SIZE_WEIGHTS
from shared.demo.words import COLORS, NOUNS
from shared.demo.world import RICH_SIZES, SIZES, Scene, ask_kind, draw, rich_scene, scene
from training.shapes import FACTOR, MERGE, PATCH

IGNORED = -100
FOLLOW_UP = 0.15  # how often a branch has a second turn
LOOK_UP_WEIGHTS = {  # what is hard comes often
    "where": 4, "place": 3, "middle": 1, "exists": 4, "relation": 9, "count": 3, "list": 3, "background": 1,
}  # fmt: skip
COUNTING_WEIGHTS = {  # what hangs on how many things there are
    "where": 1, "place": 1, "middle": 1, "exists": 1, "relation": 4, "count": 12, "list": 8, "background": 1,
}  # fmt: skip
BOARDS = (9, 16, 25)  # cells of the boards there are
SIDE_WEIGHTS = {3: 6.0, 4: 1.5, 5: 2.5}  # larger boards come more often than in the world


@dataclass(frozen=True)
class Course:
    """What the lessons are about."""

    pictures: int  # small ones in a lesson
    look_ups: int = 6  # questions about a picture besides its description
    counting: bool = False  # whether they ask more about the number of things
    rich: float = 0.0  # part of the lessons that show rich scenes
    visual: int = 800  # most visual tokens of all rich pictures in a lesson
    sight: float = 1.0  # part of the rich lessons in which the vision tower learns too
    board: float = 0.0  # how often a picture of three by three cells is also read as a board


@dataclass(frozen=True)
class Lesson:
    """One batch; `length` counts the tokens of the longest picture with its branches."""

    grid: tuple[int, int]  # patches down, right
    patches: Tensor  # [pictures, patches, 3 * PATCH * PATCH]
    words: Tensor  # [pictures, visual]: noun, or colour after the nouns
    cells: Tensor  # [pictures, visual]: cell of the thing, counted through all BOARDS, IGNORED on the background
    spots: Tensor  # [pictures, visual]: the cell that is seen here: its thing, or its ground if it is empty
    ids: Tensor  # [pictures, length]
    labels: Tensor  # [pictures, length]: the next token where it belongs to an answer, else IGNORED
    looks: Tensor  # [pictures, length]: the cell that matters for the next token, or IGNORED
    positions: Tensor  # [3, pictures, length]
    mask: Tensor  # [pictures, 1, length, length], bool
    first_visual: int
    sight: bool  # whether the vision tower learns


def patches_of(pixels: np.ndarray) -> Tensor:
    """[height, width, 3] bytes as the image processor's patches of one frame, in merge-block order."""
    height, width, _ = pixels.shape
    blocks = pixels.reshape(height // FACTOR, MERGE, PATCH, width // FACTOR, MERGE, PATCH, 3)
    flat = blocks.transpose(0, 3, 1, 4, 6, 2, 5).reshape(-1, 3 * PATCH * PATCH)
    return torch.from_numpy(flat.astype(np.float32)) / 127.5 - 1


def visual_labels(scene: Scene) -> tuple[Tensor, Tensor, Tensor]:
    """What each visual token shows (word index), its thing's cell among all boards, and the cell that is seen there."""
    down = torch.arange(scene.height // FACTOR)[:, None] * FACTOR + FACTOR / 2
    right = torch.arange(scene.width // FACTOR)[None] * FACTOR + FACTOR / 2
    row = (down * scene.side / scene.height).long()
    spots = row * scene.side + (right * scene.side / scene.width).long()
    words = torch.full_like(spots, len(NOUNS) + list(COLORS).index(scene.background))
    cells = torch.full_like(spots, IGNORED)
    first = sum(board for board in BOARDS if board < scene.side**2)
    for thing in scene.things:
        spots[spots == thing.cell] = IGNORED
    for thing in scene.things:
        top, left, side = scene.box(thing)
        inside = ((down - top) ** 2 + (right - left) ** 2).sqrt() < 0.52 * side
        words[inside] = NOUNS.index(thing.noun)
        cells[inside] = first + thing.cell
        spots[inside] = thing.cell
    return words.flatten(), cells.flatten(), spots.flatten()


@dataclass(frozen=True)
class Branch:
    """One conversation about a picture: its tokens, and for each the token to come and the cell that matters."""

    ids: list[int]
    labels: list[int]
    looks: list[int]

    def __add__(self, other: Branch) -> Branch:
        return Branch(self.ids + other.ids, self.labels + other.labels, self.looks + other.looks)


class Teacher:
    """Makes lessons from seeds; the same step gives the same lesson."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, course: Course) -> None:
        self.course = course
        self._tokenizer = tokenizer.backend_tokenizer
        self._before = self._encode("<|im_start|>user\n<|vision_start|>")
        self._pad = tokenizer.convert_tokens_to_ids("<|image_pad|>")
        self._after = self._encode("<|vision_end|>")
        self._reply = self._encode("<|im_end|>\n<|im_start|>assistant\n")
        self._end = self._encode("<|im_end|>")
        self._next_turn = self._encode("\n<|im_start|>user\n")
        self._nouns = {self._encode(form)[0]: noun for noun in NOUNS for form in (noun, f" {noun}")}
        self._nothing = {self._encode(form)[0] for form in ("Nothing", " nothing")}
        self._articles = {self._encode(form)[0] for form in ("A", "An", "The", " a", " an")}

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def lesson(self, step: int) -> Lesson:
        """The lesson of a step, from training seeds of its own."""
        rng = random.Random(f"lesson/{step}")
        first = step * 16
        if rng.random() < self.course.rich:
            size = rng.choices(RICH_SIZES, RICH_SIZE_WEIGHTS)[0]
            count = max(1, self.course.visual * FACTOR**2 // (size[0] * size[1]))
            drawn = rng.choices(sides(size), [SIDE_WEIGHTS[side] for side in sides(size)], k=count)
            scenes = [rich_scene(first + index, size, side) for index, side in enumerate(drawn)]
            return replace(self.lesson_about(scenes, rng), sight=rng.random() < self.course.sight)
        size = rng.choices(SIZES, SIZE_WEIGHTS)[0]
        return self.lesson_about([scene(first + index, size) for index in range(self.course.pictures)], rng)

    def lesson_about(self, scenes: list[Scene], rng: random.Random) -> Lesson:
        """A lesson about scenes of one size."""
        rows, columns = scenes[0].height // FACTOR, scenes[0].width // FACTOR
        words, cells, spots = (torch.stack(each) for each in zip(*map(visual_labels, scenes), strict=True))
        branches = [self._branches(each, rng) for each in scenes]
        beginning = [*self._before, *[self._pad] * (rows * columns), *self._after]
        length = len(beginning) + max(sum(len(branch.ids) for branch in each) for each in branches)
        packed = [self._pack(beginning, (rows, columns), each, length) for each in branches]
        ids, labels, looks, owners, positions = (torch.stack(parts) for parts in zip(*packed, strict=True))
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        same = (owners[:, :, None] == owners[:, None, :]) | (owners[:, None, :] == 0)
        return Lesson(
            grid=(rows * MERGE, columns * MERGE),
            patches=torch.stack([patches_of(np.asarray(draw(each))) for each in scenes]),
            words=words,
            cells=cells,
            spots=spots,
            ids=ids,
            labels=labels,
            looks=looks,
            positions=positions.permute(1, 0, 2),
            mask=(same & causal)[:, None],
            first_visual=len(self._before),
            sight=True,
        )

    def _branches(self, scene: Scene, rng: random.Random) -> list[Branch]:
        if scene.side != 3:
            return [self._exchange(scene, kind, rng, []) for kind in ("board", "background")]
        weights = COUNTING_WEIGHTS if self.course.counting else LOOK_UP_WEIGHTS
        drawn = rng.choices(tuple(weights), tuple(weights.values()), k=self.course.look_ups)
        kinds = ["describe", *drawn, *(["board"] if rng.random() < self.course.board else [])]
        branches = []
        for kind in kinds:
            branch = self._exchange(scene, kind, rng, [])
            if rng.random() < FOLLOW_UP:
                branch += self._exchange(scene, rng.choice(tuple(LOOK_UP_WEIGHTS)), rng, self._next_turn)
            branches.append(branch)
        return branches

    def _exchange(self, scene: Scene, kind: str, rng: random.Random, before: list[int]) -> Branch:
        question = ask_kind(scene, kind, rng)
        asked = [*before, *self._encode(question.prompt), *self._reply]
        answer = [*self._encode(question.answer), *self._end]
        labels = [*[IGNORED] * (len(asked) - 1), *answer, IGNORED]  # a label is the token to come
        return Branch(asked + answer, labels, self._looks(scene, question, asked, answer))

    def _looks(self, scene: Scene, question: Question, asked: list[int], answer: list[int]) -> list[int]:
        """The cell of the noun to come, before its article too; the neighbour's at the noun it is asked of."""
        at = {thing.noun: thing for thing in scene.things}
        looks = [IGNORED] * (len(asked) + len(answer))
        cell = 0
        for index, token in enumerate(answer, start=len(asked)):
            noun = self._nouns.get(token)
            if noun in at:
                looks[index - 1] = at[noun].cell
                if index > len(asked) and answer[index - len(asked) - 1] in self._articles:
                    looks[index - 2] = at[noun].cell
            elif question.kind == "board" and token in self._nothing:
                looks[index - 1] = cell
            cell += noun is not None or token in self._nothing
        if question.kind == "relation":
            relation = question.prompt.removeprefix("What is ").split(" the ")[0]
            place = max(index for index, token in enumerate(asked) if token in self._nouns)
            found = neighbour(scene, at[self._nouns[asked[place]]], relation)
            looks[place] = IGNORED if found is None else found.cell
        return looks

    @staticmethod
    def _pack(
        beginning: list[int], grid: tuple[int, int], branches: list[Branch], length: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        rows, columns = grid
        first = len(beginning) - rows * columns - 1
        down = [*range(first), *(first + row for row in range(rows) for _ in range(columns))]
        right = [*range(first), *(first + column for _ in range(rows) for column in range(columns))]
        time = [*range(first), *[first] * (rows * columns)]
        restart = first + max(rows, columns)
        ignored, none = [IGNORED] * len(beginning), [IGNORED] * length
        whole = sum(branches, Branch(beginning, ignored, ignored))
        owners, text = [0] * len(beginning), [restart]
        for number, branch in enumerate(branches, start=1):
            owners += [number] * len(branch.ids)
            text += range(restart + 1, restart + 1 + len(branch.ids))
        pad = [0] * (length - len(owners))
        return (
            torch.tensor(whole.ids + pad),
            torch.tensor((whole.labels + none)[:length]),
            torch.tensor((whole.looks + none)[:length]),
            torch.tensor(owners + [len(branches) + 1] * len(pad)),
            torch.tensor([axis + text + pad for axis in (time, down, right)]),
        )
