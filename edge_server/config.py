"""The configuration of an edge: one frozen value per process. Light to import: the command line's help needs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cyclopts import Parameter

from shared.address import check_host
from shared.errors import InvalidValue
from shared.loopback import is_loopback


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EdgeConfig:
    """What an operator may set. Sizes in the unit that the name says."""

    model: str = "demo"
    """Target model: a folder, a hub name, `demo` (the embedded pair's target) or `toy:seed=1` (no weights)."""
    host: str = "127.0.0.1"
    """Address to bind. One that others can reach needs --tls-cert and --tls-key, or --insecure."""
    port: int = 50051
    """TCP port; 0 takes a free one and prints it."""
    insecure: bool = False
    """Allow a public address although pictures, text and tokens travel in the clear."""
    tls_cert: Path | None = None
    """This edge's certificate and those that lead to its authority, PEM: devices then speak TLS."""
    tls_key: Path | None = None
    """Its private key, PEM, without a passphrase."""
    tls_client_ca: Path | None = None
    """Authorities of devices' certificates, PEM: only devices with one of theirs get in (mutual TLS)."""
    tenants: Path | None = None
    """TOML file of who may ask: `name = "TOKEN"`, `name = "sha256:HEX"`, or a list of these. SIGHUP reads it again, and
    the certificates. Without it everybody is let in, as the tenant that the device's certificate names, or as one."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of the model. float32 is exact token for token; the others up to near-ties."""
    quantization: str = ""
    """Make the weights smaller while they are loaded: bitsandbytes_4bit, bitsandbytes_8bit, quanto, torchao; each needs
    its package. Weights that come quantised (awq, gptq, ...) need no word. The text is that of the smaller target."""
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
    attends: bool = False
    """Tell devices that ask (`device-client --prune verifier`) where the target's text looks: for each such answer a
    forward over its whole prompt, for which everybody waits."""
    proposals: bool = True
    """Look at what devices draft; --no-proposals is the target alone, to compare with."""
    turn: int = 8
    """Steps in which an answer of pace auto is in one at least, whether its device drafts or not."""
    sight_tokens: int = 16384
    """Visual tokens kept of pictures seen before, so that a second question about one skips the vision tower."""
    reuse_mib: float = 512.0
    """MiB of caches that ended answers leave, so that a tenant's next turn of a chat skips what they hold; 0: none."""
    reuse_seconds: float = 300.0
    """Seconds after which they are dropped, if nobody has used them."""
    max_sessions: int = 64
    """Answers at once, parked ones included; parked ones leave first."""
    max_queue: int = 64
    """Openings that wait in line when all places are taken by answers that run; 0 refuses them at once."""
    max_sessions_per_tenant: int = 0
    """Answers of one tenant at once, parked ones and those in line included; 0: as many as there are places."""
    max_connections: int = 1024
    """Connections at once; a proxy has few for many devices. Further ones are closed before they can say anything."""
    max_messages_per_second: float = 2000.0
    """Messages of one stream, over any time of 5 s or more; 4096 bytes of one count as another. Chunks of pictures are
    bounded by the pictures."""
    max_openings_per_second: float = 32.0
    """Streams that one connection opens, and questions about the edge, over any time of 10 s or more; a tenant may have
    four times as many. A proxy that brings many devices over one connection needs more."""
    max_stream_seconds: float = 3600.0
    """Age at which a stream is ended, so that its device resumes, with a token that still holds; 0: never."""
    idle_seconds: float = 120.0
    """Seconds that a stream waits for its device's word before it is ended and the session parked; 0: for ever."""
    max_images: int = 8
    """Pictures in a prompt."""
    max_image_megapixels: float = 64.0
    """Millions of pixels of one picture."""
    max_image_mib: float = 32.0
    """MiB of one encoded picture."""
    decode_mib: float = 3072.0
    """MiB for decoding images, and for decoded ones that the model has not taken, in all streams together. Openings
    wait for it in the order of coming, 30 s at most; one that needs more than all of it is refused."""
    image_cache_mib: float = 256.0
    """MiB of encoded pictures kept, so that a picture asked about again need not be sent again. And, counted apart, of
    pictures on their way up and of those that wait for a place; that is never less than one prompt may have."""
    park_seconds: float = 60.0
    """Seconds that a session waits for its device after a break, holding its cache; 0 frees it at once."""
    drain_seconds: float = 10.0
    """Seconds that running answers get after SIGTERM."""
    warm_up: bool = True
    """Let the model answer once before the edge says that it serves."""
    metrics_port: int | None = None
    """TCP port with GET /metrics for Prometheus and GET /health; 0 takes a free one. Not given: none."""
    metrics_host: str = "127.0.0.1"
    """Address of that port. It speaks in the clear; it tells numbers, and names of models."""
    reflection: bool = True
    """Describe the service to tools such as grpcurl."""
    events: Path | None = None
    """File that gets one line of JSON for each step of the model: time, load, proposals, added at its end."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level of log lines, on stderr. debug alone has the words of refusals and exceptions, and so of prompts."""
    log_format: Literal["text", "json"] = "text"
    """text: lines for a person. json: one object a line."""

    def __post_init__(self) -> None:
        _check("port", self.port, 0, 65535)
        _check("threads", self.threads, 0, 1024)
        _check("max_window", self.max_window, 1, 64)  # `given` has 64 bits
        _check("max_ahead", self.max_ahead, 1, 4096)
        _check("max_batch", self.max_batch, 1, 4096)
        _check("prefill_chunk", self.prefill_chunk, 1, 2**20)
        _check("turn", self.turn, 1, 1000)
        _check("sight_tokens", self.sight_tokens, 0, 2**24)
        _check("reuse_mib", self.reuse_mib, 0, 2**30)
        _check("reuse_seconds", self.reuse_seconds, 0, 86400)
        _check("max_sessions", self.max_sessions, 1, 100_000)
        _check("max_queue", self.max_queue, 0, 100_000)
        _check("max_sessions_per_tenant", self.max_sessions_per_tenant, 0, 100_000)
        _check("max_connections", self.max_connections, 1, 1_000_000)
        _check("max_messages_per_second", self.max_messages_per_second, 1, 1_000_000)
        _check("max_openings_per_second", self.max_openings_per_second, 0.1, 1_000_000)
        _check("max_stream_seconds", self.max_stream_seconds, 0, 86400 * 30)
        _check("idle_seconds", self.idle_seconds, 0, 86400)
        _check("metrics_port", self.metrics_port or 0, 0, 65535)
        _check("max_images", self.max_images, 0, 1000)
        _check("max_image_megapixels", self.max_image_megapixels, 0.001, 1000)
        _check("max_image_mib", self.max_image_mib, 0.001, 1024)
        _check("decode_mib", self.decode_mib, 1, 2**20)
        _check("image_cache_mib", self.image_cache_mib, 0, 2**20)
        _check("park_seconds", self.park_seconds, 0, 86400)
        _check("drain_seconds", self.drain_seconds, 0, 3600)
        for one, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert"), ("tls_client_ca", "tls_cert")):
            if getattr(self, one) is not None and getattr(self, other) is None:
                raise InvalidValue(one, str(getattr(self, one)), f"needs {other} beside it")
        check_host("host", self.host)
        check_host("metrics_host", self.metrics_host)
        if self.tls_cert is None and not self.insecure and not is_loopback(self.host):
            rule = "others can reach this address and the link is not encrypted; give --tls-cert and --tls-key, or say"
            raise InvalidValue("host", self.host, f"{rule} --insecure if that is wanted")


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidValue(name, value, f"must lie between {low} and {high}")
