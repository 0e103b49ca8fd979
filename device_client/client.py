"""A device that asks: a draft model on its own thread and a channel to the edge, for any number of answers.

Guarantees: what two models share is checked before the first question; the event loop never runs a forward.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from time import monotonic
from types import TracebackType
from typing import TypeVar

import grpc

from device_client.access import Access
from device_client.answer import Answer, Question
from device_client.config import DeviceConfig
from device_client.draft.ahead import DraftModel
from device_client.draft.calibration import Calibration
from device_client.draft.control import Control
from device_client.draft.drawing import Drawing
from device_client.draft.gate import Gate
from device_client.draft.shape import SHAPES
from device_client.draft.strategy import Strategy
from device_client.figures import Recorder
from device_client.limits import check_opening
from device_client.link import server_info
from device_client.prune.wish import parse_budget, parse_choice
from device_client.reduce import Reducer
from device_client.session import EdgeSession, Route
from device_client.trace.trace import Trace
from device_client.trace.trace_file import Traces
from shared.errors import InvalidValue, Unavailable, Unsupported
from shared.shares import Share
from shared.speculation.device import DeviceConversation
from shared.speculation.messages import Evidence, Judging, Pace, Rule
from shared.speculation.prints import fit
from shared.speculation.reach import REST
from shared.vlm.port import Vlm
from shared.vlm.threads import pin_thread, resolve_threads
from shared.wire.handshake import DeviceProfile, Open, ServerInfo
from shared.wire.ledger import Ledger, Traffic
from shared.wire.metadata import new_request, request_metadata

Value = TypeVar("Value")


class Client:
    """Asks the edge at `config.edge` with `draft` ahead of it. Use as `async with`."""

    def __init__(self, config: DeviceConfig, draft: Vlm, traces: Traces | None = None) -> None:
        """`traces`: where each answer's timeline goes, if anywhere."""
        self.threads = resolve_threads(config.threads, draft.info.name)  # CPU threads of the draft
        self.thread = ThreadPoolExecutor(1, "draft", pin_thread, (self.threads,))
        self._config = config
        self._calibration = Calibration()  # of the draft: what one answer teaches holds in the next
        self._vlm = draft
        self._reducer = Reducer(parse_choice(config.prune), parse_budget(config.keep))
        self._access = Access.of(config)
        self._channel: grpc.aio.Channel = self._access.channel()
        self._info: ServerInfo | None = None
        self._traces = traces
        self._ledger = Ledger()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()
        await asyncio.to_thread(self.thread.shutdown)  # a forward that runs ends first
        self._reducer.close()

    @property
    def is_overheard(self) -> bool:
        """Whether what is said to the edge travels in the clear to another machine."""
        return self._access.is_overheard

    @property
    def edge(self) -> str:
        """Where the edge is, host:port."""
        return self._config.edge

    async def info(self) -> ServerInfo:
        """What the edge serves. Raises Unavailable if it cannot be reached."""
        if self._info is None:
            try:
                self._info = await server_info(self._channel, self._access.metadata)
            except Unavailable as failed:
                raise self._access.explained(failed) from None
        return self._info

    def _dial(self) -> grpc.aio.Channel:
        """A new channel for a stream that broke. The next answer gets one too: the old one may be dead unnoticed.

        That is closed when the last answer that uses it lets go of it.
        """
        self._channel = self._access.channel()
        return self._access.channel()

    async def forward(self, job: Callable[..., Value], *arguments: object) -> Value:
        """What `job` returns on the draft's own thread."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, job, *arguments)

    def forget(self) -> None:
        """The edge may have become another: look at it anew before the next answer."""
        self._info = None

    @property
    def traffic(self) -> Traffic:
        """What has passed between it and the edge so far, of all its answers, those on their way included."""
        return self._ledger.traffic()

    @property
    def vlm(self) -> Vlm:
        """The draft model."""
        return self._vlm

    async def ask(self, question: Question, trace: Trace | None = None) -> Answer:
        """Begin an answer, which `trace` is told of. Raises Unavailable, ModelMismatch, InvalidValue."""
        begin = monotonic()
        traces = self._traces if trace is None and self._traces is not None and self._traces.wanted else None
        trace = Trace() if traces is not None else trace
        config, info = self._config, await self.info()
        own = self._vlm.info.prints.vocabulary
        common = fit(own, info.vocabulary).cut(self._vlm.info.rows)
        vocabulary = own if config.drafting else None
        for name, asked in (("window", config.window), ("tree", config.tree)):
            if asked > info.limits.max_window:
                raise InvalidValue(name, asked, f"the edge's limit is {info.limits.max_window}")
        if config.tree and not info.trees:
            raise Unsupported("the edge verifies paths alone: --tree needs one that takes trees")
        pace = Pace(config.pace)
        drawing = self._drawing(info)
        named = f"covspec device-client {version('covspec')}"
        reference = None if vocabulary is None else vocabulary.reference
        window = max(config.window, config.tree)
        profile = DeviceProfile(reference, window, pace, drawing.judging, client=named)
        opening = Open(
            question.messages,
            question.references,
            question.sampling,
            profile,
            log_probabilities=question.log_probabilities,
            trace=trace is not None,
            attend=self._attend(info),
        )
        check_opening(opening, info.limits)
        request = new_request()
        if trace is not None:
            trace.request = request
        metadata = (*self._access.metadata, *request_metadata(request))
        resume = config.fallback != "error"
        route = Route(
            self._channel,
            self._dial,
            config.reconnect_seconds,
            random.random,
            request,
            metadata,
            resume=resume,
            changed=self.forget,
            access=self._access,
        )
        recorder = Recorder(begin, Ledger(self._ledger), trace=trace, lossy=0 if drawing.judging.lossy else None)
        session = EdgeSession(opening, question.encoded, vocabulary, info, route, recorder)
        control = self._control(drawing, pace, recorder)
        alone = config.fallback == "local"
        model = DraftModel(self._vlm, self.thread, common, config.drafting, alone, self._reducer, drawing)
        kept = traces.file(trace) if traces is not None and trace is not None else None
        return Answer(question, session, model, control, kept)

    def _control(self, drawing: Drawing, pace: Pace, recorder: Recorder) -> Control:
        """What decides how far to draft, of one answer."""
        config = self._config
        branching = config.branches and config.most_branches > 0
        strategy = Strategy(config.policy, config.prefer, config.lockstep, branching)
        rest = REST if pace is Pace.EAGER else 0
        return Control(
            DeviceConversation(config.window, (), rest, drawing.judging, config.tree),
            strategy.begin(config.window),
            strategy.handing(pace),
            strategy.branching,
            self._calibration,
            recorder.flight,
            closes=config.lockstep and config.bonus and drawing.judging.rule is Rule.REJECTION,
            most_branches=config.most_branches,
            shape=SHAPES[config.tree_shape],
        )

    def _attend(self, info: ServerInfo) -> Share | None:
        """What the edge is asked of where its target looks. Raises Unsupported for one that does not tell."""
        if not self._config.drafting or self._reducer.attend is None:
            return None
        if not info.attends:
            rule = "--prune verifier needs one that runs with --attends"
            raise Unsupported(f"the edge does not tell where its target looks: {rule}")
        return self._reducer.attend

    def _drawing(self, info: ServerInfo) -> Drawing:
        """How tokens are chosen and judged. Raises Unsupported for what the edge does not offer."""
        config = self._config
        if not config.drafting:
            return Drawing()
        judging = Judging(Rule(config.rule), Evidence(config.evidence), lossy=config.gate is not None)
        if judging.rule not in info.rules:
            raise Unsupported(f"the edge does not offer the rule {config.rule}")
        if judging.lossy and not info.lossy:
            raise Unsupported("the edge compares every token: --gate needs one that runs with --allow-lossy")
        gate = None if config.gate is None else Gate(config.gate_rule, config.gate)
        return Drawing(judging, gate)
