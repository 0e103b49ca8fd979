"""Open spoiled and wrapped images with the real loader, in a child of limited memory; no program, growth or surprise.

`python -m benchmarks.fuzz.images`: 100 000 of them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from PIL import Image

from benchmarks.fuzz.image_files import spoiled
from shared.errors import ImageError
from shared.media.images import cost_of, open_image
from shared.media.quiet import quiet_decoders

MAX_PIXELS = 4_000_000
_MIB = 2**20
_ROOM = 512 * _MIB  # of addresses that the child may take beyond those it begins with
_SLACK = 8 * _MIB  # resident beyond what was said before: pages of the heap that come and go
_STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty"}
# What Pillow would call, or a shell would: each is a script here that leaves a trace.
_PROGRAMS = (
    "gs",
    "gswin64c",
    "sh",
    "bash",
    "djpeg",
    "ppmquant",
    "ppmtogif",
    "convert",
    "magick",
    "xdg-open",
    "display",
)


@dataclass
class Tally:
    """What came of it. `seconds`: of the slowest, in its thread. `peak`: bytes beyond the beginning.

    `beyond`: opened with more memory than was said before. `wrong`: what must not be, with the seed that did it.
    """

    opened: int = 0
    refused: int = 0
    started: list[str] = field(default_factory=list)
    warned: int = 0
    peak: int = 0
    seconds: float = 0.0
    slowest: str = ""
    beyond: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    why: dict[str, int] = field(default_factory=dict)


def fuzz(images: int, seed: int, opening: Callable[[bytes, int, str], Image.Image] = open_image) -> Tally:
    """Open so many images in this process, and watch it."""
    tally = Tally()
    sys.addaudithook(lambda event, _: tally.started.append(event) if event in _STARTS else None)
    warnings.simplefilter("always")
    warnings.showwarning = lambda *_: setattr(tally, "warned", tally.warned + 1)
    begin = _status("VmRSS")
    for number in range(images):
        named = f"{seed} {number}"
        way, data = spoiled(random.Random(named))
        _one(tally, f"{way}, seed {named!r}", data, opening)
        tally.peak = max(tally.peak, _status("VmHWM") - begin)
    return tally


def _one(tally: Tally, named: str, data: bytes, opening: Callable[[bytes, int, str], Image.Image]) -> None:
    said, before = 0, _fresh_peak()
    clock = time.thread_time()
    try:
        said = cost_of(data, MAX_PIXELS, "x").decoding
        image = opening(data, MAX_PIXELS, "x")
    except ImageError as refusal:
        tally.refused += 1
        words = " ".join(str(refusal).split()[:7])
        tally.why[words] = tally.why.get(words, 0) + 1
        if "b'" in str(refusal) or "/" in str(refusal) or len(str(refusal)) > 300:
            tally.wrong.append(f"says {refusal}: {named}")
    except Exception as error:
        tally.wrong.append(f"{type(error).__name__}: {named}")
    else:
        tally.opened += 1
        if image.mode != "RGB" or not 0 < image.width * image.height <= MAX_PIXELS:
            tally.wrong.append(f"{image.mode} {image.size}: {named}")
    if (seconds := time.thread_time() - clock) > tally.seconds:
        tally.seconds, tally.slowest = seconds, named
    if (took := _status("VmHWM") - before) > said + _SLACK:
        tally.beyond.append(f"{took // _MIB} MiB, said {said // _MIB}: {named}")


def _status(name: str) -> int:
    """Bytes of this process, by the kernel's name."""
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def _fresh_peak() -> int:
    """Have the kernel forget the peak of resident memory; what is resident now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def run_in_child(images: int, seed: int) -> Tally:
    """The same in a process of limited memory, in whose PATH are only programs that leave a trace."""
    with tempfile.TemporaryDirectory() as folder:
        traces = Path(folder, "started")
        for program in _PROGRAMS:
            script = Path(folder, program)
            script.write_text(f'#!/bin/sh\necho "$0" >> {traces}\n', encoding="utf-8")
            script.chmod(0o755)
        child = ["-m", "benchmarks.fuzz.images", "--child", "--images", str(images), "--seed", str(seed)]
        where = {**os.environ, "PATH": folder}
        done = subprocess.run([sys.executable, *child], env=where, stdout=subprocess.PIPE, text=True, check=True)
        tally = Tally(**json.loads(done.stdout))
        if traces.exists():
            tally.started += traces.read_text(encoding="utf-8").splitlines()
    return tally


def report(tally: Tally) -> str:
    """What is printed."""
    lines = [
        f"opened {tally.opened}, refused {tally.refused}",
        f"programs started {len(tally.started)}, warnings {tally.warned}",
        f"memory at most {tally.peak / _MIB:.0f} MiB more than at first, {len(tally.beyond)} times more than foretold",
        f"slowest {tally.seconds:.2f} s: {tally.slowest}",
        *(f"{count:7} {words} ..." for words, count in Counter(tally.why).most_common(12)),
        *(f"WRONG {each}" for each in (*tally.wrong[:20], *tally.beyond[:20], *tally.started[:20])),
    ]
    return "\n".join(lines)


def main() -> int:
    """Run; 1 if something is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz.images", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--images", type=int, default=100_000, help="to open")
    parser.add_argument("--seed", type=int, default=0, help="of what is done to them")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        spoiled(random.Random(0))  # encoders and their libraries are loaded before memory is measured
        quiet_decoders()
        room = _status("VmSize") + _ROOM
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
        _say(json.dumps(asdict(fuzz(wanted.images, wanted.seed))))
        return 0
    tally = run_in_child(wanted.images, wanted.seed)
    _say(report(tally))
    return 1 if tally.wrong or tally.beyond or tally.started else 0


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command line's own output


if __name__ == "__main__":
    sys.exit(main())
