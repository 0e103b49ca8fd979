"""Where an answer ends and what is shown of it, by example; the laws are among the property tests."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.speculation.ending import Detokenizer, Ending, TextStream
from shared.speculation.messages import FinishReason
from shared.speculation.request import SamplingParameters


def decode(ids: Sequence[int]) -> str:
    """A token is a byte."""
    return bytes(ids).decode("utf-8", errors="replace")


def shown(text: str | bytes, *stop: str) -> list[str]:
    """What each byte shows, and the flush."""
    stream = TextStream(decode, stop)
    data = text.encode() if isinstance(text, str) else text
    return [*(stream.push(byte) for byte in data), stream.flush()]


def reasons(text: str, **parameters: object) -> list[FinishReason | None]:
    ending = Ending(SamplingParameters(**{"max_tokens": 99, **parameters}), decode)  # type: ignore[arg-type]
    return [ending.push(byte) for byte in text.encode()]


def test_a_character_is_shown_with_its_last_byte() -> None:
    assert shown("é😀a") == ["", "é", "", "", "", "😀", "a", ""]


def test_a_byte_that_is_no_character_is_shown_with_the_next_whole_one() -> None:
    assert shown(b"\xffa\xff") == ["", "\ufffda", "", "\ufffd"]


def test_half_a_character_at_the_end_is_shown_by_the_flush() -> None:
    assert shown("a😀".encode()[:-1]) == ["a", "", "", "", "\ufffd"]


def test_flushing_twice_shows_nothing_twice() -> None:
    reader = Detokenizer(decode)
    reader.push(0xFF)
    assert [reader.flush(), reader.flush()] == ["\ufffd", ""]


def test_what_may_become_a_stop_string_is_held_back_until_it_does_not() -> None:
    assert shown("xENx", "END") == ["x", "", "", "ENx", ""]
    assert "".join(shown("xENDx", "END")) == "x"
    assert shown("xEN", "END")[-1] == "EN"


def test_a_stop_string_that_begins_again_inside_itself_is_found() -> None:
    assert shown("aaab", "aab") == ["", "", "a", "", ""]
    assert "".join(shown("ababac", "abac")) == "ab"


def test_of_several_stop_strings_the_earliest_wins() -> None:
    stream = TextStream(lambda ids: "one two three" if ids else "", ("three", "two", "nothing"))
    assert stream.push(0) == "one "
    assert stream.stopped


def test_a_stop_string_inside_another_stops_as_soon_as_it_is_there() -> None:
    assert "".join(shown("xabc", "abc", "b")) == "xa"


def test_nothing_is_shown_after_a_stop() -> None:
    stream = TextStream(decode, ("!",))
    assert [stream.push(byte) for byte in b"a!b!"] == ["a", "", "", ""]
    assert stream.flush() == ""


def test_each_end_has_its_reason() -> None:
    assert reasons("abc", eos_ids=(ord("b"),))[1] is FinishReason.EOS
    assert reasons("abc", stop_ids=(ord("b"),))[1] is FinishReason.STOP
    assert reasons("abc", stop=("b",))[1] is FinishReason.STOP
    assert reasons("abc", max_tokens=2)[1] is FinishReason.LENGTH
    assert reasons("abc") == [None, None, None]


def test_an_end_of_sequence_comes_before_a_stop_and_a_stop_before_the_length() -> None:
    b = ord("b")
    assert reasons("ab", eos_ids=(b,), stop_ids=(b,), stop=("b",), max_tokens=2)[1] is FinishReason.EOS
    assert reasons("ab", stop_ids=(b,), max_tokens=2)[1] is FinishReason.STOP
    assert reasons("ab", stop=("b",), max_tokens=2)[1] is FinishReason.STOP


def test_a_stop_string_behind_half_a_character_still_ends_an_answer_of_full_length() -> None:
    """The last token brings the stop string and half a character: the text is cut there, and the reason says so."""
    tokens = [b"so ", b"END\xc3"]

    def of(ids: Sequence[int]) -> str:
        return b"".join(tokens[i] for i in ids).decode("utf-8", errors="replace")

    ending, stream = Ending(SamplingParameters(2, stop=("END",)), of), TextStream(of, ("END",))
    assert [ending.push(token) for token in (0, 1)] == [None, FinishReason.STOP]
    assert [stream.push(0), stream.push(1), stream.flush()] == ["so ", "", ""]


def test_without_stop_strings_nothing_is_decoded() -> None:
    def never(ids: Sequence[int]) -> str:
        raise AssertionError("decoded for nothing")

    assert Ending(SamplingParameters(2), never).push(1) is None
    with pytest.raises(AssertionError):
        Ending(SamplingParameters(2, stop=("x",)), never).push(1)
