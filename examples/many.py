"""Several pictures at once with asyncio; their drafts take turns on one draft model: python examples/many.py [EDGE]."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from device_client import AsyncClient, DeviceConfig

SAMPLES = sorted(Path("shared/demo/samples").glob("*.png"))[:3]


async def main(edge: str) -> None:
    """Ask about all of them, and print the answers in the order of the pictures."""
    async with AsyncClient(DeviceConfig(edge=edge)) as client:
        results = await asyncio.gather(*(client.ask("List everything.", [sample]) for sample in SAMPLES))
    for sample, result in zip(SAMPLES, results, strict=True):
        print(f"{sample.name}: {result.text}")


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"))
