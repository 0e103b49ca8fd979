"""Training: one token a word, and a fast forward that is the stock forward."""

from __future__ import annotations

import random

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from shared.demo.words import COLORS, NOUNS, NUMBERS
from shared.demo.world import Scene, draw, rich_scene, scene
from training.export import image_processor
from training.lessons import IGNORED, Course, Lesson, Teacher
from training.pupil import Pupil
from training.shapes import SHAPES
from training.tokenizer import make_tokenizer

SMALL = (scene(5, (96, 160)), scene(6, (96, 160)))
RICH = (rich_scene(5, (256, 272), 3), rich_scene(6, (256, 272), 5))


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return make_tokenizer()


def test_every_word_of_the_world_is_one_token(tokenizer: PreTrainedTokenizerFast) -> None:
    for word in (*NOUNS, *COLORS, *NUMBERS, "left", "right", "top", "bottom", "middle", "nothing"):
        assert len(tokenizer.encode(f" {word}", add_special_tokens=False)) == 1
    for word in NOUNS:
        assert len(tokenizer.encode(word, add_special_tokens=False)) == 1


def test_any_text_survives_the_tokenizer(tokenizer: PreTrainedTokenizerFast) -> None:
    for text in ("Wo ist der Hund?", "πάντα ῥεῖ 42\n", "🦊 & co.", "a  b\tc"):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def branches(lesson: Lesson, picture: int) -> list[tuple[int, int]]:
    """[start, end) of every branch with answers."""
    start = lesson.first_visual + lesson.words.shape[1] + 1
    found = []
    while start < lesson.ids.shape[1]:
        end = start + int(lesson.mask[picture, 0, start:, start].sum())
        if bool((lesson.labels[picture, start:end] != IGNORED).any()):
            found.append((start, end))
        start = end
    return found


def stock_logits(pupil: Pupil, ids: torch.Tensor, shown: Scene) -> torch.Tensor:
    """The stock forward of one sequence [1, length] about one picture."""
    seen = image_processor()(images=[draw(shown)], return_tensors="pt")
    pupil.model.model.rope_deltas = None
    logits = pupil.model(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        mm_token_type_ids=(ids == pupil.model.config.image_token_id).int(),
        pixel_values=seen["pixel_values"],
        image_grid_thw=seen["image_grid_thw"],
    ).logits
    assert isinstance(logits, torch.Tensor)
    return logits[0]


@pytest.mark.parametrize("scenes", [SMALL, RICH], ids=["small", "rich"])
@pytest.mark.parametrize("name", SHAPES)
def test_branches_of_one_picture_equal_stock_runs_of_their_own(
    name: str, scenes: tuple[Scene, Scene], tokenizer: PreTrainedTokenizerFast
) -> None:
    torch.manual_seed(0)
    pupil = Pupil(SHAPES[name], tokenizer).eval()
    lesson = Teacher(tokenizer, Course(2, board=1.0)).lesson_about(list(scenes), random.Random(0))
    beginning = lesson.first_visual + lesson.words.shape[1] + 1
    with torch.no_grad():
        for value in pupil.parameters():
            if value.ndim > 1:
                value.normal_(0, 0.08)
        fast = pupil.reply(lesson, pupil.look(lesson)).logits
        taught = (lesson.labels != IGNORED).nonzero()
        for start, end in branches(lesson, 1):
            ids = torch.cat([lesson.ids[1, :beginning], lesson.ids[1, start:end]])[None]
            stock = stock_logits(pupil, ids, scenes[1])
            mine = (taught[:, 0] == 1) & (taught[:, 1] >= start) & (taught[:, 1] < end)
            torch.testing.assert_close(fast[mine], stock[taught[mine, 1] - start + beginning], atol=1e-4, rtol=1e-4)


def test_a_lesson_is_a_function_of_its_step(tokenizer: PreTrainedTokenizerFast) -> None:
    for rich in (0.0, 1.0):
        first, second = (Teacher(tokenizer, Course(2, rich=rich, sight=0.5)).lesson(3) for _ in range(2))
        assert torch.equal(first.ids, second.ids)
        assert torch.equal(first.patches, second.patches)
        assert first.sight == second.sight
        assert first.words.shape[1] >= (256 if rich else 60)
