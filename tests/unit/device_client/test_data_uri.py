"""Data URIs as browsers read them; what they refuse is refused with a name and without the URI."""

from __future__ import annotations

import base64
from urllib.parse import unquote_to_bytes

import pytest

from device_client.data_uri import decoded, is_data_uri
from device_client.pictures import picture_of_uri
from shared.errors import ImageError
from tests.support.system import a_picture

DATA = bytes(range(256)) * 5  # with its length, base64 of it ends in =
PLAIN = base64.b64encode(DATA).decode()
LINES = "\r\n".join(PLAIN[at : at + 76] for at in range(0, len(PLAIN), 76))


@pytest.mark.parametrize(
    "head",
    ["data:image/png;base64", "DATA:;BASE64", "Data:image/png; Base64", " data:a;b=c;base64 ", "\ndat\r\na\t:;base64"],
)
@pytest.mark.parametrize(
    "body",
    [
        PLAIN,
        LINES,
        PLAIN.rstrip("="),
        PLAIN.replace("+", "%2B").replace("/", "%2f").replace("=", "%3D"),
        " ".join(PLAIN),
        f"{PLAIN}\n",
        f"{PLAIN}#fragment",
    ],
)
def test_base64_is_read_in_all_the_forms_that_browsers_read(head: str, body: str) -> None:
    uri = f"{head},{body}"
    assert is_data_uri(uri)
    assert decoded(uri, "it") == DATA


@pytest.mark.parametrize(
    "text", ["a%20b%", "%41", "%%41%4", "%4%41", "%zz%5A%5a", "%", "%4", "abc", "%2541%25", "%\u00e9"]
)
def test_without_base64_the_data_are_percent_encoded(text: str) -> None:
    assert decoded(f"data:text/plain,{text}", "it") == unquote_to_bytes(text)


def test_no_escape_is_cut_in_two_however_long_the_data_are() -> None:
    data = bytes(range(256)) * 2**12
    assert decoded("data:," + "".join(f"%{byte:02X}" for byte in data), "it") == data
    assert decoded("data:," + "x" * (2**20 - 1) + "%41%", "it") == b"x" * (2**20 - 1) + b"A%"


@pytest.mark.parametrize(
    "uri",
    [
        "data:",
        "data:image/png;base64",
        "data:image/png;base64,",
        "data:,",
        "data:;base64,A",
        "data:;base64,AAAAA",
        "data:;base64,AA-_",
        "data:;base64,AA=A",
        "data:;base64,====",
        "data:;base64,\N{LATIN SMALL LETTER A WITH DIAERESIS}AAA",
        "data:;base64,\udc80AAA",
        "data:,\ud800",
        "data:\ud800,AAAA" + "A" * 5000 + "\ud800",
    ],
)
def test_what_browsers_refuse_is_refused_by_its_name_alone(uri: str) -> None:
    with pytest.raises(ImageError) as caught:
        decoded(uri, "messages[0].content[1].image_url.url")
    assert caught.value.field == "messages[0].content[1].image_url.url"
    assert len(str(caught.value)) < 250
    str(caught.value).encode()


def test_a_data_uri_is_the_picture_that_it_says() -> None:
    data = a_picture(seed=1)
    encoded = base64.b64encode(data).decode()
    assert picture_of_uri(f"data:image/png;base64,{encoded}").encoded == data
    assert picture_of_uri("data:;base64," + encoded.replace("+", "%2B")).encoded == data
