"""What an edge keeps of the vocabularies that drafts have: little, by tenant, and never a vocabulary."""

from __future__ import annotations

import asyncio

import pytest

from edge_server.vocabularies import DraftVocabulary, Vocabularies
from shared.errors import InvalidValue, ModelMismatch, OutOfStep
from shared.speculation.prints import VocabularyPrint
from shared.vlm.toy import ToyVlm

TARGET = ToyVlm().info
OWN = TARGET.prints.vocabulary


def draft(number: int) -> VocabularyPrint:
    """One of many vocabularies that fit the target's."""
    return ToyVlm(rows=64 + number).info.prints.vocabulary


def test_the_target_s_own_vocabulary_is_known_to_everybody() -> None:
    known = Vocabularies(TARGET)
    assert known.common_ids(OWN.reference, "a") == known.common_ids(OWN.reference, "b") == TARGET.rows
    assert len(known) == 0


def test_a_vocabulary_is_known_to_the_tenant_that_has_sent_it_alone() -> None:
    known, one = Vocabularies(TARGET), draft(1)
    assert known.common_ids(one.reference, "a") is None
    assert known.add(one, "a") == known.common_ids(one.reference, "a") == 64
    assert known.common_ids(one.reference, "b") is None


def test_size_and_pieces_tell_vocabularies_apart() -> None:
    whole = VocabularyPrint.of([str(number) for number in range(128)])
    others = [VocabularyPrint.of([str(number) for number in range(size)]) for size in (64, 127, 129, 192)]
    others += [VocabularyPrint(127, whole.blocks), VocabularyPrint(128, whole.blocks[4:] + whole.blocks[:4])]
    assert len({each.reference for each in (whole, *others)}) == 7


def test_those_of_a_tenant_that_were_used_last_are_kept_and_cost_no_other_tenant_his() -> None:
    known, drafts = Vocabularies(TARGET, most=3), [draft(number) for number in range(5)]
    known.add(drafts[0], "b")
    for each in drafts[:3]:
        known.add(each, "a")
    known.common_ids(drafts[0].reference, "a")
    for each in drafts[3:]:
        known.add(each, "a")
    kept = [known.common_ids(each.reference, "a") is not None for each in drafts]
    assert kept == [True, False, False, True, True]
    assert known.common_ids(drafts[0].reference, "b") == 64
    assert len(known) == 4


def test_tenants_are_forgotten_beyond_a_number() -> None:
    known, one = Vocabularies(TARGET, tenants=3), draft(1)
    for number in range(100):
        known.add(one, str(number))
        known.common_ids(one.reference, "0")
    kept = [name for name in range(100) if known.common_ids(one.reference, str(name)) is not None]
    assert kept == [0, 98, 99]


def test_a_vocabulary_that_does_not_fit_is_refused_and_not_kept() -> None:
    known = Vocabularies(TARGET)
    for _ in range(2):
        with pytest.raises(ModelMismatch, match="do not fit"):
            known.add(VocabularyPrint.of([f"other {number}" for number in range(256)]), "a")
    assert len(known) == 0


async def test_nothing_is_wanted_of_a_device_without_a_draft_or_with_a_known_one() -> None:
    known, one = Vocabularies(TARGET), draft(1)
    known.add(one, "a")
    for reference, common in ((None, 0), (one.reference, 64), (OWN.reference, TARGET.rows)):
        vocabulary = DraftVocabulary(reference, known, "a")
        assert not vocabulary.wanted
        assert await vocabulary.common_ids() == common
        with pytest.raises(OutOfStep, match="has not asked"):
            vocabulary.receive(one)


async def test_what_is_wanted_is_waited_for_and_taken_once() -> None:
    vocabulary = DraftVocabulary(draft(1).reference, Vocabularies(TARGET), "a")
    assert vocabulary.wanted
    waiting = asyncio.create_task(vocabulary.common_ids())
    await asyncio.sleep(0)
    with pytest.raises(InvalidValue, match="their digest is not the one that open named"):
        vocabulary.receive(draft(2))
    vocabulary.receive(draft(1))
    assert await waiting == 64
    with pytest.raises(OutOfStep, match="a second time"):
        vocabulary.receive(draft(1))


async def test_a_vocabulary_that_never_comes_is_given_up() -> None:
    vocabulary = DraftVocabulary(draft(1).reference, Vocabularies(TARGET), "a")
    with pytest.raises(OutOfStep, match=r"it has not come for 0\.01 s"):
        await vocabulary.common_ids(0.01)


async def test_whoever_waits_is_told_why_nothing_comes() -> None:
    vocabulary = DraftVocabulary(draft(1).reference, Vocabularies(TARGET), "a")
    waiting = asyncio.create_task(vocabulary.common_ids())
    await asyncio.sleep(0)
    vocabulary.fail(OutOfStep("the stream has ended"))
    with pytest.raises(OutOfStep, match="the stream has ended"):
        await waiting
