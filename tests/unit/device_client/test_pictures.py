"""A Pillow image given from Python is treated as the file would be that it came from."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from PIL import Image, ImageOps

from benchmarks.fuzz.image_files import sample, saved, seeds
from device_client.api import PictureLike, chat_of, picture
from device_client.pictures import as_png, read_picture, seen
from shared.errors import ImageError, Unsupported


@pytest.mark.parametrize("name", [name for name in seeds() if "lzma" not in name])
def test_an_image_that_pillow_opened_is_seen_as_its_file_is(name: str) -> None:
    """Every kind and mode, turned and transparent ones too; and the edge gets just what the draft sees."""
    data = seeds()[name]
    given = as_png(Image.open(io.BytesIO(data)))
    assert given.image.size == seen(data, "cat").image.size
    assert given.image.tobytes() == seen(data, "cat").image.tobytes()
    assert seen(given.encoded, "cat").image.tobytes() == given.image.tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "PA"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_mode_is_taken_upright(mode: str, orientation: int) -> None:
    image = sample("RGBA").convert("PA") if mode == "PA" else sample("RGB").convert(mode)
    exif = image.getexif()
    exif[0x0112] = orientation
    expected = ImageOps.exif_transpose(image)
    assert as_png(image).image.size == expected.size
    assert as_png(image).image.tobytes() == as_png(expected).image.tobytes()


@pytest.mark.parametrize("mode", ["RGBX", "RGBa", "La", "I;16", "I;16L", "I;16B"])
def test_modes_that_no_file_of_png_has_are_taken_too(mode: str) -> None:
    source = {"La": "LA", "RGBa": "RGBA", "RGBX": "RGB"}.get(mode, "I")
    image = Image.new(mode, (5, 4)) if mode.startswith("I;16") else sample(source).convert(mode)
    assert as_png(image).image.mode == "RGB"


def test_an_image_that_was_turned_already_is_not_turned_again() -> None:
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(seeds()["JPEG RGB turned"])))
    assert as_png(upright).image.tobytes() == seen(seeds()["JPEG RGB turned"], "cat").image.tobytes()


def closed() -> Image.Image:
    image = sample("RGB")
    image.close()
    return image


def closed_file() -> Image.Image:
    image = Image.open(io.BytesIO(seeds()["PNG RGB"]))
    image.close()
    return image


def cut(name: str) -> Image.Image:
    data = saved(Image.effect_noise((64, 64), 90).convert("RGB"), name)
    return Image.open(io.BytesIO(data[: len(data) // 2]))


UNUSABLE: dict[str, Callable[[], Image.Image]] = {
    "closed": closed,
    "a closed file": closed_file,
    "no width": lambda: Image.new("RGB", (0, 5)),
    "no height": lambda: Image.new("RGB", (5, 0)),
    "no pixel at all": Image.Image,
    **{f"cut {kind}": lambda kind=kind: cut(kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF")},  # type: ignore[misc]
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_image_that_cannot_be_used_is_refused_by_name(name: str) -> None:
    with pytest.raises(ImageError, match=r"^picture is "):
        picture(UNUSABLE[name]())


def test_a_program_s_own_image_is_neither_changed_nor_shared() -> None:
    own = sample("RGB")
    own.info["note"] = "mine"
    given = as_png(own)
    own.paste("white", (0, 0, 24, 20))
    assert given.image.tobytes() == sample("RGB").tobytes()
    assert own.info == {"note": "mine"}


def test_whatever_holds_the_bytes_of_a_file_is_the_same_picture(tmp_path: Path) -> None:
    data = seeds()["PNG RGB"]
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with path.open("rb") as file, tempfile.NamedTemporaryFile() as temporary:
        temporary.write(data)
        temporary.seek(0)
        for one in (path, str(path), bytearray(data), memoryview(data), io.BytesIO(data), file, temporary):
            (given,) = chat_of("what is it?", one).pictures
            assert given.encoded == data, one


def opened(tmp_path: Path, mode: str) -> IO[Any]:
    return (tmp_path / "a.png").open(mode)


def shut(file: IO[Any]) -> IO[Any]:
    file.close()
    return file


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda path: opened(path, "w"), "cannot be read"),
        (lambda path: opened(path, "wb"), "cannot be read"),
        (lambda path: shut(opened(path, "wb")), "cannot be read"),
        (lambda path: io.StringIO("text"), "'rb'"),
        (lambda path: "a\0b", "cannot be read: no file can have this name"),
        (lambda path: path / "nowhere", "cannot be read: No such file"),
        (lambda path: path, "cannot be read: Is a directory"),
        (lambda path: "x" * 5000, "cannot be read: File name too long"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_cannot_be_read_is_an_image_error(
    made: Callable[[Path], PictureLike], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ImageError, match=f"^picture is .*{sentence}"):
        chat_of("what is it?", made(tmp_path))


def test_a_url_is_no_file_name() -> None:
    with pytest.raises(Unsupported, match=r"http://127\.0\.0\.1:9/a\.png is a URL"):
        picture("http://127.0.0.1:9/a.png")


@pytest.mark.parametrize("other", [None, 3, [b"x"], {"a": 1}, (20, 30)])
def test_what_is_no_picture_at_all_is_told_by_its_type(other: Any) -> None:
    with pytest.raises(TypeError, match=f"not {type(other).__name__}"):
        picture(other)


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(ImageError, match="must have at most 1000 bytes"):
        read_picture("/dev/zero", most=1000)
