"""A trace over a real edge: both ends on one clock, whose error holds; and nothing at all where nobody asked."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from device_client.api import AsyncClient
from device_client.client import Client
from device_client.config import DeviceConfig
from device_client.trace.timeline import ANSWER, DEVICE, DRAFT, ENGINE, FIRST_EDGE
from device_client.trace.trace_file import Traces, traced
from shared.errors import InvalidValue
from shared.speculation.request import SamplingWish
from tests.support.system import a_picture, alone, asked, device, edge, toy_draft, toy_target, whole
from tests.support.traces import spans, spans_nest

FEW = SamplingWish(temperature=0.0, max_tokens=40, ignore_eos=True)
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


def written(folder: Path) -> dict[str, dict[str, Any]]:
    """The documents of a folder by their names, in order."""
    return {path.name: json.loads(path.read_text()) for path in sorted(folder.iterdir())}


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


async def test_each_answer_of_a_client_has_a_file_of_its_own(tmp_path: Path) -> None:
    async with edge() as server:
        config = DeviceConfig(edge=f"127.0.0.1:{server.port}")
        async with AsyncClient(config, toy_draft(), trace=tmp_path / "out.json") as client:
            first, second = await asyncio.gather(*(client.ask(f"question {n}", sampling=FEW) for n in (1, 2)))
            async with client.stream("a third", sampling=FEW) as left_early:
                await anext(aiter(left_early))
    files = written(tmp_path)
    assert list(files) == ["out-1.json", "out-2.json", "out-3.json"]
    documents = list(files.values())
    assert len({document["otherData"]["request"] for document in documents}) == 3
    committed = [sum(e["args"]["ids"] for e in d["traceEvents"] if e["name"] == "commit") for d in documents]
    assert sorted(committed[:2]) == sorted(len(answer.ids) for answer in (first, second))
    for document in documents:
        spans_nest(document)
        assert spans(document, DEVICE, ANSWER)
    for document in documents[:2]:  # the edge tells in parcels: of an answer that was left early maybe nothing
        (edge_side,) = document["otherData"]["edges"]
        assert abs(edge_side["clock_offset_us"]) <= edge_side["clock_error_us"] + 1


async def test_a_process_writes_no_more_files_than_it_may(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    traces = Traces(tmp_path / "out.json", most=2)
    async with edge() as server, Client(DeviceConfig(edge=f"127.0.0.1:{server.port}"), toy_draft(), traces) as client:
        results = [await whole(await client.ask(asked(f"question {n}", max_tokens=20))) for n in range(4)]
    assert list(written(tmp_path)) == ["out-1.json", "out-2.json"]
    assert [record.message for record in caplog.records if "enough" in record.message] == [
        "2 traces are enough: further answers get none"
    ]
    told = ["traced" in {entry.kind for entry in result.figures.traffic.entries} for result in results]
    assert told == [True, True, False, False]


async def test_a_disk_that_is_full_breaks_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    traces = Traces(folder / "out.json")
    folder.rmdir()
    async with edge() as server, Client(DeviceConfig(edge=f"127.0.0.1:{server.port}"), toy_draft(), traces) as client:
        question = asked("hello", max_tokens=20)
        assert (await whole(await client.ask(question))).ids == alone(toy_target(), question)
    assert "out-1.json cannot be written" in caplog.text


@pytest.mark.parametrize(
    ("name", "words"),
    [("no/such/out.json", "there is no folder"), ("", "must be the name of a file")],
)
def test_a_place_for_traces_that_cannot_be_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        Traces(tmp_path / name)


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


def test_a_full_disk_is_told_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with traced(Path("/dev/full")) as trace:
        assert trace is not None
        trace.begins("vision tower")
    assert "the trace /dev/full cannot be written: No space left on device" in caplog.text


def test_a_trace_is_its_owners_alone(tmp_path: Path) -> None:
    with traced(tmp_path / "out.json") as trace:
        assert trace is not None
        trace.begins("vision tower")
    assert (tmp_path / "out.json").stat().st_mode & 0o777 == 0o600
