"""What kind of file some bytes are, by how they begin: the kinds that are read, and names for those that are not.

Guarantees: nothing is decoded here, and no more than the beginning of the bytes is looked at.
"""

from __future__ import annotations

import re
import struct
from enum import Enum

from shared.errors import ImageError
from shared.excerpts import Shown


class Kind(Enum):
    """The kinds of image that are read. Each is one image in one file; none starts a program or wraps another kind."""

    PNG = "PNG"
    JPEG = "JPEG"
    WEBP = "WebP"
    GIF = "GIF"
    BMP = "BMP"
    TIFF = "TIFF"
    AVIF = "AVIF"
    PPM = "PPM"


READ = "PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF and PPM are read"
_BEGINS: tuple[tuple[bytes, Kind | str], ...] = (
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"GIF87a", Kind.GIF),
    (b"GIF89a", Kind.GIF),
    (b"BM", Kind.BMP),
    (b"II*\0", Kind.TIFF),
    (b"MM\0*", Kind.TIFF),
    (b"II+\0", Kind.TIFF),
    (b"MM\0+", Kind.TIFF),
    (b"%PDF", "a PDF"),
    (b"%!", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"8BPS", "a Photoshop document"),
    (b"icns", "an icon (ICNS)"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"qoif", "a QOI image"),
    (b"DDS ", "a DDS texture"),
    (b"\x1c", "an IPTC record"),
    (b"SIMPLE  =", "a FITS file"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile (WMF)"),
    (b"\1\0\0\0", "a Windows metafile (EMF)"),
    (b"\x1aE\xdf\xa3", "a video (Matroska or WebM)"),
    (b"\0\0\1\xba", "a video (MPEG)"),
    (b"\0\0\1\xb3", "a video (MPEG)"),
    (b"FLV\1", "a video (FLV)"),
    (b"OggS", "an Ogg file"),
    (b"ID3", "an MP3 file"),
    (b"PK\3\4", "a ZIP archive or an office document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
_NETPBM = re.compile(rb"P[456]\s")
_ICONS = {b"\0\0\1\0": "an icon (ICO)", b"\0\0\2\0": "a cursor (CUR)"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_LOOKED_AT = 1024  # bytes of what might be a text


def kind_of(data: bytes, name: str) -> Kind:
    """The kind of image that `data` is. Raises ImageError that says what it is instead."""
    if not data:
        raise ImageError(name, Shown("an empty file"), "an image has at least one byte")
    found = _known(data)
    if isinstance(found, Kind):
        return found
    what = found or "no kind of file known here"
    raise ImageError(name, Shown(f"{what}, not an image that can be read"), f"{READ}{_advice(what)}")


def _known(data: bytes) -> Kind | str | None:
    if data[4:8] == b"ftyp":
        return _of_brands(data)
    if data[:4] == b"RIFF":
        riff: dict[bytes, Kind | str] = {b"WEBP": Kind.WEBP, b"AVI ": "a video (AVI)", b"WAVE": "a sound (WAV)"}
        return riff.get(data[8:12], "a RIFF file")
    if data[:4] == b"II*\0" and data[8:10] == b"CR":
        return "a camera's raw file (CR2)"
    if data[:4] in _ICONS and data[4:6] != b"\0\0":
        return _ICONS[data[:4]]
    if _NETPBM.match(data):
        return Kind.PPM
    if data[128:132] == b"DICM":
        return "a DICOM file"
    return next((kind for begins, kind in _BEGINS if data.startswith(begins)), None) or _text(data[:_LOOKED_AT])


def _of_brands(data: bytes) -> Kind | str:
    """ISO 14496-12, 4.3: the size of the box, `ftyp`, the major brand, its version, compatible brands."""
    end = min(struct.unpack(">I", data[:4])[0], _LOOKED_AT)
    brands = [data[at : at + 4] for at in (8, *range(16, end, 4))]
    if brands[0] in (b"avif", b"avis"):
        return Kind.AVIF
    if brands[0] in _HEIC:
        return "a HEIC image"
    if brands[0] in (b"mif1", b"msf1"):
        return Kind.AVIF if b"avif" in brands else "a HEIC image" if _HEIC.intersection(brands) else "a HEIF image"
    return "a camera's raw file (CR3)" if brands[0] == b"crx " else "a video (MP4 or QuickTime)"


def _text(begin: bytes) -> str | None:
    encoding = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}.get(begin[:2], "utf-8-sig")
    text = begin[: len(begin) // 2 * 2].decode(encoding, "ignore").strip().lower()
    if "%pdf-" in text:
        return "a PDF"
    if text.startswith("<"):
        return "an SVG drawing" if "<svg" in text else "a web page" if "<html" in text else "an XML or HTML document"
    decoded = begin.decode("ascii", "replace")
    printable = sum(character.isprintable() or character in "\r\n\t" for character in decoded)
    return "a text" if printable == len(decoded) and "\ufffd" not in decoded else None


def _advice(what: str) -> str:
    if "HEI" in what:
        return "; save or share it as JPEG (iPhone: Settings, Camera, Formats, Most Compatible)"
    return "; make an image of the page first" if what == "a PDF" else ""
