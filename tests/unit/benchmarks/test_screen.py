"""What the picture of a run shows, of bytes as the screen of an answer writes them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from benchmarks.screen import _halfway, _rows, drawn
from device_client.live import LiveText


def written() -> bytes:
    said: list[str] = []
    live = LiveText(said.append, lambda: (80, 24))
    live.show(live.confirm("I "), live.tail("see a guess", "1 token"))
    live.show(live.confirm("see", "\x1b[1;33m"), live.tail(" a <long> guess that is wrong", "2 tokens"))
    live.show(live.confirm(" nothing."), live.tail("", "3 tokens"))
    live.end()
    return "".join(said).encode()


def test_halfway_is_where_most_is_dim_and_the_end_has_what_stands() -> None:
    halfway, end = _rows(_halfway(written())), _rows(written())
    texts = ["".join(cell.data for cell in row).rstrip() for row in halfway]
    assert texts == ["I see a <long> guess that is wrong", "2 tokens"]
    assert {cell.data: cell.fg for cell in halfway[0]}["g"] == "brightblack"
    assert ["".join(cell.data for cell in row).rstrip() for row in end] == ["I see nothing."]


def test_the_picture_is_well_formed_and_says_what_the_rows_say() -> None:
    made = ET.fromstring(drawn([_rows(_halfway(written())), _rows(written())]))
    said = [text.text for text in made if text.tag.endswith("text")]
    assert said == ["I", "see", "a <long> guess that is wrong", "2 tokens", "I", "see", "nothing."]
