"""What the toy model promises beside the laws of the port."""

from __future__ import annotations

import statistics

import pytest
import torch

from shared.errors import InvalidValue
from shared.speculation.prints import CommonIds
from shared.vlm.load import load
from shared.vlm.port import Block
from shared.vlm.single import extend, prefill
from shared.vlm.toy import ToyVlm, named
from shared.vlm.toy_vocabulary import CONTINUES, END, PIECES
from tests.support.tiny_qwen import picture, question


def answer(vlm: ToyVlm, text: str, temperature: float = 0.0, limit: int = 300) -> list[int]:
    """An answer by the model alone."""
    prompt = vlm.prepare(question(text, 1), [picture(0)])
    decoder, rows = prefill(vlm, prompt, vlm.see(prompt))
    generator = torch.Generator().manual_seed(0)
    ids: list[int] = []
    while len(ids) < limit:
        row = rows[-1]
        if temperature:
            law = torch.softmax(row / temperature, -1)
            ids.append(int(torch.multinomial(law, 1, generator=generator)))
        else:
            ids.append(int(row.argmax()))
        if ids[-1] == END:
            break
        rows = extend(vlm, decoder, ids[-1:])
    return ids


def agreeing(draft: ToyVlm, kept_share: float = 1.0) -> float:
    """The share of positions of forty answers at which the draft's row is its target's."""
    target = ToyVlm(seed=draft.seed)
    equal: list[bool] = []
    for number in range(40):
        prompt = target.prepare(question(f"question {number}", 1), [picture(0, 128, 128)])
        visual = target.see(prompt)
        kept = range(int(sum(prompt.visual_tokens) * kept_share))
        _, rows = prefill(target, prompt, visual, ids=range(40, 80))
        _, others = prefill(draft, prompt, visual, kept, ids=range(40, 80))
        equal += (rows == others).all(-1).tolist()
    return sum(equal) / len(equal)


def test_answers_end_of_their_own_accord_after_some_forty_tokens() -> None:
    lengths = [len(answer(ToyVlm(seed=3), f"question {number}")) for number in range(60)]
    assert 30 < statistics.mean(lengths) < 52
    assert max(lengths) < 150


def test_answers_are_readable_even_when_sampled() -> None:
    for number in range(20):
        text = ToyVlm(seed=4).tokenizer.decode(answer(ToyVlm(seed=4), f"question {number}", temperature=1.0))
        assert "\N{REPLACEMENT CHARACTER}" not in text
        assert " " in text


def test_a_character_of_several_bytes_is_several_tokens() -> None:
    toy = ToyVlm()
    first = min(CONTINUES)
    assert toy.tokenizer.decode([first]) == "\N{REPLACEMENT CHARACTER}"
    assert toy.tokenizer.decode([first, CONTINUES[first]]) == "é"
    prompt = toy.prepare(question("a"), [])
    decoder, _ = prefill(toy, prompt, toy.see(prompt))
    assert int(extend(toy, decoder, [first])[0].argmax()) == CONTINUES[first]


def test_temperature_matters() -> None:
    """The best id has neither all of the law nor next to nothing."""
    toy = ToyVlm(seed=5)
    prompt = toy.prepare(question("a"), [])
    _, rows = prefill(toy, prompt, toy.see(prompt), ids=range(40, 240))
    best = torch.softmax(rows, -1).max(-1).values
    assert 0.4 < best.mean() < 0.8
    assert (best < 0.5).double().mean() > 0.1


@pytest.mark.parametrize("agreement", [0.0, 0.3, 0.8, 1.0])
def test_a_draft_agrees_as_often_as_it_says(agreement: float) -> None:
    assert agreeing(ToyVlm(seed=6, agreement=agreement)) == pytest.approx(agreement, abs=0.04)


def test_a_better_draft_agrees_wherever_a_worse_one_does() -> None:
    target, good, poor = ToyVlm(), ToyVlm(agreement=0.9), ToyVlm(agreement=0.5)
    prompt = target.prepare(question("a"), [])
    visual = target.see(prompt)
    rows, goods, poors = (prefill(m, prompt, visual, ids=range(40, 140))[1] for m in (target, good, poor))
    assert ((rows == goods).all(-1) >= (rows == poors).all(-1)).all()


