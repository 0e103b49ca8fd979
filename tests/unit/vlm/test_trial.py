"""The best format is the one that is kept, by speed and agreement; what does not run is passed over."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from shared.errors import ModelError
from shared.vlm.toy import ToyVlm
from shared.vlm.trial import best, speed_up


class Time:
    """A clock that only sleeping moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def toys(time: Time, loaded: list[str], **formats: tuple[float, float]) -> Callable[[str], ToyVlm]:
    """Loads the toy of a format: seconds of a token, agreement with the first."""

    def made(dtype: str) -> ToyVlm:
        loaded.append(dtype)
        seconds, agreement = formats[dtype]
        return ToyVlm(dtype, seed=1, agreement=agreement, token_seconds=seconds, sleep=time.sleep)

    return made


def test_of_formats_that_agree_the_fastest_is_kept_and_all_are_told(caplog: pytest.LogCaptureFixture) -> None:
    time, loaded = Time(), list[str]()
    formats = {"slow": (0.003, 1.0), "fast": (0.001, 1.0), "middle": (0.002, 1.0)}
    with caplog.at_level(logging.WARNING):
        vlm, tried = best(toys(time, loaded, **formats), tuple(formats), time)
    assert vlm.info.name == "fast"
    assert {each.dtype: pytest.approx(each.token_seconds) for each in tried} == {
        dtype: seconds for dtype, (seconds, _) in formats.items()
    }
    assert [each.agreement for each in tried] == [1.0, 1.0, 1.0]
    assert loaded == ["slow", "fast", "middle", "fast"]
    (line,) = caplog.messages
    assert line.startswith("dtype auto is fast, expected speed-up 2.51 (slow 1.59): ")
    for told in ("slow 3.0 ms a token, agreement 100%", "fast 1.0 ms a token", "middle 2.0 ms a token"):
        assert told in line


def test_a_fast_format_that_disagrees_is_not_kept() -> None:
    """Dynamic int8 on real weights: twice as fast, and right half as often."""
    time = Time()
    for agreement, kept in ((0.5, "float32"), (1.0, "int8")):
        vlm, tried = best(toys(time, [], float32=(0.04, 1.0), int8=(0.02, agreement)), ("float32", "int8"), time)
        assert vlm.info.name == kept
        told = tried[1].agreement
        assert told is not None
        assert abs(told - agreement) < 0.25


def test_of_equals_the_first_is_kept() -> None:
    time = Time()
    vlm, _ = best(toys(time, [], float32=(0.01, 1.0), bfloat16=(0.01, 1.0)), ("float32", "bfloat16"), time)
    assert vlm.info.name == "float32"


def test_what_does_not_run_here_is_passed_over() -> None:
    time = Time()
    make = toys(time, [], float32=(0.001, 1.0))

    def made(dtype: str) -> ToyVlm:
        if dtype == "int8":
            raise RuntimeError("no such kernel")
        return make(dtype)

    for order in (("float32", "int8"), ("int8", "float32")):
        vlm, tried = best(made, order, time)
        assert vlm.info.name == "float32"
        measured = {each.dtype: each for each in tried}
        assert measured["int8"].token_seconds is measured["int8"].speed_up is None
        assert measured["float32"].agreement == 1.0  # what runs first is what counts
    with pytest.raises(ModelError, match="int8 does not run here: no such kernel"):
        best(made, ("int8",), time)


def test_the_comparison_ends_after_its_seconds() -> None:
    time = Time()
    best(toys(time, [], float32=(5.0, 1.0)), ("float32",), time)
    assert time.now < 400.0  # 12 tokens, and the prompt twice


def test_the_speed_up_is_what_windows_of_tokens_would_bring() -> None:
    def walked(accepted: float, cost: float, window: int) -> float:
        tokens = sum(accepted**drafted for drafted in range(window + 1))
        return tokens / (window * cost + 1)

    for accepted in (0.0, 0.3, 0.8, 1.0):
        for cost in (0.01, 0.3, 2.0):
            expected = max(walked(accepted, cost, window) for window in range(17))
            assert speed_up(accepted, cost) == pytest.approx(expected, rel=1e-6)
    assert speed_up(0.5, 5.0) == 1.0  # a draft that is too slow is left alone
