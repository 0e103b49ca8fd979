"""Two turns about one picture: python examples/chat.py [EDGE]. A chat is a value; each turn makes a new one."""

from __future__ import annotations

import sys

from device_client import Chat, Client, DeviceConfig, Sampling, picture

edge = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
sampling = Sampling(temperature=0.7, seed=7)

with Client(DeviceConfig(edge=edge)) as client:
    chat = Chat().asked("List everything.", [picture("shared/demo/samples/blobs.png")])
    first = client.ask(chat, sampling=sampling)
    print(first.text)
    chat = chat.answered(first.text).asked("How many things are there?")
    print(client.ask(chat, sampling=sampling).text)
