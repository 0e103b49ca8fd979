"""Every format that Pillow knows, alone and inside of every wrapper: a few kinds are read, nothing is ever started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.fuzz.image_files import WRAPPERS, in_icon, in_iptc, seeds, strangers
from shared.errors import ImageError
from shared.media.images import open_image
from shared.media.kinds import Kind

ROOT = Path(__file__).parents[3]
LIMIT = 10**6
READ = {"PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM"}


def everything() -> dict[str, bytes]:
    """All seeds and strangers, bare and wrapped."""
    bare = {**seeds(), **strangers()}
    return bare | {f"{name} in {way}": wrap(data) for name, data in bare.items() for way, wrap in WRAPPERS.items()}


def test_the_walk_has_every_format_that_pillow_writes() -> None:
    Image.init()
    made = {name.partition(" ")[0] for name in (*seeds(), *strangers())}
    kept_out = {"BUFR", "GRIB", "HDF5", "WMF"}  # stubs, which write by a handler that nobody installs
    assert set(Image.SAVE) - made - kept_out == set()


def test_only_the_kinds_that_are_read_open_and_always_as_rgb() -> None:
    for name, data in everything().items():
        kind, _, wrapper = name.partition(" in ")
        kind = kind.partition(" ")[0]
        image, sentence = opened_or_why(data)
        if image is None:
            assert kind not in READ or wrapper or "lzma" in name, sentence
            assert "b'" not in sentence
            assert "/" not in sentence
        else:
            assert kind in READ, name
            assert wrapper in ("", "TIFF", "WEBP"), name
            assert image.mode == "RGB"


def opened_or_why(data: bytes) -> tuple[Image.Image | None, str]:
    """The image, or the sentence that refuses it."""
    try:
        return open_image(data, LIMIT, "cat"), ""
    except ImageError as refused:
        return None, str(refused)


def test_decoders_of_other_formats_are_not_even_imported() -> None:
    """Whatever begins like another format: what is not read has no code here that could run."""
    code = (
        "import sys; from shared.media.images import open_image; from PIL import Image;"
        "print(*sorted(n for n in sys.modules if n.startswith('PIL.') and n.endswith('ImagePlugin')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.removeprefix("PIL.").removesuffix("ImagePlugin").upper() for name in done.stdout.split()}
    assert loaded <= READ | {"JPEG", "MPO"}


def test_nothing_is_started_by_any_format_in_any_wrapper(tmp_path: Path) -> None:
    """In a child that hears of each program that is started, and in whose PATH are only programs that leave a trace."""
    for number, data in enumerate([*everything().values(), in_iptc(in_icon(in_iptc(strangers()["PostScript"])))]):
        (tmp_path / f"{number}").write_bytes(data)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("gs", "sh", "bash", "djpeg", "convert", "magick", "ppmtogif"):
        (programs / name).write_text(f'#!/bin/sh\necho "$0" >> {tmp_path}/started\n')
        (programs / name).chmod(0o755)
    code = f"""
import pathlib, sys
from shared.errors import ImageError
from shared.media.images import open_image
watched = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "open")
files = [path.read_bytes() for path in pathlib.Path({str(tmp_path)!r}).iterdir() if path.name.isdigit()]
heard = []
sys.addaudithook(lambda event, told: heard.append((event, told)) if event in watched else None)
opened = 0
for data in files:
    try:
        open_image(data, {LIMIT}, "cat")
        opened += 1
    except ImageError:
        pass
lazy = (".py", ".pyc")  # Pillow imports a little of itself while it decodes
print(len(files), opened, [each for each in heard if not str(each[1][0]).endswith(lazy)])
"""
    environment = {"PATH": str(programs), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    tried, opened, heard = done.stdout.split(maxsplit=2)
    assert int(tried) > 900
    assert int(opened) > 60
    assert heard.strip() == "[]"
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"%PDF-1.4\n%\xe2\xe3", "is a PDF, not an image"),
        (b"\n  %PDF-1.7", "is a PDF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is a HEIC image"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "is a HEIC image"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "is a video"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "is a video"),
        (b"\x1aE\xdf\xa3\x9f", "is a video"),
        (b"RIFF\0\0\0\0AVI LIST", "is a video"),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', "is an SVG drawing"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a -->\n<svg>', "is an SVG drawing"),
        ("<svg>".encode("utf-16"), "is an SVG drawing"),
        (b"<!doctype html><html><body>404", "is a web page"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "is PostScript"),
        (b"PK\3\4\x14\0", "is a ZIP archive or an office document"),
        (b'{"error": "no such file"}', "is a text"),
        (b"\x93NUMPY\1\0", "no kind of file known here"),
        (bytes(100), "no kind of file known here"),
    ],
)
def test_what_is_no_image_is_named_with_what_would_be_read(data: bytes, words: str) -> None:
    with pytest.raises(ImageError) as refused:
        open_image(data, LIMIT, "x.pdf")
    assert str(refused.value).startswith("x.pdf is ")
    assert words in str(refused.value)
    assert "PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF and PPM are read" in str(refused.value)
    assert refused.value.field == "x.pdf"


def test_a_phone_s_heic_is_refused_with_what_to_do() -> None:
    with pytest.raises(ImageError, match="save or share it as JPEG"):
        open_image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", LIMIT, "IMG_1.HEIC")


def test_no_other_place_of_the_project_gives_foreign_bytes_to_a_decoder() -> None:
    """`Image.open` guesses among all formats; the packaged sprites, which are ours, are the one exception."""
    found = {
        str(path.relative_to(ROOT))
        for folder in ("shared", "device_client", "edge_server", "benchmarks", "training", "deploy", "examples")
        for path in (ROOT / folder).rglob("*.py")
        if "Image.open(" in path.read_text()
    }
    assert found == {"shared/demo/drawing.py"}


def test_all_kinds_have_a_name_in_the_refusal() -> None:
    with pytest.raises(ImageError) as refused:
        open_image(b"?", LIMIT, "x")
    assert all(kind.value in str(refused.value) for kind in Kind)
