"""The configuration of a device: one frozen value per process. Light to import: the command line's help needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from device_client.draft.names import GateRule, PolicyName, Preference, TreeShape
from device_client.presets import PresetName
from device_client.prune.wish import check_together, parse_budget, parse_choice
from shared.address import Address
from shared.errors import InvalidValue
from shared.loopback import is_loopback
from shared.option_values import check_types
from shared.speculation.request import ModelDefaults, SamplingWish, resolve

STDIN = "stdin:"  # what the command line calls the picture that comes by stdin


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DeviceConfig:
    """What a person may set about this device and its link."""

    edge: str = "127.0.0.1:50051"
    """Address of the edge: host or host:port, an IPv6 address in brackets. http_proxy and its like hold for others than
    this machine."""
    tls: bool = False
    """Speak TLS with the edge, whose certificate one of the well-known authorities has signed."""
    tls_ca: Path | None = None
    """Authorities that may have signed the edge's certificate instead, PEM. Implies --tls."""
    tls_cert: Path | None = None
    """This device's own certificate, PEM, for an edge that asks for one (mutual TLS). Implies --tls."""
    tls_key: Path | None = None
    """Its private key, PEM, without a passphrase."""
    tls_name: str = ""
    """Name in the edge's certificate, if it is not the one in --edge."""
    token: str = field(default="", repr=False)
    """Token by which the edge knows this device. Others on this machine can read a command line: rather use
    --token-file or COVSPEC_DEVICE_TOKEN."""
    token_file: Path | None = None
    """File that holds the token."""
    insecure: bool = False
    """Send the token although the link to another machine is not encrypted."""
    draft: str = "demo"
    """Draft model: a folder, a hub name, `demo` (the embedded pair's draft) or `toy:seed=1,agreement=0.8`."""
    window: int = 16
    """Tokens drafted ahead of what the edge has confirmed."""
    pace: Literal["eager", "thrifty", "auto"] = "eager"
    """eager: the edge never waits for drafts. thrifty: it steps only over drafts, for fewest passes. auto: as thrifty,
    and in steps that have room, and now and then."""
    preset: PresetName | None = None
    """A system to compare with, as a set of the options here; whatever else is said wins. See docs/rules.md."""
    rule: Literal["coupled", "rejection"] = "coupled"
    """How the edge judges proposals. coupled: it compares ids. rejection: it accepts with min(1, target / draft), as
    the literature does; at pace thrifty only, and the text depends on the draft."""
    evidence: Literal["scalar", "point", "sparse", "dense"] = "scalar"
    """By the rule rejection, what goes up of the law of each proposal: its probability, nothing (the likeliest token is
    proposed), the likeliest ids with theirs, or all of it."""
    bonus: bool = True
    """In lockstep by the rule rejection, have a block that stands whole bring a token of the target's own."""
    gate: float | None = None
    """LOSSY: have tokens that the draft is surer of than this taken without comparing. The edge must allow it."""
    gate_rule: GateRule = "margin"
    """How sure: margin (gap of the two best scores), probability (p1 - p2), uncertainty (at most so much)."""
    alone: bool = False
    """Answer with the draft alone and ask no edge: not the target's answer."""
    policy: PolicyName = "marginal"
    """How far to draft. marginal: while the next token is worth more than it costs. fixed: the window. confidence,
    adaedl, sage, average: rules of the field, see docs/drafting.md."""
    prefer: Preference = "speed"
    """What is dear to policy marginal beside time: battery, data, or the target's tokens (cost)."""
    lockstep: bool = False
    """Draft, send, and wait for the edge's word each time, as stop-and-wait systems do. Branches may be drafted
    meanwhile."""
    branches: bool = True
    """Draft from likely corrections too, and from likely tokens behind a block, where that is worth the time;
    --no-branches drafts the path alone."""
    most_branches: int = 4
    """So many at a time."""
    tree: int = 0
    """Propose the branches too: a tree of at most so many tokens, path included, which is more than the window. For
    links whose round trip dwarfs the target's step. 0: branches stay on this device."""
    tree_shape: TreeShape = "best"
    """Which branches. best: the likeliest by what stood before. eagle2: by the draft's own probability. sage: many
    where the draft's entropy is high, few where it is low."""
    prune: str = "covspec"
    """Which visual tokens the draft reads, if not all. covspec: those the question points at, that are busy, and new.
    Others to compare with: see docs/pruning.md. The text never changes, only the speed."""
    keep: str = "auto"
    """How many: a count, a ratio such as 0.083 or 8.3%, or auto: all, unless this device reads its prompt slowly."""
    drafting: bool = True
    """Draft at all; --no-drafting lets the edge answer alone."""
    fallback: Literal["wait", "local", "error"] = "wait"
    """While the edge is away in the middle of an answer: wait for it, show meanwhile what the draft would say (local;
    it is taken back when the edge returns), or fail (error). If no edge can be reached before the first word, or it has
    no place and no room in line: local answers with the draft alone, the others fail. Whoever has a place in line waits
    for it."""
    reconnect_seconds: float = 30.0
    """Seconds after a break, or at a full edge, without progress, after which the answer is given up. A place in the
    edge's line is progress."""
    dtype: Literal["float32", "bfloat16", "float16", "int8", "auto"] = "float32"
    """Number format of the draft. int8: of its weights, on a CPU. auto: measures float32, bfloat16 and int8 here and
    takes the one with the highest expected speed-up, by time and agreement with float32. The text is the target's in
    any."""
    device: str = "cpu"
    """Where the draft runs: cpu, cuda, mps."""
    threads: int = 0
    """CPU threads of the draft, fixed at the start; 0: one for the tiny `demo`, else torch's choice."""

    log_format: Literal["text", "json"] = "text"
    """text: warnings as sentences. json: one object a line, for each answer at least one, with its name at the edge."""

    def __post_init__(self) -> None:
        check_types(self)
        host = self.address.host
        check_together(parse_choice(self.prune), parse_budget(self.keep))
        if not 1 <= self.window <= 64:
            raise InvalidValue("window", self.window, "must lie between 1 and 64")
        if not 0 <= self.reconnect_seconds <= 86400:
            raise InvalidValue("reconnect_seconds", self.reconnect_seconds, "must lie between 0 and 86400")
        if not 0 <= self.threads <= 1024:
            raise InvalidValue("threads", self.threads, "must lie between 0 and 1024")
        if not 0 <= self.most_branches <= 16:
            raise InvalidValue("most_branches", self.most_branches, "must lie between 0 and 16")
        self._check_tree()
        self._check_rule()
        self._check_access(host)

    def _check_rule(self) -> None:
        if self.rule == "rejection" and self.drafting and self.pace != "thrifty":
            raise InvalidValue(
                "pace", self.pace, "the rule rejection goes at the pace thrifty only: say --pace thrifty"
            )
        if self.gate is not None and not 0 <= self.gate <= 1000:
            raise InvalidValue("gate", self.gate, "must lie between 0 and 1000")

    def _check_tree(self) -> None:
        if self.tree == 0:
            return
        if not self.window < self.tree <= 64:
            raise InvalidValue("tree", self.tree, f"must be 0, or from {self.window + 1}, more than the window, to 64")
        if not self.branches or self.most_branches == 0:
            raise InvalidValue("tree", self.tree, "a tree has branches: not with --no-branches")
        if self.rule != "coupled" or self.gate is not None:
            raise InvalidValue("tree", self.tree, "is for ids that are compared: not with --rule rejection, --gate")

    def _check_access(self, host: str) -> None:
        for one, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
            if getattr(self, one) is not None and getattr(self, other) is None:
                raise InvalidValue(one, str(getattr(self, one)), f"needs {other} beside it")
        if self.token and self.token_file is not None:
            raise InvalidValue("token_file", str(self.token_file), "there is a token already")
        if not self.token.isascii() or any(character.isspace() for character in self.token):
            raise InvalidValue("token", "(hidden)", "must be ASCII without spaces")
        has_token = bool(self.token) or self.token_file is not None
        if has_token and not (self.speaks_tls or self.insecure or is_loopback(host)):
            rule = "is another machine, and the token would travel in the clear: say --tls or --tls-ca, or --insecure"
            raise InvalidValue("edge", self.edge, rule)

    @property
    def address(self) -> Address:
        """Where the edge is. Raises InvalidValue."""
        return Address.read("edge", self.edge)

    @property
    def speaks_tls(self) -> bool:
        """Whether the link is encrypted."""
        return self.tls or self.tls_ca is not None or self.tls_cert is not None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """Where pictures may come from, beside files."""

    clipboard: Annotated[bool, Parameter(negative=())] = False
    """Add the picture in the clipboard."""
    allow_url: Annotated[bool, Parameter(negative=())] = False
    """Fetch pictures that are named by http(s) URLs."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """What is shown, and how."""

    color: Literal["auto", "always", "never"] = "auto"
    """Tell by colour what the edge had to say itself; auto: on a terminal."""
    verbose: Annotated[bool, Parameter(negative=())] = False
    """Say on stderr what runs here and there, each try after a break, and all figures of an answer."""
    quiet: Annotated[bool, Parameter(negative=())] = False
    """Say nothing beside the answer but what went wrong."""

    def __post_init__(self) -> None:
        if self.quiet and self.verbose:
            raise InvalidValue("quiet", True, "does not go with --verbose")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How the answer is sampled; what is not said is the target's own default."""

    temperature: float | None = None
    """0 takes the likeliest token always."""
    top_k: int | None = None
    """Keep the k likeliest tokens; 0 keeps all."""
    top_p: float | None = None
    """Keep the likeliest tokens that have this mass together."""
    min_p: float | None = None
    """Keep tokens at least this likely relative to the likeliest."""
    repetition_penalty: float | None = None
    """Above 1 makes tokens of prompt and answer less likely."""
    frequency_penalty: float | None = None
    """Subtracted for each occurrence in the answer."""
    presence_penalty: float | None = None
    """Subtracted once for tokens in the answer."""
    seed: int | None = None
    """Same seed, same answer. Drawn by the edge if not given."""
    max_tokens: int | None = None
    """Most tokens of the answer."""
    stop: tuple[str, ...] = ()
    """Text that ends the answer and is not part of it; may be given several times."""
    ignore_eos: bool = False
    """Go on to max-tokens."""

    def __post_init__(self) -> None:
        for text in self.stop:
            check_text("stop", text)
        resolve(self.wish(), ModelDefaults(()), room=2**31 - 1, seed=0)  # refuses what no edge would take

    def wish(self) -> SamplingWish:
        """The same as a wish."""
        return SamplingWish(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            seed=self.seed,
            max_tokens=self.max_tokens,
            stop=self.stop,
            ignore_eos=self.ignore_eos,
        )


def check_text(field: str, text: str) -> None:
    """Raises InvalidValue for bytes of a command line or a variable that are no text in UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as broken:
        begin = text[: broken.start][-20:]
        raise InvalidValue(field, begin, "must be text in UTF-8, and goes on with bytes that are none") from None
