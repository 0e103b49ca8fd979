"""The official OpenAI client against `device-client serve`: python examples/openai_client.py [URL]."""

from __future__ import annotations

import base64
import sys
from pathlib import Path

from openai import OpenAI

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/v1"
client = OpenAI(base_url=url, api_key="none")
model = client.models.list().data[0].id
picture = base64.b64encode(Path("shared/demo/samples/blobs.png").read_bytes()).decode()

reply = client.chat.completions.create(
    model=model,
    messages=[
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
                {"type": "text", "text": "List everything."},
            ],
        }
    ],
    logprobs=True,
)
print(reply.choices[0].message.content)
print(reply.usage)
