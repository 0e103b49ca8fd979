"""The lines between a link's owner and its process."""

from __future__ import annotations

import pytest

from benchmarks.link import control
from benchmarks.link.profile import Profile, round_trip
from benchmarks.link.queueing import Count
from shared.errors import InvalidValue

COMMANDS = [
    control.Shape(Profile(delay_ms=1, mbit=2, loss=0.5, queue_ms=3), round_trip(5)),
    control.Blackhole(True),
    control.Cut(),
    control.Reach(50051),
    control.Report(),
]
ANSWERS = [
    control.Ready(("ip", "netns"), (), "10.0.0.1"),
    control.Done(),
    control.Reached("10.0.0.1:5"),
    control.Traffic(Count(1, 2, 3, 4, 5), Count()),
    control.Refused("no, because\nof this"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_survive_the_line(command: control.Command) -> None:
    line = control.encode(command)
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
    assert control.decode_command(line) == command


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_survive_the_line(answer: control.Answer) -> None:
    line = control.encode(answer)
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
    assert control.decode_answer(line) == answer


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"7", b'{"kind": "Fly"}', b'{"kind": "Reach"}', b'{"kind": "Shape", "up": {"far": 1}, "down": {}}'],
)
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(InvalidValue, match="link command"):
        control.decode_command(line)
    with pytest.raises(InvalidValue, match="link answer"):
        control.decode_answer(line)
