"""The world: pure in its seed, answers that follow from the scene, pictures without any system font."""

from __future__ import annotations

import random
from itertools import islice

import numpy as np
import pytest
from PIL import ImageFont

from shared.demo.descriptions import STYLES, placed_nouns
from shared.demo.questions import RELATIONS, neighbour
from shared.demo.scenes import HELD_OUT
from shared.demo.words import NOUNS, NUMBERS, PLACES
from shared.demo.world import KINDS, SIZES, ask, ask_kind, draw, held_out_questions, held_out_scenes, scene
from shared.demo.world import training_scenes as endless

SEEDS = range(60)


def test_a_seed_determines_scene_picture_and_question() -> None:
    for seed in SEEDS:
        assert scene(seed) == scene(seed)
        assert np.array_equal(np.asarray(draw(scene(seed))), np.asarray(draw(scene(seed))))
        assert ask(scene(seed), random.Random(seed)) == ask(scene(seed), random.Random(seed))


def test_neighbouring_seeds_give_different_scenes() -> None:
    assert len({scene(seed) for seed in SEEDS}) == len(SEEDS)


def test_training_and_held_out_seeds_are_disjoint() -> None:
    assert list(islice(endless(), 5)) == [scene(seed) for seed in range(5)]
    assert list(endless(HELD_OUT)) == []
    assert list(held_out_scenes(3)) == [scene(HELD_OUT + index) for index in range(3)]
    assert [unseen for unseen, _ in held_out_questions("where", 3)] == list(held_out_scenes(3))
    assert list(held_out_questions("where", 2, first=1)) == list(held_out_questions("where", 3))[1:]


def test_things_differ_and_stand_in_cells_of_their_own_in_reading_order() -> None:
    for seed in SEEDS:
        things = scene(seed).things
        cells = [thing.cell for thing in things]
        assert 1 <= len(things) <= 5
        assert cells == sorted(set(cells))
        assert len({thing.noun for thing in things}) == len(things)


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_has_the_size_of_its_scene(size: tuple[int, int]) -> None:
    height, width = size
    assert draw(scene(1, size)).size == (width, height)
    assert draw(scene(1, size), scale=2).size == (2 * width, 2 * height)


def test_drawing_needs_no_font(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a font was opened")

    monkeypatch.setattr(ImageFont, "truetype", refuse)
    monkeypatch.setattr(ImageFont, "load_default", refuse)
    draw(scene(0))


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.write.__name__)
def test_a_description_names_every_thing_at_its_place(style) -> None:  # type: ignore[no-untyped-def]
    for seed in SEEDS:
        shown = scene(seed)
        by_place = {(thing.noun, PLACES[thing.cell]) for thing in shown.things}
        by_row = {(thing.noun, f"{('top', 'middle', 'bottom')[thing.cell // 3]} row") for thing in shown.things}
        assert placed_nouns(style.write(shown)) in (by_place, by_row)


def test_where_and_place_are_inverse() -> None:
    for seed in SEEDS:
        shown = scene(seed)
        for thing in shown.things:
            for attempt in range(6):
                question = ask_kind(shown, "where", random.Random(attempt))
                if question.prompt == f"Where is the {thing.noun}?":
                    assert question.answer == f"The {thing.noun} is {PLACES[thing.cell]}."


def test_an_absent_thing_is_never_said_to_be_there() -> None:
    for seed in SEEDS:
        shown = scene(seed)
        present = {thing.noun for thing in shown.things}
        for kind in ("where", "exists"):
            question = ask_kind(shown, kind, random.Random(seed))
            noun = next(word for word in question.prompt.rstrip("?").split() if word in NOUNS)
            denied = question.answer.startswith(("No,", "There is no"))
            assert denied == (noun not in present)


def test_yes_and_no_are_balanced() -> None:
    answers = [question.answer for _, question in held_out_questions("exists", 600)]
    assert 0.42 < sum(answer.startswith("Yes") for answer in answers) / len(answers) < 0.58


def test_the_count_is_the_number_of_things() -> None:
    for seed in SEEDS:
        shown = scene(seed)
        assert f" {NUMBERS[len(shown.things)]} thing" in ask_kind(shown, "count", random.Random(seed)).answer


def test_neighbours_lie_on_opposite_sides_of_each_other() -> None:
    opposite = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
    for seed in SEEDS:
        shown = scene(seed)
        for thing in shown.things:
            for relation in RELATIONS:
                found = neighbour(shown, thing, relation)
                assert found is None or neighbour(shown, found, opposite[relation]) == thing


@pytest.mark.parametrize("kind", KINDS)
def test_every_named_noun_of_an_answer_is_asked_for_or_shown(kind: str) -> None:
    for unseen, question in held_out_questions(kind, 60):
        present = {thing.noun for thing in unseen.things}
        named = {word.strip(".,:").lower() for word in question.answer.split()} & set(NOUNS)
        assert named <= present | {word for word in question.prompt.rstrip("?").split() if word in NOUNS}
