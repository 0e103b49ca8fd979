"""Laws of reading an answer out: pieces add up, characters stay whole, stop strings are never shown in part."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.speculation.ending import Decode, Detokenizer, Ending, TextStream
from shared.speculation.messages import FinishReason
from shared.speculation.request import SamplingParameters
from shared.vlm.toy_vocabulary import PIECES, ToyTokenizer

LIFE = settings(derandomize=True, deadline=None, max_examples=200)
HALF = "\N{REPLACEMENT CHARACTER}"

Tokens = list[bytes]  # a vocabulary made for one answer: id i stands for the i-th of these bytes

characters = st.sampled_from("ab.aé→😀" + HALF)
few = st.sampled_from("aab")  # stop strings that begin again inside themselves
texts = st.text(few, max_size=20) | st.text(characters, max_size=14)
stops = st.lists(st.text(few, min_size=1, max_size=5) | st.text(characters, min_size=1, max_size=4), max_size=3).map(
    tuple
)


@st.composite
def cuts(draw: st.DrawFn, data: st.SearchStrategy[bytes]) -> Tokens:
    """Bytes as tokens of one to five bytes, or of none: a special token has no text."""
    rest, tokens = draw(data), []
    while rest:
        size = draw(st.integers(0, 5))
        tokens.append(rest[:size])
        rest = rest[size:]
    return tokens


whole = cuts(texts.map(str.encode))  # tokens that end with a whole character, if not each of them does
broken = cuts(st.lists(characters.map(str.encode) | st.binary(min_size=1, max_size=2), max_size=12).map(b"".join))


def byte_level(tokens: Sequence[bytes]) -> Decode:
    return lambda ids: b"".join(tokens[i] for i in ids).decode("utf-8", errors="replace")


def readable(tokens: Sequence[bytes]) -> list[str]:
    """What can be read after each token: the text of whole tokens up to the last that ends with a whole character."""
    decode, known = byte_level(tokens), [""]
    for count in range(1, len(tokens) + 1):
        text = decode(range(count))
        known.append(known[-1] if text.endswith(HALF) else text)
    return known[1:]


def pushed(reader: Detokenizer | TextStream, count: int) -> list[str]:
    return [reader.push(token) for token in range(count)]


@LIFE
@given(whole | broken)
def test_pieces_add_up_to_the_text(tokens: Tokens) -> None:
    decode = byte_level(tokens)
    for reader in (Detokenizer(decode), TextStream(decode)):
        pieces = pushed(reader, len(tokens))
        assert "".join(pieces) + reader.flush() == decode(range(len(tokens)))


@LIFE
@given(whole | broken)
def test_each_token_shows_all_that_can_be_read_and_no_more(tokens: Tokens) -> None:
    pieces = pushed(Detokenizer(byte_level(tokens)), len(tokens))
    assert ["".join(pieces[: count + 1]) for count in range(len(pieces))] == readable(tokens)


@LIFE
@given(cuts(texts.map(lambda text: text.replace(HALF, "").encode())))
def test_no_piece_holds_half_a_character(tokens: Tokens) -> None:
    reader = TextStream(byte_level(tokens))
    assert HALF not in "".join([*pushed(reader, len(tokens)), reader.flush()])


def cut(known: str, stop: Sequence[str]) -> str | None:
    """The text before the first stop string, if there is one."""
    places = [known.index(text) for text in stop if text in known]
    return known[: min(places)] if places else None


def held_back(known: str, stop: Sequence[str]) -> int:
    """The longest end of the text that may become a stop string."""
    beginnings = {text[:size] for text in stop for size in range(len(text))}
    return max((len(text) for text in beginnings if known.endswith(text)), default=0)


@LIFE
@given(whole | broken, stops)
def test_a_stop_string_is_never_shown_in_part_and_nothing_else_is_held_back(
    tokens: Tokens, stop: tuple[str, ...]
) -> None:
    reader, shown = TextStream(byte_level(tokens), stop), ""
    for token, known in enumerate(readable(tokens)):
        before = cut(known, stop)
        if not reader.stopped:
            shown += reader.push(token)
            expected = known[: len(known) - held_back(known, stop)] if before is None else before
            assert (shown, reader.stopped) == (expected, before is not None)
        else:
            assert reader.push(token) == ""
    if not reader.stopped:
        rest = byte_level(tokens)(range(len(tokens)))
        before = cut(rest, stop)
        assert shown + reader.flush() == (rest if before is None else before)
        assert reader.stopped == (before is not None)
    assert reader.flush() == ""


@LIFE
@given(whole | broken, stops, st.integers(0, 30))
def test_what_is_foretold_is_what_comes_and_to_ask_changes_nothing(
    tokens: Tokens, stop: tuple[str, ...], count: int
) -> None:
    reader, asked = (TextStream(byte_level(tokens), stop) for _ in range(2))
    count = min(count, len(tokens))
    for token in range(count):
        assert asked.push(token) == reader.push(token)
        asked.ahead(range(token + 1, len(tokens)))
    foretold = asked.ahead(range(count, len(tokens)))
    rest = "".join([reader.push(token) for token in range(count, len(tokens))] + [reader.flush()])
    assert foretold.rstrip(HALF) == rest.rstrip(HALF)


@LIFE
@given(whole | broken, stops, st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)), st.integers(1, 20))
def test_an_answer_ends_where_its_text_stops_or_an_end_token_or_the_length_comes_first(
    tokens: Tokens, stop: tuple[str, ...], eos_ids: set[int], stop_ids: set[int], max_tokens: int
) -> None:
    decode = byte_level(tokens)
    parameters = SamplingParameters(max_tokens, stop=stop, eos_ids=tuple(eos_ids), stop_ids=tuple(stop_ids))
    ending, reader = Ending(parameters, decode), TextStream(decode, stop)
    for token in range(len(tokens)):
        reader.push(token)
        last = token + 1 == max_tokens
        if last:
            reader.flush()
        expected = (
            FinishReason.EOS
            if token in eos_ids
            else FinishReason.STOP
            if token in stop_ids or reader.stopped
            else FinishReason.LENGTH
            if last
            else None
        )
        assert ending.push(token) is expected
        if expected is not None:
            return


@LIFE
@given(st.lists(st.sampled_from(["▁a", "b", "▁", "▁c", "", "d"]), max_size=12))
def test_pieces_add_up_where_a_decoder_drops_the_space_before_a_text(words: list[str]) -> None:
    """As decoders with word-begin marks do: a token's text depends on whether one with text stands before it."""

    def decode(ids: Sequence[int]) -> str:
        return "".join(words[i] for i in ids).replace("▁", " ").removeprefix(" ")

    reader = Detokenizer(decode)
    assert "".join(pushed(reader, len(words))) + reader.flush() == decode(range(len(words)))


@LIFE
@given(st.lists(st.integers(0, len(PIECES) + 5), max_size=30))
def test_pieces_add_up_for_the_toy_models_tokens(ids: list[int]) -> None:
    decode = ToyTokenizer(PIECES).decode
    reader = TextStream(decode)
    assert "".join([reader.push(token) for token in ids]) + reader.flush() == decode(ids)
