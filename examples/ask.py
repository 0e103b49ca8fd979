"""Ask about a picture and print the answer with its figures: python examples/ask.py [EDGE] [PICTURE] [PROMPT]."""

from __future__ import annotations

import sys

from device_client import Client, DeviceConfig

DEFAULTS = ["127.0.0.1:50051", "shared/demo/samples/blobs.png", "List everything."]
given = sys.argv[1:]
edge, picture, prompt = given + DEFAULTS[len(given) :]

with Client(DeviceConfig(edge=edge)) as client:
    result = client.ask(prompt, [picture])
    print(result.text)
    print(result.figures.line(), file=sys.stderr)
