"""The device: shows a draft model the picture, drafts ahead, and reads out what the edge says.

from device_client import Client, DeviceConfig, Sampling

with Client(DeviceConfig(edge="127.0.0.1:50051")) as client:
    result = client.ask("List everything.", ["photo.png"], sampling=Sampling(temperature=0.7, seed=1))
    print(result.text)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from device_client.answer import Piece, Result, Source
    from device_client.api import AsyncClient, AsyncStream, picture
    from device_client.blocking import Client, Stream
    from device_client.chat import Chat
    from device_client.config import DeviceConfig
    from device_client.figures import Figures
    from shared.errors import (
        CovspecError,
        EngineFailure,
        ImageError,
        InvalidValue,
        ModelError,
        ModelMismatch,
        Overloaded,
        PromptTooLong,
        Unauthenticated,
        Unavailable,
        Unsupported,
    )
    from shared.speculation.request import SamplingWish as Sampling

    __version__: str

__all__ = [
    "AsyncClient",
    "AsyncStream",
    "Chat",
    "Client",
    "CovspecError",
    "DeviceConfig",
    "EngineFailure",
    "Figures",
    "ImageError",
    "InvalidValue",
    "ModelError",
    "ModelMismatch",
    "Overloaded",
    "Piece",
    "PromptTooLong",
    "Result",
    "Sampling",
    "Source",
    "Stream",
    "Unauthenticated",
    "Unavailable",
    "Unsupported",
    "picture",
]

_HOMES = {  # imported when asked for: the command line's help needs none of them
    "AsyncClient": "device_client.api",
    "AsyncStream": "device_client.api",
    "Chat": "device_client.chat",
    "Client": "device_client.blocking",
    "CovspecError": "shared.errors",
    "DeviceConfig": "device_client.config",
    "EngineFailure": "shared.errors",
    "Figures": "device_client.figures",
    "ImageError": "shared.errors",
    "InvalidValue": "shared.errors",
    "ModelError": "shared.errors",
    "ModelMismatch": "shared.errors",
    "Overloaded": "shared.errors",
    "Piece": "device_client.answer",
    "PromptTooLong": "shared.errors",
    "Result": "device_client.answer",
    "Sampling": "shared.speculation.request",
    "Source": "device_client.answer",
    "Stream": "device_client.blocking",
    "Unauthenticated": "shared.errors",
    "Unavailable": "shared.errors",
    "Unsupported": "shared.errors",
    "picture": "device_client.api",
}


if not TYPE_CHECKING:  # to a type checker it would be a home for any name

    def __getattr__(name: str) -> object:
        """A public name, from where it lives."""
        if name == "__version__":
            return import_module("importlib.metadata").version("covspec")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), "SamplingWish" if name == "Sampling" else name)
