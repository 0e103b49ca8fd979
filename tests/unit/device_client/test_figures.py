"""The recorder adds up what it is told; what was not measured is None and never a number."""

from __future__ import annotations

import json

import pytest

from device_client.figures import Recorder
from shared.speculation.messages import Commit, Propose, Timings
from shared.wire.codec import encode_request, encode_response


def test_what_was_not_measured_is_none() -> None:
    figures = Recorder(begin=5.0).figures()
    assert (figures.tokens, figures.seconds, figures.tokens_per_second_overall) == (0, 0.0, 0.0)
    measured = (figures.first_token_ms, figures.accepted_per_step, figures.rtt_ms, figures.step_ms)
    assert (*measured, figures.draft_ms, figures.first_draft_ms) == (None,) * 6
    assert "None" not in figures.line()


def test_rates_count_tokens_and_leave_out_the_warm_up() -> None:
    recorder = Recorder(begin=10.0)
    recorder.committed(Commit(0, (1,) * 8, (7,)), 11.0)
    recorder.committed(Commit(8, (1,) * 4, (1, 1)), 13.0)
    figures = recorder.figures()
    assert (figures.tokens, figures.seconds, figures.steps) == (12, 3.0, 3)
    assert figures.first_token_ms == pytest.approx(1000)
    assert figures.tokens_per_second == pytest.approx(4 / 2)
    assert figures.tokens_per_second_overall == pytest.approx(12 / 3)
    assert figures.accepted_per_step == pytest.approx(9 / 3)
    assert figures.passes_per_token == pytest.approx(3 / 12)


def test_drafts_are_timed_from_the_first_one_on() -> None:
    recorder = Recorder(begin=10.0)
    for begin, end in ((10.5, 10.6), (10.6, 10.8), (10.8, 10.9)):
        recorder.drafted(begin, end)
    figures = recorder.figures()
    assert figures.drafted == 3
    assert figures.draft_ms == pytest.approx(100)
    assert figures.first_draft_ms == pytest.approx(600)


def test_a_round_trip_is_what_the_edge_did_not_hold() -> None:
    recorder = Recorder(begin=0.0)
    recorder.flight.proposed(1.0)
    recorder.flight.proposed(2.0)
    recorder.committed(Commit(0, (1,), (0,), heard=2, timings=Timings(step_us=30_000, held_us=200_000)), 2.5)
    figures = recorder.figures()
    assert figures.rtt_ms == pytest.approx(300)
    assert figures.step_ms == pytest.approx(30)


def test_proposes_of_an_older_stream_are_not_taken_for_those_of_a_new_one() -> None:
    recorder = Recorder(begin=0.0)
    recorder.flight.proposed(1.0)
    recorder.flight.new_stream()
    recorder.committed(Commit(0, (1,), (0,), heard=1, timings=Timings()), 9.0)
    recorder.flight.proposed(10.0)
    recorder.committed(Commit(1, (1,), (0,), heard=1, timings=Timings()), 10.5)
    assert recorder.figures().rtt_ms == pytest.approx(500)


def test_what_was_drafted_and_thrown_away_is_counted() -> None:
    recorder = Recorder(begin=0.0)
    for _ in range(5):
        recorder.drafted(0.0, 0.01)
    recorder.dropped(2)
    recorder.dropped(1)
    figures = recorder.figures()
    assert (figures.drafted, figures.thrown_away) == (5, 3)
    assert "5 drafted, 3 thrown away" in figures.line()


def test_bytes_are_told_by_direction_and_kind() -> None:
    recorder = Recorder(begin=0.0)
    propose, commit = encode_request(Propose(0, 0, (1, 2))), encode_response(Commit(0, (1,), (0,)))
    recorder.ledger.count(propose)
    recorder.ledger.count(commit)
    values = recorder.figures().as_json()
    assert json.loads(json.dumps(values)) == values
    assert values["bytes"]["up"]["propose"]["payload"] == propose.ByteSize()
    assert values["bytes"]["down"]["commit"]["messages"] == 1


def recorded(tokens: int, seconds: float, lossy: int = 0, reconnects: int = 0) -> Recorder:
    """An answer whose first 8 tokens came at 1 s, and the rest over so many seconds."""
    recorder = Recorder(begin=0.0, reconnects=reconnects)
    recorder.flight.proposed(0.9)
    recorder.committed(Commit(0, (1,) * 8, (7,), heard=1, timings=Timings(step_us=30_000), lossy=lossy), 1.0)
    for place in range(8, tokens):
        recorder.committed(Commit(place, (1,), (0,)), 1.0 + seconds * (place - 7) / (tokens - 8))
    return recorder


@pytest.mark.parametrize(
    ("tokens", "seconds", "rate"),
    [(16, 0.0011, None), (23, 10.0, None), (24, 0.19, None), (24, 0.25, 64), (100, 2, 46)],
)
def test_a_rate_is_told_of_enough_tokens_and_time_alone(tokens: int, seconds: float, rate: float | None) -> None:
    figures = recorded(tokens, seconds).figures()
    assert figures.steady_rate == (None if rate is None else pytest.approx(rate))
    assert ("tok/s" in figures.line()) == ("a second" in figures.brief()) == (rate is not None)


@pytest.mark.parametrize("columns", range(40, 201))
def test_the_figures_of_an_answer_are_one_line_that_fits(columns: int) -> None:
    whole = recorded(43, 0.3).figures().brief()
    assert whole == "43 tokens · 117 a second · first after 1.00 s · draft supplied 7 · link 100 ms"
    line = recorded(43, 0.3).figures().brief(columns)
    assert len(line) <= columns
    assert whole.startswith(line)
    assert columns < len(whole) or line == whole
    loss = recorded(100_000, 9e9, lossy=99_999, reconnects=12).figures()
    assert len(loss.brief(columns)) <= columns
    assert loss.brief(columns).startswith("lossy: 99999 of 100000 tokens unverified"[:columns])
