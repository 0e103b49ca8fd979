"""What `bench` says is what the pairs say: ratios pair by pair, what was not measured left out, a loss first."""

from __future__ import annotations

import json

import pytest

from device_client.answer import Result
from device_client.bench.config import BenchOptions
from device_client.bench.report import Measured, Pair
from device_client.config import DeviceConfig
from device_client.figures import Recorder
from shared.errors import InvalidValue
from shared.speculation.messages import Commit, FinishReason
from shared.speculation.request import ModelDefaults, SamplingWish, resolve

PARAMETERS = resolve(SamplingWish(temperature=0.0), ModelDefaults(()), room=100, seed=0)


def answer(seconds: float, tokens: int = 20, first: float = 1.0, ids: tuple[int, ...] = (1,), lossy: int = 0) -> Result:
    """The first 8 tokens after `first` seconds, the rest after so many more."""
    recorder = Recorder(begin=0.0, lossy=lossy or None)
    recorder.committed(Commit(0, (1,) * min(8, tokens), (min(8, tokens) - 1,)), first)
    if tokens > 8:
        recorder.committed(Commit(8, (1,) * (tokens - 8), (tokens - 9,)), first + seconds)
    return Result("text", ids, FinishReason.LENGTH, PARAMETERS, recorder.figures(), prompt_tokens=3)


def measured(*pairs: Pair, **changes: object) -> Measured:
    return Measured("large", "small", DeviceConfig(**changes), pairs)  # type: ignore[arg-type]


def said(found: Measured) -> str:
    return "\n".join(found.lines())


def test_a_ratio_is_that_of_each_pair_and_not_of_the_medians() -> None:
    # 4, 1 and 2.5 times as fast, while the median of both ways is the same 10 s.
    found = measured(*(Pair(answer(one), answer(other)) for one, other in ((0.25, 1.0), (10.0, 10.0), (40.0, 100.0))))
    values = found.as_json()
    assert values["tokens_per_second"]["ratio"] == pytest.approx({"median": 2.5, "low": 1.0, "high": 4.0})
    assert values["tokens_per_second"]["drafting"] == pytest.approx(12 / 10)
    assert values["tokens_per_second"]["alone"] == pytest.approx(12 / 10)
    assert values["first_token_ms"]["ratio"]["median"] == pytest.approx(1.0)
    assert "2.50 [1.00, 4.00]" in said(found)
    assert json.loads(json.dumps(values)) == values


def test_answers_too_short_for_a_steady_rate_are_compared_from_the_question_on() -> None:
    short = Pair(answer(0.0, tokens=4, first=1.0), answer(0.0, tokens=4, first=3.0))
    assert short.gain == pytest.approx(3.0)
    found = measured(short, Pair(answer(1.0), answer(2.0)))
    assert found.as_json()["tokens_per_second"]["pairs"] == 1
    assert "2.00 [2.00, 2.00], of 1 pairs" in said(found)
    assert measured(short).as_json().get("tokens_per_second") is None


def test_what_nobody_compared_is_said_first() -> None:
    lossy = measured(Pair(answer(1.0, lossy=3), answer(2.0)), Pair(answer(1.0, lossy=2), answer(2.0)))
    assert said(lossy).startswith("lossy: 5 of 40 tokens unverified\n")
    assert next(iter(lossy.as_json())) == "lossy"
    assert "lossy" not in said(measured(Pair(answer(1.0), answer(2.0))))


def test_texts_that_differ_are_counted() -> None:
    same, other = Pair(answer(1.0), answer(2.0)), Pair(answer(1.0, ids=(2,)), answer(2.0))
    assert "1 of 2 texts differ: see docs/exactness.md" in said(measured(same, other))
    assert "differ" not in said(measured(same))
    drawn = measured(other, rule="rejection", pace="thrifty")
    assert "the rule rejection lets the draft decide which" in said(drawn)


def test_an_interval_of_few_pairs_says_that_it_is_one() -> None:
    pair = Pair(answer(1.0), answer(2.0))
    assert "less than 95 %" in said(measured(*[pair] * 5))
    assert "less than 95 %" not in said(measured(*[pair] * 6))


@pytest.mark.parametrize("pairs", [0, -1, 1001])
def test_a_number_of_pairs_has_limits(pairs: int) -> None:
    with pytest.raises(InvalidValue, match=r"pairs is -?\d+: must lie between 1 and 1000"):
        BenchOptions(pairs=pairs)
