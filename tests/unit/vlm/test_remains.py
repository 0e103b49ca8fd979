"""What ended answers leave is their tenant's own, bounded in bytes, in number and in time, and never changed."""

from __future__ import annotations

from weakref import WeakSet

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.vlm.port import Block, Decoder
from shared.vlm.remains import Remains
from shared.vlm.single import extend, prefill
from tests.support.chats import known, turns
from tests.support.models import assert_alike
from tests.support.system import toy_target

PLENTY = 10**6


def ended(*said: str, ids: tuple[int, ...] = (40, 41, 42)) -> Decoder:
    """The decoder of an answer to this chat."""
    vlm = toy_target()
    return prefill(vlm, *known(vlm, turns(*said), []), ids=ids)[0]


def begun(*said: str) -> Decoder:
    """That of an answer that is about to be given."""
    vlm = toy_target()
    return vlm.begin(*known(vlm, turns(*said), []))


def test_the_longest_beginning_is_given() -> None:
    remains = Remains(PLENTY)
    for said in (("one two",), ("one two three four",), ("one",)):
        remains.leave("", ended(*said), 0.0)
    whole = begun("one two three four five")
    expected = max(whole.common(ended(*said)) for said in (("one two",), ("one two three four",), ("one",)))
    assert remains.adopt("", whole, 1.0) == expected == whole.held


def test_a_tenant_finds_its_own_alone() -> None:
    remains = Remains(PLENTY)
    remains.leave("alice", ended("one two three"), 0.0)
    for other in ("", "bob", "Alice"):
        decoder = begun("one two three")
        assert remains.adopt(other, decoder, 1.0) == decoder.held == 0
    assert remains.adopt("alice", begun("one two three"), 1.0) > 0


def test_what_is_given_stays_and_is_not_changed() -> None:
    vlm, remains, left = toy_target(), Remains(PLENTY), ended("one two three")
    expected = extend(vlm, left.fork(), (50, 51))
    remains.leave("", left, 0.0)
    for _ in range(2):
        decoder = begun("one two three", "no", "four")
        assert remains.adopt("", decoder, 1.0) > 0
        vlm.step([Block(decoder, decoder.prompt_left, (60, 61))])
    assert len(remains) == 1
    assert_alike(extend(vlm, left, (50, 51)), expected)


def test_one_all_of_which_another_holds_leaves_at_once() -> None:
    remains = Remains(PLENTY)
    first, longer = ended("one two", ids=(40,)), ended("one two", ids=(40, 41))
    remains.leave("bob", first.fork(), 0.0)
    for decoder in (first, longer):
        remains.leave("", decoder, 0.0)
    assert len(remains) == 2  # bob's is his own
    assert remains.nbytes == first.nbytes + longer.nbytes
    remains.leave("", ended("one two", ids=(40, 42)), 0.0)
    assert len(remains) == 3


def test_those_unused_for_longest_leave_first() -> None:
    each = ended("one two three four five six").nbytes
    remains = Remains(3 * each)
    chats = ("one two three four five six", "two three four five six one", "three four five six one two")
    for number, said in enumerate(chats):
        remains.leave("", ended(said), float(number))
    assert remains.adopt("", begun(chats[0], "no", "more"), 3.0) > 5
    remains.leave("", ended("four five six one two three"), 4.0)
    assert remains.nbytes <= 3 * each
    assert [remains.adopt("", begun(said), 5.0) > 5 for said in chats] == [True, False, True]


def test_the_few_tokens_with_which_all_prompts_begin_are_no_use_of_a_chat() -> None:
    remains = Remains(PLENTY, most=2)
    remains.leave("", ended("one two three four"), 0.0)
    remains.leave("", ended("two three four one"), 1.0)
    assert 0 < remains.adopt("", begun("five"), 2.0) < 3
    remains.leave("", ended("six"), 3.0)
    assert remains.adopt("", begun("one two three four"), 4.0) < 3
    assert remains.adopt("", begun("two three four one"), 4.0) > 3


def test_nothing_stays_longer_than_it_may() -> None:
    remains = Remains(PLENTY, seconds=10.0)
    assert remains.wait(0.0) is None
    remains.leave("", ended("one two"), 0.0)
    remains.leave("", ended("three four five six"), 4.0)
    assert remains.wait(5.0) == 5.0
    assert remains.adopt("", begun("one two"), 10.0) < 3
    assert (len(remains), remains.wait(10.0)) == (1, 4.0)
    assert remains.adopt("", begun("three four five six"), 13.0) > 3
    remains.expire(14.0)
    assert len(remains) == 1
    remains.expire(23.0)
    assert (len(remains), remains.nbytes, remains.wait(23.0)) == (0, 0, None)


def test_what_is_too_big_and_what_comes_after_the_end_is_not_kept() -> None:
    decoder = ended("one two")
    for remains in (Remains(0), Remains(decoder.nbytes - 1)):
        remains.leave("", decoder, 0.0)
        assert len(remains) == 0
    remains = Remains(PLENTY)
    remains.leave("", decoder, 0.0)
    assert remains.clear() == 1
    remains.leave("", decoder, 0.0)
    remains.close()
    remains.leave("", decoder, 0.0)
    assert (len(remains), remains.nbytes) == (0, 0)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.sampled_from(["one", "two"]), min_size=1, max_size=4))))
def test_it_never_holds_more_than_it_may(left: list[tuple[str, list[str]]]) -> None:
    remains, alive = Remains(300, most=5), WeakSet[Decoder]()
    for number, (tenant, words) in enumerate(left):
        remains.adopt(tenant, begun(" ".join(words)), float(number))
        decoder = ended(" ".join(words))
        alive.add(decoder)
        remains.leave(tenant, decoder, float(number))
        del decoder
        assert len(remains) == len(alive) <= 5
        assert remains.nbytes == sum(each.nbytes for each in alive) <= 300
