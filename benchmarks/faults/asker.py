"""The device of the benchmark, a process at its end of the link: asks what it is told to, and says when what came.

Lines of JSON in and out. {"prompt": TEXT, "tokens": N} -> {"asked": NAME} with the answer's name in all logs, then
{"begun": true} with its first text, then {"ids": [...], "times": [...], "began": T, "reconnects": N} or {"error": ...}.
Times are of the machine's monotonic clock, one for each piece. {"count": true} -> {"tasks": ..., "threads": ...,
"connections": ..., "files": ...} of this process.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import uvloop

from benchmarks.faults.held import open_files
from device_client.client import Client
from device_client.config import DeviceConfig
from shared.errors import CovspecError
from shared.vlm.load import load
from tests.support.system import asked

TEMPERATURE, SEED = 0.7, 7


async def serve(options: Mapping[str, Any], draft: str) -> None:
    """Obey lines until there are no more."""
    paths = {name: Path(value) for name, value in options.items() if name == "tls_ca"}
    async with Client(DeviceConfig(**{**options, **paths}), load(draft)) as client:
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            _say(_count() if "count" in order else await _ask(client, order["prompt"], order["tokens"]))


async def _ask(client: Client, prompt: str, tokens: int) -> dict[str, Any]:
    began, times = monotonic(), []
    question = asked(prompt, temperature=TEMPERATURE, seed=SEED, max_tokens=tokens, ignore_eos=True)
    try:
        answer = await client.ask(question)
        _say({"asked": answer.request})
        async for _ in answer.pieces():
            times.append(monotonic())
            if len(times) == 1:
                _say({"begun": True})
    except CovspecError as error:
        return {"error": f"{type(error).__name__}: {error}", "times": times, "began": began}
    assert answer.result is not None
    figures = answer.result.figures
    return {"ids": answer.result.ids, "times": times, "began": began, "reconnects": figures.reconnects}


def _count() -> dict[str, Any]:
    return {
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        **open_files(),
    }


def _say(values: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(serve(json.loads(sys.argv[1]), sys.argv[2]))
