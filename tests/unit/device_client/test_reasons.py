"""What gRPC says of an edge that cannot be reached becomes a sentence; none of its own words come through."""

from __future__ import annotations

import re

import pytest

from device_client.reasons import Proxy, proxy_of, reason_of

GRPC = [
    "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:9: Failed to connect to remote host: "
    "Connection refused",
    "errors resolving b.c: [field:hostname lookup error:address lookup failed for b.c: Domain name not found]",
    "errors resolving a b: [field:hostname lookup error:address lookup failed for a b: Misformatted domain name]",
    "failed to connect to all addresses; last error: FAILED_PRECONDITION: ipv6:%5Bfe80::1%251%5D:5: connect failed: "
    "addr: ipv6:%5Bfe80::1%251%5D:5 error: Network is unreachable",
    "failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.1:1: HTTP proxy returned response code 403",
    "failed to connect to all addresses; last error: UNAVAILABLE: ipv4:10.0.0.1:1: connection attempt timed out",
    "Deadline Exceeded",
    "Socket closed",
    "recvmsg:Connection reset by peer",
    "Received http2 header with status: 502",
    "Received RST_STREAM with error code 2",
    "GOAWAY received; Error code: 0; Debug Text: ",
    "the edge ended the stream with CANCELLED",
    "Internal error from Core",
    "Stream removed (UNKNOWN: Cancelling all calls)",
    "DNS resolution failed for edge.lan:50051: UNAVAILABLE: Could not contact DNS servers",
    "keepalive watchdog timeout",
]
JARGON = re.compile(r"UNKNOWN|UNAVAILABLE|ipv[46]:|field:|RST_STREAM|GOAWAY|http2|recvmsg|Core|last error")
OURS = ["this edge is loading its model", "this edge is shutting down", "the edge has been silent for 2.0 s"]


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("proxy", [None, Proxy("10.0.0.1:3128", "https_proxy")])
@pytest.mark.parametrize("said", GRPC)
def test_no_word_of_grpc_comes_through(said: str, proxy: Proxy | None, begun: bool) -> None:
    for tls in (False, True):
        reason = reason_of(said, tls=tls, proxy=proxy, begun=begun)
        assert reason
        assert not JARGON.search(reason)


@pytest.mark.parametrize("said", OURS)
def test_what_an_edge_or_this_device_says_stays_as_it_is(said: str) -> None:
    assert reason_of(said, tls=False, proxy=None) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_this_machine_is_asked_through_no_proxy(host: str) -> None:
    every = dict.fromkeys(("grpc_proxy", "https_proxy", "http_proxy"), "http://10.0.0.1:3128")
    assert proxy_of(host, every) is None


@pytest.mark.parametrize("variable", ["grpc_proxy", "https_proxy", "http_proxy"])
def test_another_machine_is_asked_through_the_proxy_that_is_named_without_its_password(variable: str) -> None:
    found = proxy_of("edge.lan", {variable: "http://me:s3cret@10.0.0.1:3128/"})
    assert found == Proxy("10.0.0.1:3128", variable)
    said = reason_of(GRPC[0], tls=False, proxy=found)
    assert said is not None
    assert f"nothing listens at the proxy 10.0.0.1:3128 ({variable})" in said
    assert "s3cret" not in said


@pytest.mark.parametrize("entry", ["edge.lan", ".lan", "x, edge.lan", "*"])
def test_a_host_that_no_proxy_excepts_is_asked_directly(entry: str) -> None:
    assert proxy_of("edge.lan", {"http_proxy": "http://10.0.0.1:3128", "no_proxy": entry}) is None
    assert proxy_of("10.1.2.3", {"http_proxy": "http://10.0.0.1:3128", "no_proxy": "10.0.0.0/8"}) is None
    assert proxy_of("edge.lan", {"HTTP_PROXY": "http://10.0.0.1:3128"}) is None
    assert proxy_of("edge.lan", {"http_proxy": "socks5://10.0.0.1:3128"}) is None
