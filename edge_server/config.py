"""The configuration of an edge: one frozen value per process. Light to import: the command line's help needs it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cyclopts import Parameter

from shared.errors import InvalidValue


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EdgeConfig:
    """What an operator may set. Sizes in the unit that the name says."""

    model: str = "demo"
    """Target model: a folder, a hub name, `demo` (the embedded pair's target) or `toy:seed=1` (no weights)."""
    host: str = "127.0.0.1"
    """Address to bind. One that others can reach needs --insecure: this edge speaks without encryption."""
    port: int = 50051
    """TCP port; 0 takes a free one and prints it."""
    insecure: bool = False
    """Allow a public address although pictures and text travel in the clear."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of the model. float32 is exact token for token; the others up to near-ties."""
    device: str = "cpu"
    """Where the model runs: cpu, cuda, mps."""
    threads: int = 0
    """CPU threads of the model, fixed at the start; 0: one for the tiny `demo`, else torch's choice."""
    max_window: int = 32
    """Tokens that a device may hold beyond what it has seen committed."""
    max_ahead: int = 64
    """Tokens that are committed beyond what the device has acknowledged, so that a vanished one costs little."""
    max_batch: int = 32
    """Answers in one step of the model."""
    prefill_chunk: int = 512
    """Tokens of a prompt in one step, so that running answers do not wait for a whole new prompt."""
    allow_lossy: bool = False
    """Let devices have proposals taken without comparing (`device-client --gate`): such answers are not the target's
    own, and say so."""
    proposals: bool = True
    """Look at what devices draft; --no-proposals is the target alone, to compare with."""
    turn: int = 8
    """Steps in which an answer of pace auto is in one at least, whether its device drafts or not."""
    sight_tokens: int = 16384
    """Visual tokens kept of pictures seen before, so that a second question about one skips the vision tower."""
    max_sessions: int = 64
    """Answers at once, parked ones included; parked ones leave first."""
    max_queue: int = 64
    """Openings that wait in line when all places are taken by answers that run; 0 refuses them at once."""
    max_images: int = 8
    """Pictures in a prompt."""
    max_image_megapixels: float = 64.0
    """Millions of pixels of one picture."""
    max_image_mib: float = 32.0
    """MiB of one encoded picture."""
    image_cache_mib: float = 256.0
    """MiB of encoded pictures kept, so that a picture asked about again need not be sent again. And, counted apart, of
    pictures that those in line may send before they have a place."""
    park_seconds: float = 60.0
    """Seconds that a session waits for its device after a break, holding its cache; 0 frees it at once."""
    drain_seconds: float = 10.0
    """Seconds that running answers get after SIGTERM."""
    reflection: bool = True
    """Describe the service to tools such as grpcurl."""
    events: Path | None = None
    """File that gets one line of JSON for each step of the model: time, load, proposals, added at its end."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level of log lines, on stderr."""

    def __post_init__(self) -> None:
        _check("port", self.port, 0, 65535)
        _check("threads", self.threads, 0, 1024)
        _check("max_window", self.max_window, 1, 64)  # `given` has 64 bits
        _check("max_ahead", self.max_ahead, 1, 4096)
        _check("max_batch", self.max_batch, 1, 4096)
        _check("prefill_chunk", self.prefill_chunk, 1, 2**20)
        _check("turn", self.turn, 1, 1000)
        _check("sight_tokens", self.sight_tokens, 0, 2**24)
        _check("max_sessions", self.max_sessions, 1, 100_000)
        _check("max_queue", self.max_queue, 0, 100_000)
        _check("max_images", self.max_images, 0, 1000)
        _check("max_image_megapixels", self.max_image_megapixels, 0.001, 1000)
        _check("max_image_mib", self.max_image_mib, 0.001, 1024)
        _check("image_cache_mib", self.image_cache_mib, 0, 2**20)
        _check("park_seconds", self.park_seconds, 0, 86400)
        _check("drain_seconds", self.drain_seconds, 0, 3600)
        if not self.insecure and not _is_loopback(self.host):
            rule = "others can reach this address and the link is not encrypted; say --insecure if that is wanted"
            raise InvalidValue("host", self.host, rule)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidValue(name, value, f"must lie between {low} and {high}")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
