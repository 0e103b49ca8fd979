"""Sampling parameters: what is refused, what a model's defaults add, and that what holds can be asked for again."""

from __future__ import annotations

import hashlib
import math
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InvalidValue, PromptTooLong
from shared.speculation.request import (
    MAX_SEED,
    ImageReference,
    ModelDefaults,
    SamplingParameters,
    SamplingWish,
    resolve,
)

QUICK = settings(derandomize=True, deadline=None, max_examples=200)
LARGEST = 2**31 - 1

LIMITS: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 100.0),
    "top_k": (0, LARGEST),
    "top_p": (1e-6, 1.0),
    "min_p": (0.0, 1.0),
    "repetition_penalty": (0.01, 100.0),
    "frequency_penalty": (-2.0, 2.0),
    "presence_penalty": (-2.0, 2.0),
    "seed": (0, MAX_SEED),
    "max_tokens": (1, LARGEST),
}


def outside(name: str) -> list[float]:
    """Values next to the limits of a field, on the wrong side, and those that are no numbers of any use."""
    low, high = LIMITS[name]
    if isinstance(low, int):
        return [low - 1, int(high) + 1]
    return [math.nextafter(low, -math.inf), math.nextafter(high, math.inf), math.nan, math.inf, -math.inf]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in LIMITS for value in outside(name)])
def test_a_value_beyond_its_limits_is_refused_by_name(name: str, value: float) -> None:
    low, high = LIMITS[name]
    fields_of: dict[str, Any] = {"max_tokens": 9, name: value}
    with pytest.raises(InvalidValue) as refused:
        SamplingParameters(**fields_of)
    assert str(refused.value) == f"{name} is {value!r}: must lie between {low} and {high}"


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, ends in LIMITS.items() for value in ends])
def test_the_limits_themselves_are_allowed(name: str, value: float) -> None:
    fields_of: dict[str, Any] = {"max_tokens": 9, name: value}
    assert getattr(SamplingParameters(**fields_of), name) == value


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("logit_bias", ((-1, 0.0),), "-1"),
        ("logit_bias", ((2**31, 0.0),), "2147483648"),
        ("logit_bias", ((3, 1.0), (4, 100.5)), "100.5"),
        ("logit_bias", ((3, math.nan),), "nan"),
        ("logit_bias", ((3, -math.inf),), "-inf"),
        ("stop_ids", (3, -1), "-1"),
        ("stop_ids", (2**31,), "2147483648"),
        ("eos_ids", (-1,), "-1"),
        ("stop", ("end", ""), "''"),
    ],
)
def test_a_list_with_one_bad_entry_is_refused_by_name(name: str, value: tuple[object, ...], shown: str) -> None:
    fields_of: dict[str, Any] = {"max_tokens": 9, name: value}
    with pytest.raises(InvalidValue, match=f"^{name} is {shown}: "):
        SamplingParameters(**fields_of)


def test_what_is_not_said_changes_nothing() -> None:
    neutral = SamplingParameters(max_tokens=9)
    assert not neutral.has_penalties
    assert neutral.end_ids == frozenset()
    assert (neutral.temperature, neutral.top_k, neutral.top_p, neutral.min_p) == (0, 0, 1, 0)


@pytest.mark.parametrize("penalty", ["repetition_penalty", "frequency_penalty", "presence_penalty"])
def test_each_penalty_counts_as_one(penalty: str) -> None:
    changed: dict[str, Any] = {penalty: 0.5}
    assert SamplingParameters(9, **changed).has_penalties


DEFAULTS = ModelDefaults((2, 3), {"temperature": 0.7, "top_k": 20, "repetition_penalty": 1.05})


def test_the_person_comes_before_the_model_and_the_model_before_the_neutral_value() -> None:
    held = resolve(SamplingWish(temperature=0.0, top_p=0.5), DEFAULTS, room=50, seed=7)
    expected = SamplingParameters(50, 7, temperature=0.0, top_k=20, top_p=0.5, repetition_penalty=1.05, eos_ids=(2, 3))
    assert held == expected


def test_a_wish_for_the_neutral_value_is_a_wish() -> None:
    held = resolve(SamplingWish(top_k=0, repetition_penalty=1.0, seed=0), DEFAULTS, room=50, seed=7)
    assert (held.top_k, held.repetition_penalty, held.seed) == (0, 1.0, 0)


@pytest.mark.parametrize(("wished", "held"), [(None, 50), (1, 1), (50, 50), (51, 50), (LARGEST, 50)])
def test_an_answer_is_cut_to_the_room_there_is(wished: int | None, held: int) -> None:
    assert resolve(SamplingWish(max_tokens=wished), DEFAULTS, room=50, seed=7).max_tokens == held


@pytest.mark.parametrize("room", [0, -5])
@pytest.mark.parametrize("wished", [None, 5])
def test_a_prompt_that_leaves_no_room_is_what_is_refused(room: int, wished: int | None) -> None:
    with pytest.raises(PromptTooLong, match=f"^room is {room}: the prompt leaves no room for an answer"):
        resolve(SamplingWish(max_tokens=wished), DEFAULTS, room, seed=7)


