"""What the benchmark of a chat's turns asks, and how it tells what it has seen."""

from __future__ import annotations

from itertools import islice

from benchmarks.turns import TURNS, WAYS, Turn, chats, differing, told


def test_each_chat_is_about_a_picture_of_its_own_and_the_same_every_time() -> None:
    some, again = ([(seen.encoded, prompts) for seen, prompts in islice(chats(), 2)] for _ in range(2))
    assert some == again
    assert some[0][0] != some[1][0]
    assert all(len(prompts) == len(TURNS) for _, prompts in some)


def test_each_way_has_its_median_and_a_text_that_differs_is_counted() -> None:
    turns = [
        Turn(way, number, 10.0 * number + chat + 100 * place, 600 + number, f"{chat} {number}")
        for chat in range(3)
        for place, way in enumerate(WAYS)
        for number in range(1, len(TURNS) + 1)
    ]
    assert told(turns).splitlines()[2].split() == ["2", "602", "21", "ms", "121", "ms"]
    assert differing(turns) == 0
    assert differing([*turns[:-1], Turn("read whole", 5, 0.0, 0, "?")]) == 1
