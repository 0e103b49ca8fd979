"""The verbs beside `ask` as a person runs them: chat, doctor, serve; and pictures that are no files."""

from __future__ import annotations

import base64
import functools
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.processes import EdgeProcess, edge_process
from shared.demo.pair import samples
from tests.support.pseudo_terminal import on_a_terminal

DRAFT = "toy:seed=1,agreement=0.8"
CURL = ["curl", "--silent", "--show-error", "--no-buffer", "--max-time", "60"]
DEVICE = [sys.executable, "-m", "device_client"]


@pytest.fixture(scope="module")
def edge() -> Iterator[EdgeProcess]:
    with edge_process("--model", "toy:seed=1,step_seconds=0.01") as process:
        yield process


def options(edge: EdgeProcess) -> list[str]:
    return ["--edge", edge.address, "--draft", DRAFT]


def run(
    *arguments: str, given: bytes = b"", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*DEVICE, *arguments],
        input=given,
        capture_output=True,
        timeout=120,
        check=False,
        env=os.environ | (environment or {}),
    )


def test_a_picture_may_come_from_stdin_or_a_url_with_leave(edge: EdgeProcess, tmp_path: Path) -> None:
    picture, _ = samples()[0]
    said = run("ask", str(picture), "what is it?", *options(edge)).stdout
    assert run("ask", "-", "what is it?", *options(edge), given=picture.read_bytes()).stdout == said
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(picture.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{picture.name}"
        refused = run("ask", url, "what is it?", *options(edge))
        assert refused.returncode == 1
        assert b"--allow-url" in refused.stderr
        assert run("ask", url, "what is it?", "--allow-url", *options(edge)).stdout == said
        missing = run("ask", url + "x", "what is it?", "--allow-url", *options(edge))
        assert b"cannot be fetched" in missing.stderr
        server.shutdown()


def test_a_chat_without_a_terminal_is_lines_in_and_answers_out(edge: EdgeProcess) -> None:
    picture, _ = samples()[0]
    lines = f"/image '{picture}'\nwhat is it?\n/image nowhere.png\n/dance\nand now?\n/new\nwhat is it?\n/quit\nnever\n"
    done = run("chat", *options(edge), "--temperature", "1", "--seed", "3", given=lines.encode("utf-8-sig"))
    assert done.returncode == 0, done.stderr
    seeded = (*options(edge), "--temperature", "1", "--seed", "3")
    first, last = run("ask", str(picture), "what is it?", *seeded).stdout, run("ask", "what is it?", *seeded).stdout
    assert done.stdout.startswith(first)
    assert done.stdout.endswith(last)
    assert len(done.stdout) > len(first + last)
    assert b"nowhere.png" in done.stderr
    assert b"'/dance': is none of" in done.stderr
    assert b"Traceback" not in done.stderr


def test_each_answer_of_a_chat_and_of_the_endpoint_leaves_a_timeline(edge: EdgeProcess, tmp_path: Path) -> None:
    chat = run("chat", *options(edge), "--trace", str(tmp_path / "chat.json"), given=b"what is it?\nand now?\n")
    assert chat.returncode == 0, chat.stderr
    body = {"model": "any", "messages": [{"role": "user", "content": "what is it?"}], "n": 2}
    traced = ("--served-model-name", "any", "--trace", str(tmp_path / "serve.json"))
    with served(*options(edge), *traced) as (process, address, _):
        command = [*CURL, "--header", "content-type: application/json", "--data", "@-", f"{address}/chat/completions"]
        subprocess.run(command, input=json.dumps(body).encode(), capture_output=True, check=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["chat-1.json", "chat-2.json", "serve-1.json", "serve-2.json"]
    for name in names:
        assert json.loads((tmp_path / name).read_text())["otherData"]["edges"][0]["clock_error_us"] > 0


def test_on_a_terminal_an_answer_ends_as_it_was_said_with_its_figures(edge: EdgeProcess) -> None:
    text = run("ask", "what is it?", *options(edge)).stdout.decode().strip()
    with on_a_terminal([*DEVICE, "ask", "what is it?", *options(edge)], columns=44) as terminal:
        assert terminal.end() == 0
    words = [word for line in terminal.display for word in line.split()]
    said = text.split()
    assert said in [words[at : at + len(said)] for at in range(len(words))]  # none is broken
    assert b"\x1b[2m" in terminal.raw  # dim
    figures = [line for line in terminal.display if " tokens · " in line]
    assert len(figures) == 1
    assert "first after" in figures[0]


def test_ctrl_c_stops_the_answer_and_not_the_chat(edge: EdgeProcess) -> None:
    command = [*DEVICE, "chat", *options(edge), "--ignore-eos", "--color", "never"]
    with on_a_terminal(command) as terminal:
        terminal.until("Ctrl-D ends the chat")
        terminal.press("go on for ever\r")
        terminal.until("tok/s")
        terminal.press("\x03")
        terminal.until("stopped")
        terminal.until_row(">")
        terminal.press("/dance\r")
        terminal.until("is none of")
        terminal.until_row(">")
        terminal.press("half a line")
        terminal.until_row("> half a line")
        terminal.press("\x03")
        terminal.until_row(">")
        terminal.press("\x04")
        assert terminal.end() == 0
    assert b"Traceback" not in terminal.raw


def test_a_doctor_finds_what_is_well(edge: EdgeProcess) -> None:
    done = run("doctor", *options(edge))
    said = done.stdout.decode()
    assert done.returncode == 0, said + done.stderr.decode()
    for words in (
        "target toy:seed=1",
        "vocabularies fit: 256 of",
        "round trip",
        "target alone:",
        "agrees with",
        "times",
    ):
        assert words in said, said


@pytest.mark.parametrize(
    ("address", "draft", "words"),
    [("127.0.0.1:1", DRAFT, "cannot be reached"), ("", "demo", "do not fit each other")],
)
def test_a_doctor_finds_what_is_not(edge: EdgeProcess, address: str, draft: str, words: str) -> None:
    done = run("doctor", "--edge", address or edge.address, "--draft", draft)
    assert done.returncode == 1
    assert "BAD  " in done.stdout.decode()
    assert words in done.stdout.decode()
    assert b"Traceback" not in done.stderr


def test_a_bench_prints_lines_or_one_object(edge: EdgeProcess) -> None:
    picture, _ = samples()[0]
    asked = ("--pairs", "2", "--max-tokens", "20", "--ignore-eos", *options(edge))
    lines = run("bench", *asked)
    assert lines.returncode == 0, lines.stderr
    for words in (b"2 pairs", b"tokens/s after the first 8", b"first token, ms", b"a step", b"stood"):
        assert words in lines.stdout, lines.stdout
    assert b"pair 2 of 2" in lines.stderr
    told = json.loads(run("bench", str(picture), "what is it?", "--json", *asked).stdout)
    assert [pair["same"] for pair in told["pairs"]] == [True, True]
    assert told["tokens_per_second"]["pairs"] == 2


@contextmanager
def served(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """`device-client serve` on a free port: the process, its address, and what it has said."""
    process = subprocess.Popen(
        [*DEVICE, "serve", "--port", "0", *arguments], stderr=subprocess.PIPE, text=True, env=os.environ | environment
    )
    assert process.stderr is not None
    said: list[str] = []
    try:
        for line in process.stderr:
            said.append(line)
            if "ready:" in line or "not there yet" in line:
                break
        address = next(line for line in said if "listening on" in line).split()[-1]
        yield process, address, said
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_curl_talks_to_the_endpoint(edge: EdgeProcess) -> None:
    picture, _ = samples()[0]
    uri = "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()
    content = [{"type": "image_url", "image_url": {"url": uri}}, {"type": "text", "text": "what is it?"}]
    body = {"model": "any", "messages": [{"role": "user", "content": content}], "stream": True}
    said = run("ask", str(picture), "what is it?", *options(edge)).stdout.decode().strip()
    with served(*options(edge), "--served-model-name", "any", COVSPEC_DEVICE_API_KEY="key") as (process, address, _):
        command = ["curl", "--silent", "--show-error", "--no-buffer", "--max-time", "60"]
        command += ["--header", "content-type: application/json", "--header", "authorization: Bearer key"]
        done = subprocess.run(
            [*command, "--data", "@-", f"{address}/chat/completions"],
            input=json.dumps(body).encode(),
            capture_output=True,
            check=True,
        )
        events = [line.removeprefix(b"data: ") for line in done.stdout.splitlines() if line]
        assert events[-1] == b"[DONE]"
        chunks = [json.loads(event) for event in events[:-1]]
        assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks).strip() == said
        denied = subprocess.run([*CURL, f"{address}/models"], capture_output=True, check=True)
        assert json.loads(denied.stdout)["error"]["code"] == "invalid_api_key"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_an_endpoint_may_start_before_its_edge() -> None:
    with served("--edge", "127.0.0.1:1", "--draft", DRAFT) as (process, address, said):
        assert "not there yet" in said[-1]
        health = [
            "curl",
            "--silent",
            "--max-time",
            "60",
            "--write-out",
            "%{http_code}",
            address.replace("/v1", "/health"),
        ]
        assert subprocess.run(health, capture_output=True, check=True).stdout.endswith(b"503")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--host", "0.0.0.0"], 2, b"--api-key KEY, or --anonymous"),
        (["--parallel", "0"], 2, b"parallel is 0"),
        (["--fallback", "local", "--draft", DRAFT], 2, b"the target or not at all"),
        (["--api-key", "two words"], 2, b"api_key is '(hidden)'"),
        (["--host", "203.0.113.7", "--anonymous"], 1, b":0: this machine has no such address (--host)\n"),
    ],
)
def test_an_endpoint_that_cannot_start_says_why(arguments: list[str], code: int, words: bytes) -> None:
    done = run("serve", "--port", "0", *arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_port_that_is_taken_is_said(edge: EdgeProcess) -> None:
    done = run("serve", "--port", str(edge.port), *options(edge))
    assert done.returncode == 1
    assert b"is another server there?" in done.stderr
    assert b"attempting to bind" not in done.stderr


def test_the_help_of_no_verb_needs_a_heavy_library() -> None:
    for verb in ("ask", "chat", "doctor", "bench", "serve", "see"):
        code = f"import sys, runpy; sys.argv = ['device_client', '{verb}', '--help']\ntry:\n    runpy.run_module("
        code += "'device_client', run_name='__main__')\nexcept SystemExit:\n    heavy = {'torch', 'grpc', 'starlette', "
        code += "'uvicorn', 'PIL', 'transformers', 'prompt_toolkit'} & set(sys.modules)\n    assert not heavy, heavy"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "Usage" in done.stdout