def test_visual_tokens_left_out_cost_agreement() -> None:
    shares = [agreeing(ToyVlm(seed=7, agreement=0.9), kept_share=share) for share in (1.0, 0.5, 0.1)]
    assert shares[0] > shares[1] > shares[2] > 0.4


def test_toys_of_other_seeds_are_other_models() -> None:
    assert answer(ToyVlm(seed=1), "a") != answer(ToyVlm(seed=2), "a")
    assert answer(ToyVlm(seed=1), "a") == answer(ToyVlm(seed=1), "a")


def test_a_narrow_toy_is_the_wide_one_without_its_last_rows() -> None:
    wide, narrow = ToyVlm(seed=1), ToyVlm(seed=1, rows=100)
    prompt = wide.prepare(question("a"), [])
    _, rows = prefill(wide, prompt, wide.see(prompt), ids=(40, 41))
    _, others = prefill(narrow, prompt, wide.see(prompt), ids=(40, 41))
    assert (rows[:, :100] == others).all()
    common = narrow.info.prints.vocabulary.common(wide.info.prints.vocabulary)
    assert common == CommonIds.below(64)  # to the resolution of a block


def test_rows_beyond_the_vocabulary_are_there_and_never_chosen() -> None:
    toy = ToyVlm(seed=1, rows=300)
    assert max(answer(toy, "a", temperature=1.0)) < len(PIECES)
    assert toy.tokenizer.decode([299]) == ""


def test_a_slow_toy_sleeps_for_its_forward_and_its_tokens() -> None:
    slept: list[float] = []
    toy = ToyVlm(step_seconds=1.0, token_seconds=0.25, sleep=slept.append)
    prompt = toy.prepare(question("a", 1), [picture(0, 32, 32)])
    visual = toy.see(prompt)
    decoder, _ = prefill(toy, prompt, visual, kept=[0, 3], ids=[40])
    extend(toy, decoder, [41, 42, 43])
    decoder.truncate(0)
    text = len(prompt.ids) - 4
    assert slept == [1.0 + 4 * 0.25, 1.0 + (text + 2 + 1) * 0.25, 1.0 + 3 * 0.25]


def test_a_slow_toy_sleeps_once_for_a_step_of_many() -> None:
    slept: list[float] = []
    toy = ToyVlm(step_seconds=1.0, token_seconds=0.25, sleep=slept.append)
    prompt = toy.prepare(question("a"), [])
    visual = toy.see(prompt)
    slept.clear()
    one, two = toy.begin(prompt, visual), toy.begin(prompt, visual)
    assert slept == []
    toy.step([Block(one, one.prompt_left, [40, 41]), Block(two, 2)])
    assert slept == [1.0 + (len(prompt.ids) + 2 + 2) * 0.25]


def test_a_quick_toy_never_sleeps() -> None:
    def never(seconds: float) -> None:
        raise AssertionError(seconds)

    answer(ToyVlm(sleep=never), "a")


def test_a_toy_is_loaded_by_its_name() -> None:
    toy = load("toy:seed=3,agreement=0.5,rows=128,context_length=99")
    assert isinstance(toy, ToyVlm)
    assert (toy.seed, toy.agreement, toy.rows, toy.context_length) == (3, 0.5, 128, 99)
    assert toy.info.name == "toy:seed=3,agreement=0.5,rows=128,context_length=99"
    assert (named("toy").seed, named("toy:").agreement) == (0, 1.0)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("toy:sed=1", "must be one of seed, rows"),
        ("toy:seed", "must be a number"),
        ("toy:seed=x", "must be a number"),
        ("toy:agreement=1.5", r"between 0\.0 and 1\.0"),
        ("toy:agreement=nan", r"between 0\.0 and 1\.0"),
        ("toy:rows=3", "between 32"),
        ("toy:step_seconds=-1", "between"),
    ],
)
def test_a_toy_that_cannot_be_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(InvalidValue, match=sentence):
        load(name)
