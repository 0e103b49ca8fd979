"""Every way in which people write an address is taken for what it means, or answered with how to write it."""

from __future__ import annotations

import pytest

from device_client.config import DeviceConfig
from device_client.endpoint.config import EndpointConfig
from edge_server.config import EdgeConfig
from shared.address import Address
from shared.errors import InvalidValue


@pytest.mark.parametrize(
    ("typed", "target"),
    [
        ("127.0.0.1:50051", "127.0.0.1:50051"),
        ("localhost", "localhost:50051"),
        ("edge.lan", "edge.lan:50051"),
        ("EDGE_1.lan:7", "EDGE_1.lan:7"),
        ("  127.0.0.1:1\n", "127.0.0.1:1"),
        ("[::1]", "[::1]:50051"),
        ("[::1]:1234", "[::1]:1234"),
        ("[fe80::1%eth0]:5", "[fe80::1%eth0]:5"),
    ],
)
def test_what_is_an_address(typed: str, target: str) -> None:
    assert str(DeviceConfig(edge=typed).address) == target


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("http://127.0.0.1:50051", "write 127.0.0.1:50051 alone"),
        ("https://edge.lan", "write edge.lan alone, and say --tls or --tls-ca"),
        ("grpc://edge.lan:1/v1", "write edge.lan:1 alone"),
        ("GRPCS://edge.lan:1", "write edge.lan:1 alone, and say --tls or --tls-ca"),
        ("dns:///edge.lan:1", "write edge.lan:1 alone"),
        ("http://", "write host:port alone"),
        ("dns:edge.lan:1", "must be host:port, without dns:"),
        ("ipv4:127.0.0.1:1", "must be host:port, without ipv4:"),
        ("127.0.0.1:50051/", "write 127.0.0.1:50051 alone"),
        ("edge.lan/v1", "write edge.lan alone"),
        ("unix:/run/edge.sock", "an edge listens at no Unix socket"),
        ("unix:///run/edge.sock", "an edge listens at no Unix socket"),
        ("/run/edge.sock", "an edge listens at no Unix socket"),
        ("./edge.sock", "an edge listens at no Unix socket"),
        ("::1", r"in brackets: \[::1\]:50051"),
        ("::1:50051", r"in brackets: \[::1\]:50051"),
        ("::1:5005", r"in brackets: \[::1\]:5005"),
        ("fe80::1", r"in brackets: \[fe80::1\]:50051"),
        ("a:b:c", "in brackets"),
        ("[::1", "in brackets"),
        ("[localhost]:1", "holds no IPv6 address in its brackets"),
        ("[]:1", "holds no IPv6 address in its brackets"),
        ("localhost:50051:1", "one address with one port"),
        ("one:1,two:2", "one address with one port"),
        ("[::1]x", "stands in brackets"),
        ("", "must be host:port, such as 127.0.0.1:50051"),
        (" \t", "must be host:port, such as 127.0.0.1:50051"),
        (":50051", "must be host:port"),
        ("two words:1", "must be host:port"),
        ("nul\0:1", "must be host:port"),
        ("host:", "1 to 65535"),
        ("host:0", "1 to 65535"),
        ("host:65536", "1 to 65535"),
        ("host:+1", "1 to 65535"),
        ("host:\N{FULLWIDTH DIGIT ONE}", "1 to 65535"),
        ("host:http", "1 to 65535"),
        ("bücher.lan:1", "must be in ASCII: xn--bcher-kva.lan"),
        ("\udcff:1", "must be host:port"),
        ("h" * 300, "1 to 253 characters"),
        ("me:s3cret@edge.lan:1", "without a user's name"),
        ("http://me:s3cret@edge.lan:1", "without a user's name"),
    ],
)
def test_what_is_none_is_answered_with_how_to_write_it(typed: str, sentence: str) -> None:
    with pytest.raises(InvalidValue, match=f"^edge is .*{sentence}") as refused:
        DeviceConfig(edge=typed)
    assert "s3cret" not in str(refused.value)
    assert len(str(refused.value)) < 240


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("http://127.0.0.1", "without http://"),
        ("127.0.0.1:8000", "without a port"),
        ("[::1]", "without brackets: ::1"),
        ("[::1]:8000", "without a port"),
        ("", "1 to 253 characters"),
        (" ", "an address of this machine, of letters"),
        ("two words", "an address of this machine, of letters"),
        ("a/b", "an address of this machine, of letters"),
    ],
)
def test_what_is_no_host_to_listen_at(typed: str, sentence: str) -> None:
    for field, made in (
        ("host", lambda: EdgeConfig(host=typed, insecure=True)),
        ("metrics_host", lambda: EdgeConfig(metrics_host=typed)),
        ("host", lambda: EndpointConfig(host=typed, anonymous=True)),
    ):
        with pytest.raises(InvalidValue, match=f"^{field} is .*{sentence}"):
            made()
    assert EdgeConfig(host="::1").host == "::1"


def test_an_address_has_the_port_that_is_usual_for_it() -> None:
    assert str(Address.read("edge", "a", 7)) == "a:7"
