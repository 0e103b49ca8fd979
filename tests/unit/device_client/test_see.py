"""What `see` draws and says is what would enter the draft."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib
import pytest
from PIL import Image, ImageFont

from device_client import drawing
from device_client.__main__ import app
from device_client.config import DeviceConfig
from device_client.drawing import PANEL, Font, Panel, colour, draw, font_for, wrapped
from device_client.see import look_at
from shared.errors import InvalidValue
from shared.vlm.toy import ToyVlm
from tests.support.tiny_qwen import picture

BOXES = [(0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    picture(1, 128, 64).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setattr("device_client.see.pin_process", lambda _: None)  # once in a process, and tests have many
    assert app(["see", *arguments, "--draft", "toy:seed=1", "--threads", "1"], exit_on_error=False) == 0
    return capsys.readouterr().out


def test_the_edges_choice_cannot_be_seen_without_an_edge(file: Path) -> None:
    config = DeviceConfig(prune="verifier", keep="8")
    with pytest.raises(InvalidValue, match=r"^prune is 'verifier': is the edge's choice"):
        look_at(file, "where?", config, ToyVlm(seed=1))


def test_json_tells_box_and_scores_of_every_token(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = json.loads(said(capsys, monkeypatch, str(file), "where is it?", "--keep", "8", "--json"))
    assert told["size"] == [128, 64]
    assert told["visual_tokens"] == len(told["tokens"]) == 32
    assert told["kept"] == [number for number, token in enumerate(told["tokens"]) if token["kept"]]
    assert len(told["kept"]) == 8
    assert told["tokens"][9]["box"] == [16, 16, 32, 32]
    assert all(0 <= token[part] <= 1 for token in told["tokens"] for part in ("relevance", "activity", "rank"))


def test_a_picture_is_written_and_said_so(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.png"
    text = said(capsys, monkeypatch, str(file), "where is it?", "--keep", "25%", "--prune", "grid", "-o", str(out))
    assert text == f"8 of 32 visual tokens enter the draft; {out} shows which\n"
    with Image.open(out) as drawn:
        assert drawn.width > 2 * PANEL


def test_pooled_tokens_are_told_with_the_scores_of_what_was_seen(file: Path) -> None:
    look = look_at(file, "what?", DeviceConfig(prune="pool", keep="25%"), ToyVlm(seed=1))
    assert len(look.kept) == 8
    assert len(look.boxes) == 32


def test_what_is_left_out_is_dark_and_what_is_kept_is_as_it_was() -> None:
    white = Image.new("RGB", (200, 100), "white")
    sheet = draw(white, BOXES, {0}, "title", [Panel("kept", None)])
    line = [sheet.getpixel((x, 200)) for x in range(sheet.width)]
    assert line.count((255, 255, 255)) == PANEL // 2 - 4  # less the frame
    assert line.count((56, 56, 56)) == PANEL // 2


def test_higher_scores_are_lighter() -> None:
    def light(value: float) -> float:
        red, green, blue = colour(value)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    shades = [light(step / 50) for step in range(51)]
    assert shades == sorted(shades)
    assert colour(-1.0) == colour(0.0)
    assert colour(2.0) == colour(1.0)


def test_any_question_has_room_above_any_picture() -> None:
    for size in ((4, 300), (300, 4), (1, 1)):
        sheet = draw(Image.new("RGB", size), BOXES, {1}, "a very long question " * 30, [Panel("values", (0.0, 1.0))])
        assert sheet.width > 600


@pytest.mark.parametrize(
    "text",
    [
        "where is the dog",
        "红色的汽车在哪里" * 12,
        "short",
        "a word and " + "w" * 90,
        "x" * 300,
        "two  words\nand lines " * 9,
    ],
)
def test_a_title_fits_whatever_its_words_are(text: str) -> None:
    lines = wrapped(text, 60, len)
    assert 1 <= len(lines) <= 2
    assert all(len(line) <= 60 for line in lines)
    whole, said = "".join(text.split()), "".join("".join(lines).split())
    assert said == whole or (said.endswith("…") and whole.startswith(said[:-1]) and len(whole) > 50)


def name_of(font: Font) -> str | None:
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font.getname()[0]


def test_a_title_is_set_in_a_font_that_has_its_script(monkeypatch: pytest.MonkeyPatch) -> None:
    ttf = str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")
    monkeypatch.setattr(drawing, "FONTS", ("not-here.ttf", ttf))
    own = name_of(font_for("where is the dog?", 20))
    assert own != "DejaVu Sans"
    assert name_of(font_for("где собака?", 20)) == "DejaVu Sans"
    monkeypatch.setattr(drawing, "FONTS", ("not-here.ttf",))
    assert name_of(font_for("где собака?", 20)) == own


def test_panels_of_a_wide_picture_stand_one_below_the_other() -> None:
    panels = [Panel("kept", None), Panel("values", (0.0, 1.0))]
    wide, square = (draw(Image.new("RGB", size), BOXES, {1}, "title", panels) for size in ((400, 100), (200, 200)))
    assert PANEL * 2 < wide.width < PANEL * 2 + 100
    assert wide.height > 2 * PANEL // 2  # two panels of a quarter of twice that
    assert square.width > 2 * PANEL
    assert square.height < 2 * PANEL


def test_the_picture_is_its_owners_alone_and_what_cannot_be_written_is_told_at_once(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.JPG"
    said(capsys, monkeypatch, str(file), "where?", "--out", str(out))
    assert out.stat().st_mode & 0o777 == 0o600
    with Image.open(out) as written:
        assert written.format == "JPEG"
    monkeypatch.setattr("device_client.see.load", None)  # nothing may be loaded any more
    for name, rule in (("out.xyz", r"must end in \.png"), ("no/out.png", "there is no folder")):
        with pytest.raises(InvalidValue, match=f"^out is .*{rule}"):
            app(["see", str(file), "where?", "--out", str(tmp_path / name)], exit_on_error=False)
