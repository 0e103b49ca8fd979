"""Whether a service answers that it is well: `python -m deploy.healthy URL`, for health checks without curl.

`http://HOST:PORT/PATH` is well if it answers 200, `grpc://HOST:PORT` if its grpc.health.v1 says SERVING.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

SECONDS = 4.0


def main(url: str) -> int:
    """0 if it is well, else 1."""
    address = url.removeprefix("grpc://")
    return 0 if (_serves(address) if address != url else _answers(url)) else 1


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _serves(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        try:
            said = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=SECONDS)
        except grpc.RpcError:
            return False
    return bool(said.status == health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
