"""What all streams of one edge share, as one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_server.engine.port import TargetEngine
from edge_server.sessions import Sessions
from edge_server.uploads import ImageStore, UploadRoom
from edge_server.vocabularies import Vocabularies
from shared.media.decoder import Decoded, Encoded, ImageDecoder
from shared.wire.handshake import Limits


@dataclass(frozen=True)
class Edge:
    """`lossy`: what a gate lets through is taken; `attends`: devices are told where the target looks."""

    engine: TargetEngine
    sessions: Sessions
    store: ImageStore
    upload_room: UploadRoom
    decoder: ImageDecoder
    vocabularies: Vocabularies
    limits: Limits
    park_seconds: float
    lossy: bool = False
    attends: bool = False

    async def decode(self, encoded: Sequence[bytes]) -> Decoded:
        """The pictures of one opening. Raises ImageError, Overloaded."""
        files = [Encoded(data, f"picture {number}") for number, data in enumerate(encoded)]
        return await self.decoder.decode(files, self.limits.max_image_pixels)
