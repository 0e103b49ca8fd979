"""A configuration file serves every verb of both ends; each says what is wrong with it, where, and what was meant."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cyclopts import App

import device_client.__main__ as device
import edge_server.__main__ as edge
from deploy import option_names
from shared.command_line import hints, run
from shared.config_file import ConfigFile
from shared.option_names import DEVICE, EDGE, OPTIONS
from shared.option_values import ConfigurationError, plain

SECRET = "s3cret-of-mine"
WORDS = {"ask": ["hi"], "see": ["a.png", "hi"]}  # what a verb cannot do without
VERBS: list[tuple[str, App, list[str]]] = [
    (EDGE, edge.app, []),
    *((verb, device.app, [verb, *WORDS.get(verb, [])]) for verb in hints(device.app)),
]
every_verb = pytest.mark.parametrize(("verb", "app", "words"), VERBS, ids=[verb for verb, _, _ in VERBS])


def test_the_names_of_all_options_are_those_of_today() -> None:
    written = Path(option_names.__file__).parents[1] / "shared" / "option_names.py"
    assert written.read_text() == "\n".join(option_names.lines()) + "\n", "`make env` writes it"


HINTS = {EDGE: hints(edge.app), DEVICE: hints(device.app)}
both_ends = pytest.mark.parametrize("end", list(HINTS))


def refused(end: str, content: bytes, folder: Path) -> str:
    """The sentence with which all verbs of an end refuse a file of this content."""
    file = folder / "covspec.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        ConfigFile(file, HINTS[end])
    said = str(caught.value)
    assert said.startswith(str(file)), said
    assert SECRET not in said
    assert len(said) < 400 + len(str(folder))
    return said


@every_verb
@pytest.mark.parametrize("content", [b"tokn = 's3cret-of-mine'", b"\xff\xfet\0", b"token = s3cret-of-mine"])
def test_every_verb_ends_with_one_sentence_and_exit_code_2(
    verb: str, app: App, words: list[str], content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "covspec.toml"
    assert run(app, [*words, "--config", str(file)]) == 2
    file.write_bytes(content)
    assert run(app, [*words, "--config", str(file)]) == 2
    out, said = capsys.readouterr()
    missing, wrong = said.splitlines()
    assert out == ""
    assert missing == f"{app.name[0]}: {file}: there is no such file"
    assert wrong == f"{app.name[0]}: {refused(EDGE if verb == EDGE else DEVICE, content, tmp_path)}"


UNKNOWN = [
    ("tokn = 's3cret-of-mine'", "line 1: there is no option 'tokn'"),
    ("# one\n\n'api-ky' = 's3cret-of-mine'", "line 3: there is no option 'api-ky'"),
    ("Threads = 1", "line 1: there is no option 'Threads'; did you mean threads?"),
    ("[sampling]\ntemperature = 0", "line 1: there is no table 'sampling'"),
    ("\n[serv]\nport = 1", "line 2: there is no table 'serv' (edge-server,"),
    ("[serv]\nport = 1", "did you mean serve?"),
    ("[edge]\nport = 1", "line 1: there is no table 'edge'"),
    ("serve = 3", "line 1: 'serve' is a table: write [serve]"),
    ("[[serve]]\nport = 1", "line 1: 'serve' is a table: write [serve]"),
    ("[serve]\nprt = 1", "line 2: there is no option 'prt'; did you mean port?"),
    ("[serve]\npairs = 1", "line 2: [serve] has no 'pairs', which is an option of bench"),
    ("[chat]\nport = 1\n", "line 2: [chat] has no 'port', which is an option of edge-server, serve"),
    ("[edge-server]\nmodell = 'x'", "line 2: there is no option 'modell'; did you mean model?"),
    ("[device-client]\nedg = 'x'", "line 2: there is no option 'edg'; did you mean edge?"),
    ("[[device-client]]\nedge = 'x'", "line 1: 'device-client' is a table: write [device-client]"),
    ("edge-server = 3", "line 1: 'edge-server' is a table: write [edge-server]"),
    ("'' = 's3cret-of-mine'", "line 1: there is no option ''"),
    ("[\"\"]\napi-key = 's3cret-of-mine'", "there is no table ''"),
    ("[serve.x]\nport = 1", "there is no option 'x'"),
    ("serve.'' = 1", "there is no option ''"),
    ("serve.prt = 3", "there is no option 'prt'; did you mean port?"),
    ("ask = {windw = 3}", "there is no option 'windw'; did you mean window?"),
    ("log-format = 'json'\nlog_format = 'json'", "line 2: 'log_format' stands here twice"),
    ("x" * 5000 + " = 1", "there is no option 'xxxx"),
]


@both_ends
@pytest.mark.parametrize(("text", "sentence"), UNKNOWN)
def test_a_table_or_key_that_no_verb_knows_is_refused_with_its_line_and_a_near_name(
    end: str, text: str, sentence: str, tmp_path: Path
) -> None:
    assert sentence in refused(end, text.encode(), tmp_path)


@both_ends
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('threads = "1"\n'.encode("utf-16"), "is not UTF-8 but UTF-16"),
        ("threads = 1\n".encode("utf-16-be"), "is not UTF-8 but UTF-16"),
        ("threads = 1\n".encode("utf-32"), "is not UTF-8 but UTF-16 or UTF-32"),
        ("\n# Büro\nthreads = 1".encode("latin-1"), "line 2: this is not UTF-8"),
        (b"\x89PNG\r\n\x1a\n", "this is not UTF-8"),
        (b"threads: 1\n", "line 1, column 8: this is not TOML"),
        (b"token = s3cret-of-mine\n", "line 1, column 9: this is not TOML"),
        (b"token = 's3cret-of-mine\n", "end of document: this is not TOML"),
        (b"threads = 1\nthreads = 2\n", "line 2, column 12: a name or a table stands here twice"),
        (b"[serve]\nport = 1\n[serve]\nport = 2", "line 3, column 7: a name or a table stands here twice"),
        (b"serve.port = 1\n[serve]\nport = 2", "line 2, column 7: a name or a table stands here twice"),
        (b"serve = {port = 1, port = 2}", "a name or a table stands here twice"),
        (b"serve = {port = 1}\n[serve.x]\na = 2", "a name or a table stands here twice"),
        (b"{\"threads\": 1}", "this is not TOML"),
        (b"threads = " + b"9" * 5000, "this is not TOML"),
        (b"threads = " + b"[" * 100_000, "nested too deeply"),
        (b"#" * 2_000_000, "must be at most 1048576 bytes"),
        (b"threads = 1\0", "this is not TOML"),
    ],
)  # fmt: skip
def test_what_is_no_toml_in_utf_8_gets_a_sentence_with_the_name_of_the_file(
    end: str, content: bytes, sentence: str, tmp_path: Path
) -> None:
    assert sentence in refused(end, content, tmp_path)


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: (path.touch(), path.chmod(0)), "cannot be read: Permission denied"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
        (lambda path: path.symlink_to("/dev/zero"), "must be at most 1048576 bytes"),
    ],
    ids=["missing", "folder", "closed", "circle", "endless"],
)
def test_a_file_that_cannot_be_read_is_named(made: Callable[[Path], object], sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "covspec.toml"
    made(path)
    if "Permission" in sentence and os.access(path, os.R_OK):
        pytest.skip("nothing is closed to root")
    with pytest.raises(ConfigurationError, match=re.escape(str(path))) as caught:
        ConfigFile(path, HINTS[DEVICE])
    assert sentence in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"# nothing\r\n"])
def test_an_empty_file_says_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "covspec.toml").write_bytes(content)
    assert ConfigFile(tmp_path / "covspec.toml", HINTS[DEVICE]).settings("serve") == {}


WRONG = {"bool": "'yes'", "int": "1.5", "float": "'1'", "str": "3", "Path": "[1]", "tuple": "3", "Literal": "'s'"}


@both_ends
def test_a_value_of_a_wrong_type_is_refused_whichever_verb_it_is_for(end: str, tmp_path: Path) -> None:
    for option, hint in {name: kind for one in HINTS[end].values() for name, kind in one.items()}.items():
        kind = str(getattr(plain(hint), "__name__", ""))
        for value in (WRONG[kind], "1979-05-27", "[['s3cret-of-mine']]", "[true]"):
            said = refused(end, f"{option} = {value}".encode(), tmp_path)
            assert f"line 1: '{option}' must be " in said
        assert "there is no table" in refused(end, f"[{option}]\nx = 's3cret-of-mine'".encode(), tmp_path)


ONE_FILE = """\
log_format = "json"
threads = 2

