"""Two real processes through their command lines, as a person runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.processes import EdgeProcess, edge_process
from shared.demo.pair import samples
from shared.speculation.prints import short
from shared.vlm.toy import ToyVlm
from tests.support.traces import spans_nest

TARGET = "toy:seed=1"
DRAFT = "toy:seed=1,agreement=0.8"


def run(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=os.environ | environment
    )


def ask(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("device_client", "ask", *arguments, **environment)


@pytest.fixture(scope="module")
def edge() -> Iterator[EdgeProcess]:
    with edge_process("--model", TARGET) as process:
        yield process


def test_only_the_text_is_on_stdout_and_the_figures_on_stderr(edge: EdgeProcess, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    done = ask("what is it?", "--edge", edge.address, "--draft", DRAFT, "--trace", str(trace))
    assert done.returncode == 0
    assert done.stdout.strip()
    assert "draft supplied" not in done.stdout
    assert "draft supplied" in done.stderr.splitlines()[-1]
    assert "accepted per step" not in done.stderr
    spans_nest(json.loads(trace.read_text()))


def test_json_is_one_object_with_text_ids_and_figures(edge: EdgeProcess) -> None:
    picture, _ = samples()[0]
    options = ("--edge", edge.address, "--draft", DRAFT, "--temperature", "1", "--seed", "7", "--json", "--quiet")
    done = [ask(str(picture), "what is it?", *options) for _ in range(2)]
    assert [each.stderr for each in done] == ["", ""]
    said = [json.loads(each.stdout) for each in done]
    assert said[0]["ids"] == said[1]["ids"]
    assert said[0]["seed"] == 7
    assert said[0]["figures"]["bytes"]["up"]["image_chunk"]["payload"] > picture.stat().st_size


def test_colours_tell_who_said_what_only_where_asked_for(edge: EdgeProcess) -> None:
    plain = ask("what is it?", "--edge", edge.address, "--draft", DRAFT, "--trace", "/dev/full")
    assert plain.returncode == 0  # the answer is whole, and its trace is not the question
    assert "the trace /dev/full cannot be written: No space left on device" in plain.stderr
    coloured = ask("what is it?", "--edge", edge.address, "--draft", DRAFT, "--color", "always")
    assert "\x1b[" not in plain.stdout
    assert "\x1b[" in coloured.stdout


def test_an_edge_that_is_not_there_is_one_line_and_exit_code_1() -> None:
    done = ask("hello", "--edge", "127.0.0.1:1", "--draft", DRAFT)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("device-client: the edge 127.0.0.1:1 cannot be reached")
    assert "Traceback" not in done.stderr


def test_grpc_says_nothing_beside_our_own_sentence(edge: EdgeProcess) -> None:
    done = ask("hello", "--edge", edge.address, "--tls", "--draft", DRAFT)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"device-client: the edge {edge.address} cannot be reached: it does not speak TLS")


def test_fallback_local_answers_with_the_draft_and_says_so() -> None:
    done = ask("hello", "--edge", "127.0.0.1:1", "--draft", DRAFT, "--fallback", "local")
    assert done.returncode == 0
    assert done.stdout.strip()
    assert "the draft answers alone" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["no-such-file.png", "what?"], 1, "no-such-file.png"),
        (["what?", "--window", "0"], 2, "window is 0"),
        (["what?", "--edge", "http://nowhere"], 2, "write nowhere alone"),
        (["what?", "--temperature", "-1"], 2, "temperature is -1"),
        (["what?", "--config", "no-such.toml"], 2, "no-such.toml"),
        (["what?", "--config", "."], 2, ". is a folder"),
        (["README.md"], 2, "the question comes after the pictures"),
        (["what?", "--draft", "no/such/model"], 1, "no/such/model"),
        ([" "], 2, "say what you want to know"),
        (["what?", "--no-such-option"], 2, "no-such-option"),
        (["what?", "--window", "many"], 2, "window"),
    ],
)
def test_what_a_person_gets_wrong_gets_a_sentence(
    edge: EdgeProcess, arguments: list[str], code: int, said: str
) -> None:
    options = [] if "--draft" in arguments else ["--draft", DRAFT]
    options += [] if "--edge" in arguments else ["--edge", edge.address]
    done = ask(*arguments, *options)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert said in done.stderr


def test_vocabularies_that_do_not_fit_are_explained(edge: EdgeProcess, tmp_path: Path) -> None:
    done = ask("what?", "--edge", edge.address, "--draft", "demo")
    assert done.returncode == 1
    assert "do not fit each other" in done.stderr


def test_configuration_comes_from_flag_then_environment_then_file(edge: EdgeProcess, tmp_path: Path) -> None:
    file = tmp_path / "device.toml"
    file.write_text(f'edge = "{edge.address}"\ndraft = "{DRAFT}"\nmax_tokens = 3\n')
    of_file = ask("what?", "--json", "--config", str(file))
    assert json.loads(of_file.stdout)["figures"]["tokens"] == 3
    of_environment = ask("what?", "--json", "--config", str(file), COVSPEC_DEVICE_MAX_TOKENS="4")
    assert json.loads(of_environment.stdout)["figures"]["tokens"] == 4
    of_variable = ask("what?", "--json", COVSPEC_DEVICE_CONFIG=str(file))
    assert json.loads(of_variable.stdout)["figures"]["tokens"] == 3
    of_flag = ask("what?", "--json", "--config", str(file), "--max-tokens", "5", COVSPEC_DEVICE_MAX_TOKENS="4")
    assert json.loads(of_flag.stdout)["figures"]["tokens"] == 5


def test_an_unknown_key_in_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "device.toml"
    file.write_text("windw = 3\n")
    done = ask("what?", "--config", str(file))
    assert done.returncode == 2
    assert "windw" in done.stderr


def test_help_needs_no_model_library() -> None:
    for module in ("edge_server", "device_client"):
        code = f"import sys, runpy; sys.argv = ['{module}', '--help']\ntry:\n    runpy.run_module('{module}', "
        code += "run_name='__main__')\nexcept SystemExit:\n    assert 'torch' not in sys.modules, 'torch was imported'"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "Usage" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--model", "no/such/model"], 1, "no/such/model"),
        (["--host", "0.0.0.0", "--model", TARGET], 2, "--insecure"),
        (["--max-window", "65"], 2, "max_window is 65"),
        (["--model", TARGET, "--events", "no/such/folder/steps"], 2, "events is 'no/such/folder/steps'"),
    ],
)
def test_an_edge_that_cannot_start_says_why(arguments: list[str], code: int, said: str) -> None:
    done = run("edge_server", "--port", "0", *arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert said in done.stderr


def test_an_edge_writes_what_its_steps_were(tmp_path: Path) -> None:
    file = tmp_path / "steps.jsonl"
    with edge_process("--model", TARGET, "--events", str(file)) as edge:
        said = json.loads(ask("what is it?", "--edge", edge.address, "--draft", DRAFT, "--json").stdout)
    steps = [json.loads(line) for line in file.read_text().splitlines()]
    assert sum(step["committed"] for step in steps) == len(said["ids"])
    assert sum(step["stood"] for step in steps) == round(
        said["figures"]["accepted_per_step"] * said["figures"]["steps"]
    )


def test_a_port_that_is_taken_is_said(edge: EdgeProcess) -> None:
    done = run("edge_server", "--port", str(edge.port), "--model", TARGET)
    assert done.returncode == 1
    assert "is another server there?" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_edge_that_is_told_to_stop_drains_and_ends_well(number: signal.Signals) -> None:
    with edge_process("--model", TARGET) as edge:
        edge.process.send_signal(number)
        assert edge.process.wait(30) == 0
    assert "drain" in "".join(edge.log)


def test_the_ready_line_and_a_verbose_device_tell_what_holds() -> None:
    options = ("--threads", "3", "--max-sessions", "5", "--max-queue", "7", "--max-batch", "4", "--max-window", "16")
    with edge_process("--model", TARGET, *options) as edge:
        done = ask("hello", "--edge", edge.address, "--draft", DRAFT, "--threads", "2", "--verbose")
        quiet = ask("hello", "--edge", edge.address, "--draft", DRAFT)
    mark = short(ToyVlm(seed=1).fingerprint())
    assert (
        f"ready: toy:seed=1 (toy), fingerprint {mark}, threads 3, context 4096, window 16, batch 4, places 5, line 7,"
        " eager, thrifty, auto\n"
    ) in "".join(edge.log)
    assert f"device-client: draft {DRAFT}, threads 2, window 16, pace eager\n" in done.stderr
    assert (
        f"device-client: edge {edge.address}: toy:seed=1 (toy), fingerprint {mark}, Limits(max_window=16,"
        in done.stderr
    )
    assert "threads" not in quiet.stderr


def test_ctrl_c_stops_the_answer_with_code_130() -> None:
    with edge_process("--model", "toy:seed=1,step_seconds=0.2") as edge:
        command = [sys.executable, "-m", "device_client", "ask", "hello", "--edge", edge.address, "--draft", DRAFT]
        process = subprocess.Popen(
            [*command, "--ignore-eos"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said


def test_a_reader_that_wants_no_more_is_no_disaster(edge: EdgeProcess) -> None:
    command = f"{sys.executable} -m device_client ask hello --edge {edge.address} --draft {DRAFT} --ignore-eos"
    done = subprocess.run(
        f"{command} --max-tokens 2000 | head -c 3", shell=True, capture_output=True, text=True, timeout=120, check=False
    )
    assert len(done.stdout) == 3
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_one_sentence(edge: EdgeProcess) -> None:
    command = f"{sys.executable} -m device_client ask hello --edge {edge.address} --draft {DRAFT} > /dev/full"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_demo_whose_target_cannot_load_says_why() -> None:
    done = run("deploy.demo", "--model", "no/such/model")
    assert done.returncode == 1
    assert "no/such/model" in done.stderr
    assert "cannot be reached" not in done.stderr


def test_an_answer_does_not_go_on_with_another_target() -> None:
    command = [sys.executable, "-m", "device_client", "ask", "hello", "--draft", DRAFT, "--ignore-eos"]
    with edge_process("--model", "toy:seed=1,step_seconds=0.1") as first:
        process = subprocess.Popen(
            [*command, "--edge", first.address, "--max-tokens", "200"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.read(1)
        first.process.kill()
        first.process.wait()
        with edge_process("--model", "toy:seed=2", port=first.port):
            _, said = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "the answer is not complete: the edge has another model than before" in said


def test_the_demo_answers_about_its_sample_and_stops_what_it_started() -> None:
    done = run("deploy.demo")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "draft supplied" in done.stderr
    assert "the edge server is stopped" in done.stderr
