"""Python for people: what `from device_client import Client` gives is the target's answer, whole or as it comes."""

from __future__ import annotations

import asyncio
import io
from importlib.metadata import version
from pathlib import Path
from typing import cast

import pytest
from PIL import Image

import device_client
import shared.errors
from device_client import AsyncClient, Chat, Client, CovspecError, DeviceConfig, Sampling
from device_client.api import PictureLike, chat_of
from shared.errors import ImageError, InvalidValue, Unavailable
from shared.speculation.seeds import derived_seed
from tests.support.system import a_picture, alone, edge, eventually, nothing_alive, toy_draft, toy_target

NOISELESS = Sampling(temperature=0.0, max_tokens=40)


def config_of(port: int) -> DeviceConfig:
    return DeviceConfig(edge=f"127.0.0.1:{port}")


async def test_a_whole_answer_has_text_ids_and_figures(tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(a_picture(seed=1))
    async with edge() as server, AsyncClient(config_of(server.port), toy_draft()) as client:
        result = await client.ask("what is it?", [file], sampling=NOISELESS, log_probabilities=True)
        assert (await client.info()).model == "target"
    question = Chat().asked("what is it?", [device_client.picture(file)]).question(NOISELESS)
    assert result.ids == alone(toy_target(), question)
    assert result.text == toy_target().tokenizer.decode(result.ids)
    assert result.figures.tokens == len(result.ids) == len(result.log_probabilities)
    assert result.prompt_tokens == len(toy_target().prepare(question.messages, question.images).ids)
    await nothing_alive()


async def test_a_stream_gives_pieces_whose_texts_and_ids_add_up() -> None:
    async with edge() as server, AsyncClient(config_of(server.port), toy_draft()) as client:
        async with client.stream("what is it?", sampling=Sampling(temperature=1.0, seed=4)) as answer:
            pieces = [piece async for piece in answer]
        assert "".join(piece.text for piece in pieces) == answer.result.text
        ids = [token for piece in pieces for token in piece.ids]
        assert tuple(ids) == answer.result.ids[: len(ids)]  # an end has no text
        assert len(ids) >= len(answer.result.ids) - 1


async def test_a_stream_that_is_left_early_is_ended_at_the_edge() -> None:
    async with edge() as server, AsyncClient(config_of(server.port), toy_draft()) as client:
        async with client.stream("go on", sampling=Sampling(ignore_eos=True)) as answer:
            async for _ in answer:
                break
        assert (server.sessions, server.places) == (0, 0)
        with pytest.raises(RuntimeError, match="not over"):
            _ = answer.result


async def test_ordinary_code_gets_the_same() -> None:
    async with edge() as server, AsyncClient(config_of(server.port), toy_draft()) as client:
        expected = await client.ask("what is it?", sampling=NOISELESS)

        def plain() -> None:
            with Client(config_of(server.port), toy_draft()) as blocking:
                assert blocking.ask("what is it?", sampling=NOISELESS).ids == expected.ids
                with blocking.stream("what is it?", sampling=NOISELESS) as answer:
                    assert "".join(piece.text for piece in answer) == expected.text
                    assert answer.provisional == ""
                assert answer.result.ids == expected.ids
                with blocking.stream("go on", sampling=Sampling(ignore_eos=True)) as answer:
                    assert next(iter(answer)).text
                assert blocking.info().model == "target"

        await asyncio.to_thread(plain)
        await eventually(lambda: server.sessions, 0)
    await nothing_alive()


async def test_a_chat_is_a_value_and_its_turns_have_seeds_of_their_own() -> None:
    chat = Chat().asked("what is it?", [device_client.picture(a_picture(seed=2))])
    async with edge() as server, AsyncClient(config_of(server.port), toy_draft()) as client:
        first = await client.ask(chat, sampling=Sampling(temperature=1.0, seed=9))
        later = chat.answered(first.text).asked("are you sure?")
        second = await client.ask(later, sampling=Sampling(temperature=1.0, seed=9))
    assert first.parameters.seed == 9
    assert second.parameters.seed == derived_seed(9, 0, 1)
    assert second.ids == alone(toy_target(), later.question(Sampling(temperature=1.0, seed=9)))
    assert len(chat.messages) == 1


async def test_pictures_may_be_bytes_or_of_pillow() -> None:
    data = a_picture(seed=3)
    async with edge() as server, AsyncClient(config_of(server.port), toy_draft()) as client:
        images: list[PictureLike] = [data, Image.open(io.BytesIO(data))]
        ids = {(await client.ask("what is it?", [image], sampling=NOISELESS)).ids for image in images}
    assert len(ids) == 1


async def test_what_is_refused_says_why() -> None:
    async with AsyncClient(DeviceConfig(edge="127.0.0.1:1", reconnect_seconds=0), toy_draft()) as client:
        with pytest.raises(Unavailable):
            await client.ask("hello?")
        with pytest.raises(ImageError, match="nowhere"):
            await client.ask("what?", ["nowhere.png"])
        with pytest.raises(InvalidValue, match="a Chat has its own"):
            client.stream(Chat().asked("what?"), [b""])
        assert issubclass(Unavailable, CovspecError)
    with pytest.raises(RuntimeError, match="async with"):
        await AsyncClient(draft=toy_draft()).ask("too early?")


def test_a_client_whose_model_is_missing_leaves_no_thread() -> None:
    with pytest.raises(CovspecError, match="no/such/model"), Client(DeviceConfig(draft="no/such/model")):
        pass


def test_every_public_name_is_there_and_documented() -> None:
    for name in device_client.__all__:
        assert cast(object, getattr(device_client, name)).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = device_client.nothing  # type: ignore[attr-defined]


async def test_one_picture_is_as_good_as_a_list_of_one(tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(a_picture(seed=1))
    listed = chat_of("what is it?", [file])
    with Image.open(file) as image:
        for one in (file, str(file), file.read_bytes(), device_client.picture(file)):
            assert chat_of("what is it?", one).pictures[0].encoded == listed.pictures[0].encoded
        assert len(chat_of("what is it?", image).pictures) == 1


def test_what_is_refused_can_be_caught_by_public_names() -> None:
    for name, kind in vars(shared.errors).items():
        if isinstance(kind, type) and hasattr(device_client, name):
            assert getattr(device_client, name) is kind
    assert {"Unavailable", "InvalidValue", "ImageError", "Overloaded", "ModelError"} <= set(device_client.__all__)
    assert device_client.__version__ == version("covspec")
