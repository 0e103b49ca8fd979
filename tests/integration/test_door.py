"""Strangers at the door: without a token, with somebody else's, with a bad certificate, in the clear. Each is refused
with its status and a sentence, and whoever is inside goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from device_client.access import Access
from device_client.client import Client
from device_client.config import DeviceConfig
from device_client.link import server_info
from edge_server.config import EdgeConfig
from edge_server.server import EdgeServer
from shared.errors import InvalidValue, Unauthenticated, Unavailable, UnknownSession
from shared.speculation.messages import Commit, Finish, Finished, FinishReason
from shared.wire.handshake import ImageHeld, Opened
from shared.wire.metadata import bearer_metadata
from tests.support.lab import ALICE, BOB, HOSTS, Lab, lab
from tests.support.raw_device import RawDevice, at, chunks, opened_at, opening, resume
from tests.support.system import a_picture, asked, device, edge, exact, nothing_alive, toy_draft, toy_target

PICTURE = a_picture(seed=3)


@pytest.fixture
def here(tmp_path: Path) -> Lab:
    return lab(tmp_path)


@asynccontextmanager
async def guarded(here: Lab, **changes: Any) -> AsyncIterator[EdgeServer]:
    """An edge with tenants alice and bob."""
    async with edge(tenants=here.tenants(alice=ALICE, bob=BOB), **changes) as server:
        yield server


async def ask_at(server: EdgeServer, **options: Any) -> None:
    async with device(f"127.0.0.1:{server.port}", toy_draft(), **options) as client:
        await exact(client, asked("what is it?", PICTURE))


async def refused(server: EdgeServer, **options: Any) -> str:
    """Why a device cannot even look at the edge."""
    async with device(f"127.0.0.1:{server.port}", toy_draft(), **options) as client:
        with pytest.raises(Unavailable) as error:
            await client.info()
    return str(error.value)


async def test_over_tls_with_a_token_the_answer_is_the_targets_own(here: Lab) -> None:
    async with guarded(here, **here.signed("edge", HOSTS)) as server:
        await ask_at(server, tls_ca=here.ca, token=ALICE)
        file = here.folder / "token.txt"
        file.write_text(BOB + "\n")
        await ask_at(server, tls_ca=here.ca, token_file=file)
    await nothing_alive()


@pytest.mark.parametrize(("first", "last"), [(ALICE, ALICE), (ALICE, BOB), (ALICE, ""), ("wrong-token", ALICE)])
async def test_of_two_tokens_neither_counts(here: Lab, first: str, last: str) -> None:
    both = (*bearer_metadata(first), *bearer_metadata(last))
    async with guarded(here) as server, RawDevice(f"127.0.0.1:{server.port}", both) as raw:
        refusal = await raw.refusal(opening())
        assert (refusal.code, type(refusal.error)) == (grpc.StatusCode.UNAUTHENTICATED, Unauthenticated)
        assert refusal.sentence == "this edge takes one authorization header, and 2 were sent"


@pytest.mark.parametrize("token", ["", "wrong-token-of-nobody", ALICE[:-1]])
async def test_without_a_token_of_a_tenant_nothing_is_told(here: Lab, token: str) -> None:
    async with guarded(here) as server, at(server, token) as raw:
        refusal = await raw.refusal(opening())
        assert (refusal.code, type(refusal.error)) == (grpc.StatusCode.UNAUTHENTICATED, Unauthenticated)
        assert refusal.sentence == (
            "this edge does not know the token that was sent"
            if token
            else "this edge asks for a token, and none was sent"
        )
        with pytest.raises(Unauthenticated):
            await server_info(raw.channel, bearer_metadata(token) if token else ())
        with pytest.raises(Unauthenticated):
            await ask_at(server, token=token)
        await ask_at(server, token=ALICE)


@pytest.mark.parametrize("said", ["Basic abc", "Bearer", "Bearer a b", "bearer  "])
async def test_what_is_no_bearer_token_is_none(here: Lab, said: str) -> None:
    async with guarded(here) as server, RawDevice(f"127.0.0.1:{server.port}", (("authorization", said),)) as raw:
        assert (await raw.refusal(opening())).code is grpc.StatusCode.UNAUTHENTICATED


async def test_somebody_elses_session_is_as_unknown_as_one_that_never_was(here: Lab) -> None:
    async with guarded(here) as server, at(server, ALICE) as alice, at(server, BOB) as bob:
        held: list[int] = []
        stream, opened = await opened_at(alice, held)
        foreign = await bob.refusal(resume(opened, 1))
        unknown = await bob.refusal(resume(Opened(b"u" * 16, b"t" * 16, *_rest(opened)), 1))
        assert (foreign.code, foreign.sentence) == (unknown.code, unknown.sentence)
        assert (foreign.code, type(foreign.error)) == (grpc.StatusCode.NOT_FOUND, UnknownSession)
        await stream.send(Finish(FinishReason.CANCELLED))  # and alice's stream was not sent away
        await stream.until(Finished)
        again, opened = await opened_at(alice, [])
        again.cancel()
        await (await alice.stream(resume(opened, 1))).until(Opened)


def _rest(opened: Opened) -> tuple[Any, ...]:
    return tuple(getattr(opened, name) for name in list(Opened.__dataclass_fields__)[2:])


async def test_a_picture_is_held_for_its_tenant_alone(here: Lab) -> None:
    async with guarded(here) as server, at(server, ALICE) as alice, at(server, BOB) as bob:
        for who, is_held in ((alice, False), (bob, False), (alice, True), (bob, True)):
            stream = await who.stream(opening("?", PICTURE), *chunks(PICTURE))
            said = []
            while not isinstance(message := await stream.receive(), Commit):
                said.append(message)
            assert any(isinstance(message, ImageHeld) for message in said) is is_held
            await stream.send(Finish(FinishReason.CANCELLED))
            await stream.until(Finished)


async def test_a_stranger_to_the_devices_authority_is_refused(here: Lab) -> None:
    other = lab(here.folder / "other")
    config = here.signed("edge", HOSTS) | {"tls_client_ca": here.ca}
    async with edge(**config) as server:
        closed = "it closed the connection: it may ask for a certificate of this device"
        assert closed in await refused(server, tls_ca=here.ca)
        assert closed in await refused(server, tls_ca=here.ca, **other.signed("device"))
        await ask_at(server, tls_ca=here.ca, **here.signed("device"))


async def test_with_certificates_alone_the_certificates_name_is_the_tenant(here: Lab) -> None:
    config = here.signed("edge", HOSTS) | {"tls_client_ca": here.ca, "max_sessions_per_tenant": 1}
    async with edge(**config) as server:
        for name in ("alice", "bob"):
            credentials = grpc.ssl_channel_credentials(
                here.ca.read_bytes(), *(path.read_bytes() for path in reversed(here.signed(name).values()))
            )
            raw = RawDevice(f"127.0.0.1:{server.port}")
            await raw.channel.close()
            raw.channel = grpc.aio.secure_channel(f"127.0.0.1:{server.port}", credentials)
            async with raw:
                await opened_at(raw, [])
                assert (await raw.refusal(opening())).code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_expired_certificate_of_a_device_is_refused_on_both_ends(here: Lab) -> None:
    expired = here.signed("old", days_ago=3, days=1)
    async with edge(**here.signed("edge", HOSTS), tls_client_ca=here.ca) as server:
        address = f"127.0.0.1:{server.port}"
        with pytest.raises(InvalidValue, match="expired on"):
            Client(DeviceConfig(edge=address, tls_ca=here.ca, **expired), toy_draft())
        credentials = grpc.ssl_channel_credentials(
            here.ca.read_bytes(), expired["tls_key"].read_bytes(), expired["tls_cert"].read_bytes()
        )
        channel = grpc.aio.secure_channel(address, credentials)
        with pytest.raises(Unavailable):
            await server_info(channel)
        await channel.close()


async def test_an_edge_that_is_not_who_it_should_be_gets_nothing(here: Lab) -> None:
    other = lab(here.folder / "other")
    async with edge(**here.signed("edge", HOSTS)) as server:
        sentence = "no authority that this device trusts has signed its certificate"
        assert sentence in await refused(server, tls_ca=other.ca)
        assert sentence in await refused(server, tls=True)
    async with edge(**here.signed("elsewhere", ("edge.elsewhere",))) as server:
        assert "its certificate is for another name" in await refused(server, tls_ca=here.ca)
        await ask_at(server, tls_ca=here.ca, tls_name="edge.elsewhere")


async def test_a_device_refuses_an_edge_whose_certificate_has_expired(here: Lab) -> None:
    expired = here.signed("old", HOSTS, days_ago=3, days=1)
    with pytest.raises(InvalidValue, match=r"tls_cert is .*: expired on"):
        EdgeServer(EdgeConfig(port=0, **expired), toy_target)
    pair = (expired["tls_key"].read_bytes(), expired["tls_cert"].read_bytes())
    server = grpc.aio.server()  # an edge that runs on past the end of its certificate
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    async with device(f"127.0.0.1:{port}", toy_draft(), tls_ca=here.ca) as client:
        with pytest.raises(Unavailable, match="its certificate has expired"):
            await client.info()
    await server.stop(None)


async def test_who_speaks_another_language_is_told_so(here: Lab) -> None:
    async with edge(**here.signed("edge", HOSTS)) as server:
        assert "it may speak TLS" in await refused(server)
    async with edge() as server:
        assert "it does not speak TLS" in await refused(server, tls_ca=here.ca)


async def test_what_is_no_edge_is_told_from_nothing_at_all() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with device(f"127.0.0.1:{port}", toy_draft()) as client:
            with pytest.raises(Unavailable, match="speaks HTTP/1 and is no edge"):
                await client.info()
    async with device(f"127.0.0.1:{port}", toy_draft()) as client:
        with pytest.raises(Unavailable, match="nothing listens there"):
            await client.info()


async def test_connections_beyond_the_limit_are_closed_and_the_others_stay() -> None:
    async with edge(max_connections=2) as server, at(server) as one, at(server) as two, at(server) as three:
        streams = [await opened_at(raw, []) for raw in (one, two)]
        assert "closed the connection" in await refused(server)
        assert (await three.refusal(opening())).code is grpc.StatusCode.UNAVAILABLE
        for stream, _ in streams:
            await stream.send(Finish(FinishReason.CANCELLED))
            await stream.until(Finished)


async def test_tenants_and_certificates_are_read_again_or_stay_as_they_were(here: Lab) -> None:
    other = lab(here.folder / "other")
    async with guarded(here, **here.signed("edge", HOSTS)) as server:
        here.tenants(carol="token-of-carol-" + "c" * 20)
        renewed = other.signed("edge", HOSTS)
        (here.folder / "edge.pem").write_bytes(renewed["tls_cert"].read_bytes())
        server.read_again()  # a certificate without its key: nothing changes
        await ask_at(server, tls_ca=here.ca, token=ALICE)
        (here.folder / "edge-key.pem").write_bytes(renewed["tls_key"].read_bytes())
        server.read_again()
        await ask_at(server, tls_ca=other.ca, token="token-of-carol-" + "c" * 20)
        with pytest.raises(Unauthenticated):
            await ask_at(server, tls_ca=other.ca, token=ALICE)
        assert "no authority" in await refused(server, tls_ca=here.ca, token=ALICE)


def test_a_public_address_in_the_clear_is_refused(here: Lab) -> None:
    with pytest.raises(InvalidValue, match="the link is not encrypted"):
        EdgeConfig(host="0.0.0.0")
    EdgeConfig(host="0.0.0.0", insecure=True)
    EdgeConfig(host="0.0.0.0", **here.signed("edge", HOSTS))


def test_a_token_never_goes_to_another_machine_in_the_clear(here: Lab) -> None:
    for given in ({"token": ALICE}, {"token_file": here.folder / "token.txt"}):
        with pytest.raises(InvalidValue, match="the token would travel in the clear") as refused:
            DeviceConfig(edge="edge.lan:50051", **given)
        assert ALICE not in str(refused.value)
        for fine in ({"edge": "127.0.0.1:1"}, {"edge": "edge.lan:1", "tls": True}, {"insecure": True}):
            assert ALICE not in repr(DeviceConfig(**{"edge": "edge.lan:1", **fine}, **given))  # type: ignore[arg-type]
    assert ALICE not in repr(Access.of(DeviceConfig(token=ALICE)))


@pytest.mark.parametrize(
    ("end", "options", "said"),
    [
        (EdgeConfig, {"tls_cert": Path("x")}, "needs tls_key"),
        (EdgeConfig, {"tls_key": Path("x")}, "needs tls_cert"),
        (EdgeConfig, {"tls_client_ca": Path("x")}, "needs tls_cert"),
        (DeviceConfig, {"tls_cert": Path("x")}, "needs tls_key"),
        (DeviceConfig, {"token": "a b"}, "without spaces"),
        (DeviceConfig, {"token": "abc", "token_file": Path("x")}, "there is a token already"),
    ],
)
def test_options_that_do_not_go_together_are_refused(end: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        end(**options)


async def test_files_that_hold_something_else_are_refused_by_name(here: Lab) -> None:
    good, wrong = here.signed("edge", HOSTS), here.folder / "wrong"
    wrong.write_text("nothing of the kind")
    others = lab(here.folder / "other").signed("edge", HOSTS)
    options: dict[str, Path]
    for options, said in [
        ({"tls_cert": wrong}, "tls_cert is .*holds no certificate"),
        ({"tls_key": wrong}, "tls_key is .*holds no private key"),
        ({"tls_key": others["tls_key"]}, "tls_key is .*is not the key of"),
        ({"tls_client_ca": wrong}, "tls_client_ca is .*holds no certificate"),
        ({"tls_cert": here.folder / "nowhere"}, "tls_cert is .*No such file"),
        ({"tenants": wrong}, "tenants is"),
    ]:
        with pytest.raises(InvalidValue, match=said):
            EdgeServer(EdgeConfig(port=0, **{**good, **options}), toy_target)
