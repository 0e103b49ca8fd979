"""What a lesson tells the heads to look at, plans in steps, and packaged weights taken up again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from shared.demo.words import NOUNS
from shared.demo.world import Scene, rich_scene, scene
from training.adopt import rows
from training.lessons import BOARDS, IGNORED, Course, Lesson, Teacher, visual_labels
from training.plans import PLANS, rate_at
from training.shapes import FACTOR
from training.tokenizer import LATER_WORDS, make_tokenizer
from training.train import write

ARTICLES = ("A", "An", "The", " a", " an")


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return make_tokenizer()


def lesson_about(shown: Scene, tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> Lesson:
    return Teacher(tokenizer, Course(1, look_ups=20, board=1.0)).lesson_about([shown], random.Random(seed))


def test_a_noun_to_come_is_looked_for_in_its_cell(tokenizer: PreTrainedTokenizerFast) -> None:
    nouns = {tokenizer.encode(form, add_special_tokens=False)[0]: noun for noun in NOUNS for form in (noun, f" {noun}")}
    for shown in (scene(3), rich_scene(3, side=3), rich_scene(4, side=5)):
        at = {thing.noun: thing.cell for thing in shown.things}
        lesson = lesson_about(shown, tokenizer)
        for label, look in zip(lesson.labels[0].tolist(), lesson.looks[0].tolist(), strict=True):
            if nouns.get(label) in at:
                assert look == at[nouns[label]]


def test_an_empty_cell_of_a_board_is_looked_at_too(tokenizer: PreTrainedTokenizerFast) -> None:
    shown = rich_scene(4, side=5)
    lesson = lesson_about(shown, tokenizer)
    nothing = tokenizer.encode(" nothing", add_special_tokens=False)[0]
    looked = lesson.looks[0][lesson.labels[0] == nothing].tolist()
    assert looked == [cell for cell in range(25) if shown.at(cell) is None]


def test_a_relation_is_looked_for_from_the_noun_it_is_asked_of(tokenizer: PreTrainedTokenizerFast) -> None:
    asked = 0
    for seed in range(6):
        shown = rich_scene(seed, side=3)
        text = lesson_about(shown, tokenizer, seed)
        words = [tokenizer.decode([token]) for token in text.ids[0].tolist()]
        for place, word in enumerate(words):
            if word == "?" and int(text.looks[0, place - 1]) != IGNORED and text.labels[0, place - 1] == IGNORED:
                noun, found = words[place - 1].strip(), shown.at(int(text.looks[0, place - 1]))
                assert found is not None
                assert found.noun != noun
                answered = " ".join(words[place : place + 24])
                assert found.noun in answered
                asked += 1
    assert asked > 5


def test_every_visual_token_shows_one_thing_or_the_ground_of_an_empty_cell() -> None:
    for shown in (scene(3), rich_scene(3), rich_scene(4, side=4), rich_scene(4, side=5)):
        words, cells, spots = visual_labels(shown)
        assert len(words) == shown.height * shown.width // FACTOR**2
        first = sum(board for board in BOARDS if board < shown.side**2)
        for thing in shown.things:
            here = words == NOUNS.index(thing.noun)
            assert bool(here.any())
            assert bool((spots[here] == thing.cell).all())
            assert bool((cells[here] == first + thing.cell).all())
        ground = (words >= len(NOUNS)) & (spots != IGNORED)
        assert all(shown.at(int(cell)) is None for cell in spots[ground])


def test_later_words_leave_every_older_id_as_it_was(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = tokenizer.get_vocab()
    newest_special = tokenizer.convert_tokens_to_ids("<|video_pad|>")
    for word in LATER_WORDS:
        (token,) = tokenizer.encode(word, add_special_tokens=False)
        assert token > newest_special
    assert sorted(ids.values()) == list(range(len(ids)))
    assert newest_special == 638  # as in version 1 of the packaged pair


def test_a_tokenizer_read_back_is_the_same(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    read = AutoTokenizer.from_pretrained(tmp_path)
    text = "In row two, column three there is a fox. In row three there is <|im_end|>\n board through"
    assert read.encode(text) == tokenizer.encode(text)
    assert read.decode(read.encode(text)) == text


def test_a_token_that_both_know_keeps_its_row() -> None:
    old = torch.arange(12.0).reshape(4, 3)
    found = rows(old, {"a": 0, "b": 1, "c": 2, "d": 3}, {"d": 0, "new": 1, "a": 2})
    assert torch.equal(found[0], old[3])
    assert torch.equal(found[2], old[0])
    assert bool(found[1].isfinite().all())


def test_a_rate_rises_stays_and_falls() -> None:
    for plan in PLANS.values():
        rates = [rate_at(step, plan) for step in range(plan.steps)]
        assert rates[0] < 0.1 * plan.rate
        assert max(rates) == pytest.approx(plan.rate, rel=1e-3)
        assert plan.falling == 0 or rates[-1] < 0.03 * plan.rate
        level = plan.steps - int(plan.steps * plan.falling) - 1
        assert plan.falling == 1 or rates[level] == pytest.approx(plan.rate)


def test_every_stage_starts_from_one_of_the_same_model() -> None:
    for plan in PLANS.values():
        assert plan.before is None or PLANS[plan.before].model == plan.model


def test_a_checkpoint_is_written_whole(tmp_path: Path) -> None:
    write(tmp_path / "target.pt", {"model": {"weight": torch.ones(2)}}, 7, 1.5)
    saved = torch.load(tmp_path / "target.pt", weights_only=True)
    assert saved["steps"] == 7
    assert [path.name for path in tmp_path.iterdir()] == ["target.pt"]
