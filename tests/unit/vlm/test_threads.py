"""A model runs on the threads it was given, whatever others in its process were given. In processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from shared.vlm.threads import resolve_threads, threads_here

PINNED = """
import asyncio, sys, threading
from edge_server.config import EdgeConfig
from edge_server import launch
from shared.vlm.toy import ToyVlm
from shared.vlm.threads import threads_here
import torch

seen = []

class Watched(ToyVlm):
    def step(self, blocks):
        seen.append((threading.current_thread().name, threads_here()))
        return super().step(blocks)

launch.load = lambda *_: Watched("target", seed=1)

async def serve(config, load):
    from tests.support.system import asked, edge, device, exact, toy_draft
    other = threading.Thread(target=torch.set_num_threads, args=(4,))  # what new threads would take over
    other.start()
    other.join()
    options = {"threads": int(sys.argv[2])}
    async with edge(load) as server, device(f"127.0.0.1:{server.port}", toy_draft(), **options) as client:
        await exact(client, asked())
        drafted_on = await asyncio.get_running_loop().run_in_executor(client.thread, threads_here)
        print(sorted(set(seen)), drafted_on, torch.get_num_interop_threads())

launch.serve = serve
launch.launch(EdgeConfig(model="toy", threads=int(sys.argv[1])))
"""


@pytest.mark.parametrize(("target", "draft"), [(3, 2), (1, 3)])
def test_the_forwards_of_both_ends_run_on_the_threads_they_were_given(target: int, draft: int) -> None:
    command = [sys.executable, "-c", PINNED, str(target), str(draft)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == f"[('engine', {target})] {draft} 1\n", done.stderr


def test_what_is_not_said_is_one_for_the_demo_and_torchs_choice_for_others() -> None:
    assert resolve_threads(0, "demo") == 1
    assert resolve_threads(0, "Qwen/Qwen3-VL-2B-Instruct") == threads_here()
    assert resolve_threads(5, "demo") == resolve_threads(5, "other") == 5
