"""Print an answer as it comes, marking who said what: python examples/stream.py [EDGE].

[...] is what the edge had to say itself; the rest the device had drafted and the edge confirmed.
"""

from __future__ import annotations

import sys

from device_client import Client, DeviceConfig, Source

edge = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"

with (
    Client(DeviceConfig(edge=edge, pace="thrifty")) as client,
    client.stream("List everything.", ["shared/demo/samples/blobs.png"]) as answer,
):
    for piece in answer:
        print(piece.text if piece.source is Source.DRAFT else f"[{piece.text}]", end="", flush=True)
    print()
