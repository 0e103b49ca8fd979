"""Whether a service answers that it is well: `python -m deploy.healthy URL`, for health checks without curl.

`http://HOST:PORT/PATH` is well if it answers 200, `grpc://HOST:PORT` if its grpc.health.v1 says SERVING, in the clear:
an edge with TLS is asked at the port of its metrics, `http://127.0.0.1:9464/health`. `$NAME` in the URL is a variable
of the environment. No proxy is asked.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

SECONDS = 4.0


def main(url: str) -> int:
    """0 if it is well, else 1 with a sentence on stderr."""
    url = os.path.expandvars(url)
    address = url.removeprefix("grpc://")
    wrong = _said(address) if address != url else _answered(url)
    if wrong is None:
        return 0
    sys.stderr.write(f"{url}: {wrong}\n")
    return 1


def _answered(url: str) -> str | None:
    """What is wrong with it; None if nothing is."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=SECONDS) as answer:
            return None if answer.status == 200 else f"answers {answer.status}"
    except urllib.error.HTTPError as answered:
        with answered:
            return f"answers {answered.code}"
    except urllib.error.URLError as failed:
        return f"cannot be reached ({failed.reason})"
    except (OSError, ValueError) as failed:
        return f"cannot be asked ({failed})"


def _said(address: str) -> str | None:
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            said = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=SECONDS)
        except grpc.RpcError as failed:
            return f"does not answer in the clear ({failed.code().name})"
    return None if said.status == health_pb2.HealthCheckResponse.SERVING else "does not serve yet"


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    sys.exit(main(sys.argv[1]))
