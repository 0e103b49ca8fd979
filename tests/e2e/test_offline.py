"""Models come from the cache folder that the environment names, and nothing else is asked when it says offline."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.tiny_qwen import tiny_folder

LOADS = """
import sys
from shared.errors import ModelError
from shared.vlm.load import load
for name in sys.argv[1:]:
    try:
        print(load(name).info.name)
    except ModelError as refused:
        print("refused", refused)
"""


def test_the_cache_folder_is_honoured_and_offline_means_offline(tmp_path: Path) -> None:
    kept = tmp_path / "hub" / "models--someone--tiny"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("0123abcd")
    shutil.copytree(tiny_folder(), kept / "snapshots" / "0123abcd")
    names = ["someone/tiny", "someone/unknown"]
    environment = os.environ | {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    environment.pop("HF_HUB_CACHE", None)
    said = subprocess.run(
        [sys.executable, "-c", LOADS, *names], env=environment, capture_output=True, text=True, timeout=120, check=True
    ).stdout.splitlines()
    assert said[0] == "someone/tiny"
    assert said[1].startswith("refused someone/unknown: neither a folder here nor a model that the hub or its cache")
