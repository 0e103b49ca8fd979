"""A trace over a real edge: both ends on one clock, whose error holds; and nothing at all where nobody asked."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from device_client.trace.timeline import ANSWER, DEVICE, DRAFT, ENGINE, FIRST_EDGE
from device_client.trace.trace_file import traced
from shared.errors import InvalidValue
from tests.support.system import a_picture, alone, asked, device, edge, toy_draft, toy_target, whole
from tests.support.traces import spans, spans_nest

slow_target = partial(toy_target, step_seconds=0.002)


async def traced_answer(path: Path, pace: str = "eager") -> dict[str, Any]:
    """Ask with a trace; the document."""
    question = asked("where does the time go?", a_picture(1), ignore_eos=True, max_tokens=60)
    async with (
        edge(slow_target) as server,
        device(f"127.0.0.1:{server.port}", toy_draft(token_seconds=0.001), pace=pace) as client,
    ):
        with traced(path) as trace:
            result = await whole(await client.ask(question, trace))
    assert result.ids == alone(toy_target(), question)
    return json.loads(await asyncio.to_thread(path.read_text))  # type: ignore[no-any-return]


@pytest.mark.parametrize("pace", ["eager", "thrifty"])
async def test_both_ends_are_on_one_clock_and_its_error_holds(tmp_path: Path, pace: str) -> None:
    document = await traced_answer(tmp_path / "trace.json", pace)
    spans_nest(document)
    (edge_side,) = document["otherData"]["edges"]
    # Device and edge of this test read the same clock: the true offset is 0.
    assert abs(edge_side["clock_offset_us"]) <= edge_side["clock_error_us"] + 1
    drafted = [name for name, _, _ in spans(document, DEVICE, DRAFT)]
    assert drafted[:3] == ["prompt", "vision tower", "draft prefill"]
    assert "draft token" in drafted
    did = [name for name, _, _ in spans(document, FIRST_EDGE, ENGINE)]
    assert did[0] == "vision tower"
    assert did.count("choose") == did.count("step") + did.count("prefill step")
    (answer, *_) = spans(document, DEVICE, ANSWER)
    for process, thread in ((DEVICE, DRAFT), (FIRST_EDGE, ENGINE)):
        slack = edge_side["clock_error_us"] + 1
        assert all(
            begin >= answer[1] - slack and end <= answer[2] + slack
            for _, begin, end in spans(document, process, thread)
        )


async def test_what_the_edge_tells_adds_up_to_the_commits(tmp_path: Path) -> None:
    document = await traced_answer(tmp_path / "trace.json")
    steps = [event["args"] for event in document["traceEvents"] if event["pid"] == FIRST_EDGE and event.get("args")]
    steps = [step for step in steps if "stood" in step]
    commits = [event["args"] for event in document["traceEvents"] if event["name"] == "commit"]
    assert [step["stood"] for step in steps] == [stood for commit in commits for stood in commit["accepted"]]
    assert steps[0]["prompt_tokens"] > 0


async def test_nobody_who_did_not_ask_is_told() -> None:
    async with edge() as server, device(f"127.0.0.1:{server.port}", toy_draft()) as client:
        result = await whole(await client.ask(asked("hello", max_tokens=40)))
    assert "traced" not in {entry.kind for entry in result.figures.traffic.entries}


def test_a_file_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"trace is .*no/such.*cannot be written"), traced(tmp_path / "no/such"):
        raise AssertionError("the answer was begun")


def test_an_answer_that_fails_leaves_what_is_known_of_it(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"

    def break_down() -> None:
        with traced(path) as trace:
            assert trace is not None
            trace.begins("vision tower")
            raise RuntimeError("the draft broke")

    with pytest.raises(RuntimeError):
        break_down()
    assert [name for name, *_ in spans(json.loads(path.read_text()), DEVICE, DRAFT)] == ["vision tower"]