@pytest.mark.parametrize("wished", [0, -1, 2**31])
def test_a_bad_wish_for_tokens_is_named_as_the_person_gave_it(wished: int) -> None:
    with pytest.raises(InvalidValue, match=f"^max_tokens is {wished}: "):
        resolve(SamplingWish(max_tokens=wished), DEFAULTS, room=50, seed=7)


def test_a_bad_wish_is_refused_whatever_the_model_says() -> None:
    with pytest.raises(InvalidValue, match=r"^temperature is nan: "):
        resolve(SamplingWish(temperature=math.nan), DEFAULTS, room=50, seed=7)


def test_a_bad_default_of_a_model_is_refused_by_name() -> None:
    with pytest.raises(InvalidValue, match=r"^top_p is 0\.0: "):
        resolve(SamplingWish(), ModelDefaults((), {"top_p": 0.0}), room=50, seed=7)
    assert resolve(SamplingWish(top_p=0.5), ModelDefaults((), {"top_p": 0.0}), room=50, seed=7).top_p == 0.5


def test_who_ignores_the_end_of_sequence_still_stops_where_asked() -> None:
    held = resolve(SamplingWish(ignore_eos=True, stop_ids=(5,)), DEFAULTS, room=50, seed=7)
    assert (held.eos_ids, held.end_ids) == ((), frozenset({5}))
    assert resolve(SamplingWish(stop_ids=(5,)), DEFAULTS, room=50, seed=7).end_ids == frozenset({2, 3, 5})


def test_defaults_are_not_changed_by_a_wish() -> None:
    resolve(SamplingWish(temperature=2.0), DEFAULTS, room=50, seed=7)
    assert DEFAULTS.sampling["temperature"] == 0.7
    assert ModelDefaults((1,)).sampling == {}


SCALARS = {
    "temperature": st.floats(0, 100),
    "top_k": st.integers(0, LARGEST),
    "top_p": st.floats(1e-6, 1),
    "min_p": st.floats(0, 1),
    "repetition_penalty": st.floats(0.01, 100),
    "frequency_penalty": st.floats(-2, 2),
    "presence_penalty": st.floats(-2, 2),
}
SEEDS = st.integers(0, MAX_SEED)
LISTS = {
    "logit_bias": st.lists(st.tuples(st.integers(0, LARGEST), st.floats(-100, 100)), max_size=3).map(tuple),
    "stop": st.lists(st.text(min_size=1), max_size=3).map(tuple),
    "stop_ids": st.lists(st.integers(0, LARGEST), max_size=3).map(tuple),
}
END_IDS = st.lists(st.integers(0, LARGEST), max_size=3).map(tuple)
SAMPLING = st.fixed_dictionaries({}, optional=SCALARS)
WISHES = st.builds(
    SamplingWish,
    **{name: st.none() | values for name, values in SCALARS.items()},
    **LISTS,
    seed=st.none() | SEEDS,
    max_tokens=st.none() | st.integers(1, LARGEST),
    ignore_eos=st.booleans(),
)


@QUICK
@given(WISHES, SAMPLING, SAMPLING, END_IDS, st.integers(1, LARGEST), SEEDS, SEEDS)
def test_what_holds_can_be_asked_for_again_anywhere(  # noqa: PLR0913, PLR0917  # one for each thing that may differ
    wish: SamplingWish,
    here: dict[str, float],
    there: dict[str, float],
    eos_ids: tuple[int, ...],
    room: int,
    seed: int,
    other_seed: int,
) -> None:
    """An answer that goes on at another edge keeps its parameters, whatever that edge would have chosen itself."""
    held = resolve(wish, ModelDefaults(eos_ids, here), room, seed)
    assert resolve(held.as_wish(), ModelDefaults(eos_ids, there), room, other_seed) == held


@QUICK
@given(WISHES, SAMPLING, END_IDS, st.integers(1, LARGEST), SEEDS)
def test_every_field_holds_what_somebody_said(
    wish: SamplingWish, sampling: dict[str, float], eos_ids: tuple[int, ...], room: int, seed: int
) -> None:
    held = resolve(wish, ModelDefaults(eos_ids, sampling), room, seed)
    neutral = SamplingParameters(max_tokens=1)
    for name in SCALARS:
        said = getattr(wish, name)
        assert getattr(held, name) == (said if said is not None else sampling.get(name, getattr(neutral, name)))
    for name in LISTS:
        assert getattr(held, name) == getattr(wish, name)
    assert held.seed == (seed if wish.seed is None else wish.seed)
    assert held.max_tokens == min(room, wish.max_tokens or room)
    assert held.eos_ids == (() if wish.ignore_eos else eos_ids)


def test_a_wish_has_a_place_for_everything_that_holds() -> None:
    wished, held = ({item.name for item in fields(kind)} for kind in (SamplingWish, SamplingParameters))
    assert held - wished == {"eos_ids"}
    assert wished - held == {"ignore_eos"}


def test_a_picture_is_known_by_its_bytes() -> None:
    assert ImageReference.of(b"picture") == ImageReference(hashlib.sha256(b"picture").digest(), 7)
    assert ImageReference.of(b"picture") != ImageReference.of(b"Picture")
