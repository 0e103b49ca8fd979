"""The measurement of what a person waits for runs, and measures both ways in pairs."""

from __future__ import annotations

from benchmarks.waiting import first_tokens, help_seconds


async def test_each_question_is_asked_both_ways() -> None:
    python, http = await first_tokens(3)
    assert len(python) == len(http) == 3
    assert min(python + http) > 0


def test_help_is_timed() -> None:
    assert help_seconds(("doctor",), runs=1) > 0