[edge-server]
model = "toy:seed=1"
port = 50060
max-sessions = 3

[device-client]
edge = "127.0.0.1:50060"
temperature = 0

[ask]
temperature = 1.5
stop = "END"

[serve]
port = 9001
served-model-name = ["a", "b"]

[bench]
pairs = 2
"""


@pytest.mark.parametrize("start", ["", "\N{ZERO WIDTH NO-BREAK SPACE}"], ids=["plain", "byte order mark"])
def test_one_file_serves_all_verbs_of_both_ends(start: str, tmp_path: Path) -> None:
    file = tmp_path / "covspec.toml"
    file.write_text(start + ONE_FILE.replace("\n", "\r\n"), encoding="utf-8", newline="")
    at_edge = ConfigFile(file, HINTS[EDGE]).settings(EDGE)
    assert {name: at_edge[name].value for name in ("port", "max_sessions", "threads")} == {
        "port": 50060,
        "max_sessions": 3,
        "threads": 2,
    }
    assert not at_edge.keys() - OPTIONS[EDGE]
    told = ConfigFile(file, HINTS[DEVICE])
    for verb in OPTIONS.keys() - {EDGE}:
        found = told.settings(verb)
        assert found["edge"].value == "127.0.0.1:50060"
        assert found["threads"].value == 2
        assert ("port" in found) == (verb == "serve")
        if "temperature" in OPTIONS[verb]:
            assert found["temperature"].value == (1.5 if verb == "ask" else 0)
    assert told.settings("serve")["port"].value == 9001
    assert told.settings("serve")["port"].where == f"{file}, line 18"


@pytest.mark.parametrize(("mine", "other", "key"), [(EDGE, DEVICE, "edge"), (DEVICE, EDGE, "max_queue")])
def test_an_option_of_the_other_end_stands_in_its_table(mine: str, other: str, key: str, tmp_path: Path) -> None:
    said = refused(mine, f"{key} = 3".encode(), tmp_path)
    assert f"'{key}' is an option of {other}: it stands below [{other}]" in said


def test_a_limit_that_a_file_or_a_variable_breaks_is_told_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "covspec.toml"
    file.write_text("threads = 2\nwindow = 99\n")
    assert run(device.app, ["chat", "--config", str(file)]) == 2
    assert f"window is 99: must lie between 1 and 64 ({file}, line 2)" in capsys.readouterr().err
    monkeypatch.setenv("COVSPEC_DEVICE_WINDOW", "98")
    assert run(device.app, ["chat", "--config", str(file)]) == 2
    assert "must lie between 1 and 64 (COVSPEC_DEVICE_WINDOW)" in capsys.readouterr().err
    assert run(device.app, ["chat", "--config", str(file), "--window", "97"]) == 2
    assert capsys.readouterr().err.endswith("window is 97: must lie between 1 and 64\n")
