"""What cannot be seen is refused with the name of its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_client.perceive import perceive
from shared.errors import ImageError
from shared.speculation.request import ImageReference, Picture, SamplingWish, Text
from tests.support.system import a_picture

WISH = SamplingWish()


def test_pictures_come_before_the_words_and_keep_their_bytes(tmp_path: Path) -> None:
    data = [a_picture(seed=1), a_picture(seed=2, side=17)]
    paths = [tmp_path / f"{i}.png" for i in range(2)]
    for path, one in zip(paths, data, strict=True):
        path.write_bytes(one)
    question = perceive(paths, "what is it?", WISH)
    assert question.messages[0].parts == (Picture(0), Picture(1), Text("what is it?"))
    assert question.encoded == tuple(data)
    assert [image.size for image in question.images] == [(40, 40), (17, 17)]
    assert ImageReference.of(question.encoded[0]).size == len(data[0])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is an empty file: an image has at least one byte"),
        (b"no picture", "is a text, not an image that can be read"),
        (a_picture(seed=1)[:200], "cut short or broken"),
    ],
)
def test_a_file_that_is_no_picture_is_named(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "odd name.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=sentence) as caught:
        perceive([path], "?", WISH)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nowhere\.png.*cannot be read: No such file or directory"):
        perceive([tmp_path / "nowhere.png"], "?", WISH)


def test_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read: Is a directory") as caught:
        perceive([tmp_path], "?", WISH)
    assert str(tmp_path) in str(caught.value)
