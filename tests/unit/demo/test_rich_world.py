"""Rich scenes: large textured pictures whose marks no answer mentions, and boards read cell by cell."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from shared.demo.backgrounds import PATTERNS, pattern
from shared.demo.drawing import STRONGEST_GRAIN, sprites
from shared.demo.questions import held_out_rich_questions, kinds_of
from shared.demo.rich import FULLNESS, RICH_SIZES, held_out_rich_scenes, rich_scene, sides
from shared.demo.scenes import HELD_OUT, Texture, scene
from shared.demo.words import NOUNS, NUMBERS, with_article
from shared.demo.world import KINDS, Scene, ask, ask_kind, draw
from training.shapes import FACTOR
from training.tokenizer import make_tokenizer

SEEDS = range(40)
BILINEAR = Image.Resampling.BILINEAR
THINGS_OF_SEVEN = [("whale", 0), ("fox", 1), ("monkey", 4), ("cake", 5), ("pizza", 6)]


def bare(shown: Scene) -> Scene:
    """The same things on a plain background."""
    return replace(shown, texture=None, marks=(), ruled=False)


def test_a_seed_determines_the_rich_scene_and_its_picture() -> None:
    for seed in SEEDS:
        assert rich_scene(seed) == rich_scene(seed)
        assert np.array_equal(np.asarray(draw(rich_scene(seed))), np.asarray(draw(rich_scene(seed))))
    assert len({rich_scene(seed) for seed in SEEDS}) == len(SEEDS)
    assert list(held_out_rich_scenes(2, first=3)) == [rich_scene(HELD_OUT + 3), rich_scene(HELD_OUT + 4)]


def test_small_plain_scenes_stay_as_they_were() -> None:
    things = [(thing.noun, thing.cell) for thing in scene(7).things]
    assert things == THINGS_OF_SEVEN
    assert bare(scene(7)) == scene(7)


@pytest.mark.parametrize("size", RICH_SIZES)
def test_a_rich_picture_has_256_to_576_visual_tokens(size: tuple[int, int]) -> None:
    height, width = size
    assert height % FACTOR == width % FACTOR == 0
    assert 256 <= height * width // FACTOR**2 <= 576
    assert draw(rich_scene(1, size)).size == (width, height)


def test_things_of_a_board_differ_and_stand_in_cells_of_their_own_in_reading_order() -> None:
    for seed in SEEDS:
        for side in (3, 4, 5):
            shown = rich_scene(seed, side=side)
            cells = [thing.cell for thing in shown.things]
            assert cells == sorted(set(cells))
            assert len({thing.noun for thing in shown.things}) == len(cells)
            assert set(cells) <= set(range(side**2))
            assert side in sides((shown.height, shown.width))
            assert side == 3 or min(shown.height, shown.width) / side >= 51
            assert side == 3 or FULLNESS[side][0] <= len(cells) <= FULLNESS[side][1]


def test_a_thing_s_middle_lies_in_its_cell() -> None:
    for seed in SEEDS:
        shown = rich_scene(seed)
        for thing in shown.things:
            down, right, _ = shown.box(thing)
            row, column = int(down * shown.side / shown.height), int(right * shown.side / shown.width)
            assert row * shown.side + column == thing.cell


def test_marks_texture_and_lines_never_change_an_answer() -> None:
    for seed in SEEDS:
        shown = rich_scene(seed)
        for kind in kinds_of(shown):
            assert ask_kind(shown, kind, random.Random(seed)) == ask_kind(bare(shown), kind, random.Random(seed))


def test_marks_hide_nothing() -> None:
    for seed in SEEDS:
        shown = rich_scene(seed)
        assert shown.marks
        with_marks, without = (np.asarray(draw(each)) for each in (shown, replace(shown, marks=())))
        assert not np.array_equal(with_marks, without)
        for thing in shown.things:
            down, right, side = shown.box(thing)
            sprite = sprites()[thing.noun].resize((round(side), round(side)), BILINEAR, reducing_gap=2.0)
            solid = np.asarray(sprite.rotate(thing.turn, BILINEAR))[..., 3] == 255
            top, left = round(down - side / 2), round(right - side / 2)
            rows, columns = np.nonzero(solid)
            rows, columns = rows + top, columns + left
            inside = (rows >= 0) & (columns >= 0) & (rows < shown.height) & (columns < shown.width)
            spot = rows[inside], columns[inside]
            assert np.array_equal(with_marks[spot], without[spot])


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_texture_varies_and_never_exceeds_its_strength(kind: str) -> None:
    for seed in range(8):
        texture = Texture(kind, 20.0, 7.0 + 4 * seed, 25.0 * seed, seed)
        moved = pattern(texture, (96, 160), 1.0)
        assert moved.shape == (96, 160, 1)
        assert 8 < np.abs(moved).max() <= 20
        plain = Scene(96, 160, "gray", (128, 128, 128), STRONGEST_GRAIN, ())
        shade = np.asarray(draw(replace(plain, texture=texture))).astype(int)
        assert np.abs(shade - 128).max() <= 20 + STRONGEST_GRAIN


def test_a_board_is_read_cell_by_cell_in_order() -> None:
    for seed in SEEDS:
        for side in (3, 4, 5):
            shown = rich_scene(seed, side=side)
            question = ask_kind(shown, "board", random.Random(seed))
            assert f"{NUMBERS[side]} by {NUMBERS[side]} board" in question.prompt
            sentences = question.answer.removesuffix(".").split(". ")
            assert len(sentences) == side**2
            for cell, said in enumerate(sentences):
                row, column = divmod(cell, side)
                found = next((with_article(thing.noun) for thing in shown.things if thing.cell == cell), "nothing")
                assert said == f"In row {NUMBERS[row + 1]}, column {NUMBERS[column + 1]} there is {found}"


def test_reading_the_largest_board_takes_200_tokens_and_more() -> None:
    tokenizer = make_tokenizer()
    for seed in SEEDS:
        answer = ask_kind(rich_scene(seed, side=5), "board", random.Random(seed)).answer
        assert len(tokenizer.encode(answer, add_special_tokens=False)) >= 200


def test_what_has_no_place_name_is_asked_by_row_and_column_alone() -> None:
    for seed in SEEDS:
        shown = rich_scene(seed)
        assert kinds_of(shown) == (tuple(KINDS) if shown.side == 3 else ("background", "board"))
        assert ask(shown, random.Random(seed)).kind in kinds_of(shown)


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_rich_questions_name_what_is_asked_for_or_shown(kind: str) -> None:
    seen_sides = set()
    for unseen, question in held_out_rich_questions(kind, 30):
        seen_sides.add(unseen.side)
        present = {thing.noun for thing in unseen.things}
        named = {word.strip(".,:").lower() for word in question.answer.split()} & set(NOUNS)
        assert named <= present | {word for word in question.prompt.rstrip("?").split() if word in NOUNS}
    assert seen_sides == ({3, 4, 5} if kind == "board" else {3})
