"""What a device keeps, and that choosing costs nothing where all is kept."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from device_client.prune.budget import PREFILL_SECONDS
from device_client.prune.wish import PRUNERS, Choice, parse_budget, parse_choice
from device_client.reduce import READ_FOR_SEE, Asked, Reducer, last_words
from shared.errors import InvalidValue
from shared.shares import Count, Ratio, Share, share_of
from shared.speculation.request import Message, Picture, Text
from shared.vlm.attending import most_attended, told
from shared.vlm.port import Vlm
from shared.vlm.single import prefill
from shared.vlm.toy import ToyVlm
from tests.support.chats import known, turns
from tests.support.models import assert_alike
from tests.support.tiny_qwen import picture, question, tiny_qwen

PICTURES = [picture(1, 90, 60), picture(2, 40, 70)]


def about_two(vlm: Vlm) -> Asked:
    messages = question("where is the dog?", 2)
    return Asked(vlm, vlm.prepare(messages, PICTURES), messages, PICTURES)


def ticking(*seconds: float) -> Any:
    """A clock that goes on by these, one by one."""
    times: Iterator[float] = iter([sum(seconds[:i]) for i in range(len(seconds) + 1)])
    return lambda: next(times)


@pytest.mark.parametrize("name", [name for name in PRUNERS if name != "verifier"])
@pytest.mark.parametrize("make", [lambda: ToyVlm(seed=1), tiny_qwen], ids=["toy", "tiny qwen"])
def test_what_is_kept_enters_the_draft(name: str, make: Any) -> None:
    asked = about_two(make())
    whole = len(asked.prompt.ids)
    decoder, rows, reduced = Reducer(parse_choice(name), parse_budget("6")).prefill(asked)
    assert decoder.prompt_left == 0
    assert rows.shape == (1, asked.vlm.info.rows)
    expected = {"none": sum(asked.prompt.visual_tokens), "text-only": 0}.get(name, 6)
    assert reduced.count <= expected
    assert reduced.count == expected or name == "pool"
    assert reduced.entered(asked.prompt) == whole - sum(asked.prompt.visual_tokens) + reduced.count


def test_pooling_changes_the_features_of_what_is_kept() -> None:
    asked = about_two(tiny_qwen())
    reduced = Reducer(parse_choice("pool"), parse_budget("25%")).reduce(asked)
    seen = asked.vlm.see(asked.prompt)
    assert reduced.kept is not None
    index = list(reduced.kept)
    for before, after in zip(
        (seen.features, *seen.extras), (reduced.visual.features, *reduced.visual.extras), strict=True
    ):
        assert (before[index] - after[index]).abs().max() > 1e-3


class Blind(ToyVlm):
    """A toy that tells nothing about what it reads."""

    def places(self, prompt: Any) -> Any:
        raise AssertionError("nobody needs to know")

    def first_update(self, prompt: Any, visual: Any) -> Any:
        raise AssertionError("nobody needs to know")

    def embed(self, ids: Any) -> Any:
        raise AssertionError("nobody needs to know")


@pytest.mark.parametrize("keep", ["auto", "100%", "999"])
def test_where_all_is_kept_nothing_is_computed_for_choosing(keep: str) -> None:
    _, _, reduced = Reducer(Choice(), parse_budget(keep)).prefill(about_two(Blind(seed=1)))
    assert reduced.kept is None


def test_auto_goes_by_the_time_to_see_first_and_by_the_last_prefill_then() -> None:
    asked = about_two(ToyVlm(seed=1))
    slow = PREFILL_SECONDS * 2 / READ_FOR_SEE
    # seen after `slow`, read in no time; then again, when what it took to see matters no more
    clock = ticking(0, slow, 0, 0.001, 0, 0, slow, 0.001)
    reducer = Reducer(Choice(), parse_budget("auto"), clock)
    first, second = (reducer.prefill(asked)[2] for _ in range(2))
    assert first.kept is not None
    assert second.kept is None


def test_where_the_target_chooses_auto_is_no_budget() -> None:
    with pytest.raises(InvalidValue, match=r"^keep is 'auto'"):
        Reducer(parse_choice("verifier"), parse_budget("auto"))


@pytest.mark.parametrize("make", [lambda: ToyVlm(seed=1), tiny_qwen], ids=["toy", "tiny qwen"])
@pytest.mark.parametrize("share", [Count(6), Ratio(0.25), Count(0)], ids=str)
def test_until_the_target_has_chosen_covspec_does_and_then_what_lies_there_enters(make: Any, share: Share) -> None:
    asked = about_two(make())
    reducer, plain = Reducer(Choice("verifier"), share), Reducer(Choice(), share)
    assert (reducer.attend, plain.attend) == (share, None)
    _, rows, until = reducer.prefill(asked)
    _, same, by_covspec = plain.prefill(asked)
    assert until.kept == by_covspec.kept
    assert torch.equal(rows, same)
    attention = torch.rand(until.visual.features.shape[0], generator=torch.Generator().manual_seed(3))
    chosen = most_attended(attention, share_of(share, len(attention)))
    decoder, rows = reducer.prefill_told(asked, until.visual, told(asked.vlm.places(asked.prompt), chosen))
    assert decoder.prompt_left == 0
    _, same = prefill(asked.vlm, asked.prompt, asked.vlm.see(asked.prompt), sorted(chosen.tolist()))
    assert torch.equal(rows, same)


def test_the_question_is_what_the_person_said_last() -> None:
    chat = (
        Message("user", (Picture(0), Text("first"))),
        Message("assistant", (Text("so"),)),
        Message("user", (Text("and"), Picture(1), Text("then?"))),
    )
    assert last_words(chat) == "and then?"
    assert last_words((Message("system", (Text("be brief"),)),)) == ""


def test_a_text_alone_has_nothing_to_prune() -> None:
    vlm = tiny_qwen()
    messages = question("what?")
    _, rows, reduced = Reducer(Choice(), parse_budget("5")).prefill(Asked(vlm, vlm.prepare(messages, []), messages, []))
    assert reduced.kept is None
    assert torch.isfinite(rows).all()


def turn(vlm: Vlm, *said: str) -> Asked:
    """A chat about a picture that is known by content."""
    messages = turns(*said, pictures=[1])
    return Asked(vlm, known(vlm, messages, PICTURES[:1])[0], messages, PICTURES[:1])


def test_the_next_turn_sees_no_picture_again_and_reads_what_is_new() -> None:
    taken: list[float] = []  # tokens of each forward
    vlm, reducer = (
        ToyVlm(seed=1, token_seconds=1.0, sleep=taken.append),
        Reducer(parse_choice("none"), parse_budget("auto")),
    )
    first, second = turn(vlm, "what is it?"), turn(vlm, "what is it?", "a dog", "where is it?")
    before, after = len(first.prompt.ids), len(second.prompt.ids)
    taken.clear()
    decoder, _, _ = reducer.prefill(first)
    assert taken == [sum(first.prompt.visual_tokens), before]
    reducer.leave(decoder)
    for _ in range(2):
        taken.clear()
        again, rows, _ = reducer.prefill(second)
        assert taken == [after - before]
        _, expected, _ = Reducer(parse_choice("none"), parse_budget("auto")).prefill(second)
        assert_alike(rows, expected)
        assert (again.prompt_left, again.length) == (0, 0)


def test_another_picture_is_seen_anew_and_what_nobody_knows_each_time() -> None:
    vlm, reducer = tiny_qwen(), Reducer(Choice(), parse_budget("6"))
    for name in (1, 2):
        messages = turns("what is it?", pictures=[1])
        images = [picture(name, 90, 60)]
        asked = Asked(vlm, known(vlm, messages, images)[0], messages, images)
        decoder, rows, reduced = reducer.prefill(asked)
        reducer.leave(decoder)
        _, expected, fresh = Reducer(Choice(), parse_budget("6")).prefill(asked)
        assert (reduced.visual.features == fresh.visual.features).all()
        assert_alike(rows, expected)
    unknown = Asked(vlm, vlm.prepare(messages, images), messages, images)
    assert reducer.reduce(unknown).visual is not reducer.reduce(unknown).visual


def test_a_reducer_that_is_closed_holds_nothing() -> None:
    reducer = Reducer(Choice(), parse_budget("auto"))
    decoder, _, _ = reducer.prefill(turn(ToyVlm(seed=1), "what is it?"))
    left = weakref.ref(decoder)
    reducer.leave(decoder)
    del decoder
    assert left() is not None
    reducer.close()
    assert left() is None
