"""The vocabularies of drafts: named by a digest, sent only if the edge does not know that, compared once.

Guarantees: the outcome of a comparison is kept and no vocabulary, 16 outcomes for each tenant at most. No tenant learns
what another has sent: each is asked for what it has not sent itself, but for the target's own, which is no secret.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from shared.errors import CovspecError, InvalidValue, OutOfStep
from shared.excerpts import Shown
from shared.speculation.prints import VocabularyPrint, VocabularyReference, fit
from shared.vlm.port import ModelInfo

VOCABULARY_SECONDS = 10.0  # for a vocabulary to come, once all pictures are there


class Vocabularies:
    """How far drafts' vocabularies agree with that of `target`: the end of the ids that may be proposed.

    Kept are those that were used last, `most` of each of `tenants` tenants.
    """

    def __init__(self, target: ModelInfo, most: int = 16, tenants: int = 1024) -> None:
        self._target = target
        self._own = target.prints.vocabulary.reference
        self._most, self._tenants = most, tenants
        self._known: OrderedDict[str, OrderedDict[VocabularyReference, int]] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(known) for known in self._known.values())

    def common_ids(self, reference: VocabularyReference, tenant: str) -> int | None:
        """The end of the ids, if the vocabulary is the target's own or `tenant` has sent it; None: unknown."""
        if reference == self._own:
            return self._compared(self._target.prints.vocabulary)
        known = self._known.get(tenant, OrderedDict())
        if reference not in known:
            return None
        self._known.move_to_end(tenant)
        known.move_to_end(reference)
        return known[reference]

    def add(self, vocabulary: VocabularyPrint, tenant: str) -> int:
        """The end of the ids, from now on known for `tenant`. Raises ModelMismatch."""
        common = self._compared(vocabulary)
        known = self._known.setdefault(tenant, OrderedDict())
        self._known.move_to_end(tenant)
        known[vocabulary.reference] = common
        if len(known) > self._most:
            known.popitem(last=False)
        if len(self._known) > self._tenants:
            self._known.popitem(last=False)
        return common

    def _compared(self, vocabulary: VocabularyPrint) -> int:
        return fit(vocabulary, self._target.prints.vocabulary).cut(self._target.rows).end


class DraftVocabulary:
    """The vocabulary that an opening of `tenant` names; `reference` None: none. `wanted`: the device is to send it."""

    def __init__(self, reference: VocabularyReference | None, known: Vocabularies, tenant: str) -> None:
        self._reference = reference
        self._known = known
        self._tenant = tenant
        self._common: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        common = 0 if reference is None else known.common_ids(reference, tenant)
        self.wanted = common is None
        if common is not None:
            self._common.set_result(common)

    def receive(self, vocabulary: VocabularyPrint) -> None:
        """Compare what the device has sent. Raises OutOfStep, InvalidValue, ModelMismatch."""
        if not self.wanted:
            raise OutOfStep("vocabulary came, and the edge has not asked for it")
        if self._common.done():
            raise OutOfStep("vocabulary came a second time")
        if vocabulary.reference != self._reference:
            told = Shown(f"{len(vocabulary.blocks)} bytes")
            raise InvalidValue("vocabulary.blocks", told, "their digest is not the one that open named")
        self._common.set_result(self._known.add(vocabulary, self._tenant))

    def fail(self, error: CovspecError) -> None:
        """Nothing more will come."""
        if not self._common.done():
            self._common.set_exception(error)
            self._common.exception()  # it may be that nobody waits

    async def common_ids(self, seconds: float = VOCABULARY_SECONDS) -> int:
        """The end of the ids that may be proposed. Raises what `fail` was told; OutOfStep if nothing comes."""
        await asyncio.wait([self._common], timeout=seconds)
        if not self._common.done():
            raise OutOfStep(f"vocabulary: the edge has asked for it, and it has not come for {seconds:g} s")
        return self._common.result()
