"""What all streams of one edge share, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from edge_server.engine.port import TargetEngine
from edge_server.sessions import Sessions
from edge_server.uploads import ImageStore, WaitingRoom
from edge_server.vocabularies import Vocabularies
from shared.media.decoder import ImageDecoder
from shared.wire.handshake import Limits


@dataclass(frozen=True)
class Edge:
    """`lossy`: what a gate lets through is taken; `attends`: devices are told where the target looks."""

    engine: TargetEngine
    sessions: Sessions
    store: ImageStore
    waiting_room: WaitingRoom
    decoder: ImageDecoder
    vocabularies: Vocabularies
    limits: Limits
    park_seconds: float
    lossy: bool = False
    attends: bool = False
