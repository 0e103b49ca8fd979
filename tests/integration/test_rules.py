"""Rules and gate through the whole system: the text of a seed, what goes over the wire, and the word lossy."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from device_client.endpoint.writing import Form
from device_client.presets import PRESETS, PresetName
from device_client.show import Screen, as_json
from edge_server.server import EdgeServer
from shared.errors import InvalidValue, Unsupported
from shared.speculation.messages import Evidence
from tests.support.system import alone, asked, device, edge, nothing_alive, toy_draft, toy_target, whole

REJECTION: dict[str, Any] = {"rule": "rejection", "pace": "thrifty", "policy": "fixed"}
LONG: dict[str, Any] = {"max_tokens": 60, "ignore_eos": True, "seed": 5}


def at(server: EdgeServer) -> str:
    return f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("evidence", [evidence.value for evidence in Evidence])
async def test_without_noise_the_text_is_the_target_s_own(evidence: str) -> None:
    async with edge() as server, device(at(server), toy_draft(), evidence=evidence, **REJECTION) as it:
        result = await whole(await it.ask(asked(max_tokens=40, ignore_eos=True)))
        assert result.ids == alone(toy_target(), asked(max_tokens=40, ignore_eos=True))
        assert result.figures.loss is None
    await nothing_alive()


@pytest.mark.parametrize("evidence", [evidence.value for evidence in Evidence])
async def test_a_seed_gives_one_text_whatever_the_window_and_the_rounds(evidence: str) -> None:
    texts = set()
    async with edge() as server:
        rounds = {"window": 5, "lockstep": True, "bonus": False}
        for manner in ({"window": 3}, {"window": 16}, rounds, {**rounds, "branches": False}):
            config = {**REJECTION, "evidence": evidence, **manner}
            async with device(at(server), toy_draft(), **config) as it:
                texts.add((await whole(await it.ask(asked(temperature=1.0, **LONG)))).ids)
    assert len(texts) == 1
    assert len(texts.pop()) == 60


@pytest.mark.parametrize("evidence", [evidence.value for evidence in Evidence])
async def test_what_a_branch_foresaw_in_rounds_is_proposed_and_the_text_stays_the_target_s(evidence: str) -> None:
    question, config = asked(max_tokens=200, ignore_eos=True), {**REJECTION, "evidence": evidence, "window": 3}
    slow = partial(toy_target, step_seconds=0.003)  # so that the device has time for branches
    async with edge(slow) as server, device(at(server), toy_draft(0.8), lockstep=True, **config) as it:
        result = await whole(await it.ask(question))
    assert result.ids == alone(toy_target(), question)
    assert 0 < result.figures.foreseen <= result.figures.corrections
    await nothing_alive()


async def test_the_device_corrects_what_the_edge_rejects_and_no_row_of_the_draft_goes_up() -> None:
    results = {}
    async with edge() as server:
        for evidence in ("scalar", "dense"):
            async with device(at(server), toy_draft(0.3), evidence=evidence, **REJECTION) as it:
                results[evidence] = (await whole(await it.ask(asked(temperature=1.0, **LONG)))).figures
    up = {evidence: figures.traffic.kind("propose").payload for evidence, figures in results.items()}
    assert results["scalar"].redrawn > 0
    assert results["dense"].redrawn == 0
    assert up["dense"] > 30 * 4 * toy_draft().info.rows > 5 * up["scalar"]


async def test_by_the_rule_rejection_another_pace_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InvalidValue, match="the rule rejection goes at the pace thrifty only"):
        async with device("127.0.0.1:1", toy_draft(), rule="rejection"):
            pass


@pytest.mark.parametrize("rule", [{"pace": "thrifty"}, REJECTION])
async def test_what_a_gate_has_touched_says_so(rule: dict[str, object]) -> None:
    question = asked(max_tokens=40, ignore_eos=True)
    async with edge(allow_lossy=True) as server, device(at(server), toy_draft(0.5), gate=0.0, **rule) as it:
        result = await whole(await it.ask(question))
    figures = result.figures
    assert figures.lossy is not None
    assert figures.lossy > 0
    assert result.ids != alone(toy_target(), question)
    said = f"lossy: {figures.lossy} of 40 tokens unverified"
    assert figures.line().startswith(said)
    assert json.loads(json.dumps(as_json(result)))["lossy"] == said
    form = Form("model", str, log_probabilities=False)
    assert form.end(0, result, 0)["lossy"] == form.whole([result])["covspec"][0]["lossy"] == said


async def test_a_gate_that_nothing_passes_changes_nothing_and_still_says_lossy() -> None:
    async with edge(allow_lossy=True) as server, device(at(server), toy_draft(0.5), gate=1000.0) as it:
        result = await whole(await it.ask(asked(max_tokens=40, ignore_eos=True)))
    assert result.ids == alone(toy_target(), asked(max_tokens=40, ignore_eos=True))
    assert result.figures.loss == "lossy: 0 of 40 tokens unverified"


async def test_an_edge_that_does_not_allow_it_has_no_gate() -> None:
    async with edge() as server, device(at(server), toy_draft(), gate=0.5) as it:
        with pytest.raises(Unsupported, match="--allow-lossy"):
            await it.ask(asked())


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "device-only"])
async def test_every_preset_answers(name: PresetName, capsys: pytest.CaptureFixture[str]) -> None:
    question = asked(max_tokens=40, ignore_eos=True)
    async with edge(allow_lossy=True) as server, device(at(server), toy_draft(), **PRESETS[name]) as it:
        result = await whole(await it.ask(question))
    lossy = "gate" in PRESETS[name]
    assert (result.figures.loss is not None) == lossy
    if not lossy:
        assert result.ids == alone(toy_target(), question)
    Screen("never", as_json=False).end(result, result.text)
    assert ("lossy" in capsys.readouterr().err) == lossy
