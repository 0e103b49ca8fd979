"""The hostile link once more, by the rule rejection: the text is that of the two laws and the seed, or of another seed
where an edge was lost, and never changes by anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.speculation.edge import EdgeConversation, Rules
from shared.speculation.laws import DraftLaw, TargetLaw
from shared.speculation.marks import Mark
from shared.speculation.messages import Commit, Evidence, Judging, Rule, agreement
from shared.speculation.noise import Domain, word
from shared.speculation.pending import Pending
from shared.speculation.rejection import stands
from shared.speculation.residual import corrected, drawn
from tests.support.hostile_link import END, Run, Step
from tests.support.little_laws import Language, claim, drafted


def told_in_one_go(language: Language, seed: int, evidence: Evidence) -> list[int]:
    """The answer, position by position, with nothing between the two: the first token is the target's own."""
    rule, text = language.rejection(seed, evidence), list[int]()
    text += rule.verify(language.rows((), ()), Pending(0, (), 0), ()).tokens
    while text[-1] != END:
        law = drafted(language, evidence, text)
        token = law.draw(seed, len(text)) if evidence is not Evidence.POINT else int(law.ids[0])
        target = TargetLaw.rounded(*rule._chooser.law(language.row(text), text))
        bits = word(seed, len(text), Domain.ACCEPT)
        stood = stands(target.probability(token), law.probability(token), bits)
        text.append(token if stood else drawn(target, law, seed, len(text)))
    return text


@dataclass
class RejectingRun(Run):
    """A run whose edge judges by rejection. `part`: ids of a row that goes down after one."""

    language: Language = Language(0)  # noqa: RUF009 - frozen
    evidence: Evidence = Evidence.SCALAR
    part: int = 64
    answer_seed: int = 0
    block: int | None = None  # tokens after which the device closes a block
    branching: bool = False
    prefilled: bool = False
    relaxed: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rule = self.language.rejection(self.answer_seed, self.evidence, self.part)
        self.expected = told_in_one_go(self.language, self.answer_seed, self.evidence)

    def _new_edge(self, committed: Sequence[int]) -> EdgeConversation:
        judging = Judging(Rule.REJECTION, self.evidence)
        return EdgeConversation(Rules(self.setting.window, self.setting.max_ahead, 8, (), judging), committed)

    def _friendly_events(self) -> list[Callable[[], None]]:
        events = super()._friendly_events()
        if not self.device.committed and self.begin_draft in events:
            events.remove(self.begin_draft)  # the first token is the target's own
        if self.branching and self.connected and self.device.path and self.device.refused is None:
            events.append(self.draft_aside)
        if not self.prefilled and self.connected and self.step is None and self.begin_step not in events:
            events.append(self.begin_step)
        return events

    @property
    def told(self) -> bool:
        device = self.device
        if self.block is not None and device.path and not device._closed and END not in device.path:
            return True  # a block goes out whole
        told_all = (device.refused is None or device._asked) and device._closed == device._told_closed
        return device.resuming or (super().told and told_all)

    def deliver_up(self) -> None:
        propose, tree = self.up.pop(0)
        due = self.edge.hear(propose)
        self.heard_tree = tree
        if due is not None:
            self.down.append(due)

    def deliver_down(self) -> None:
        commit = self.down.pop(0)
        self._foresee(commit)
        self.device.hear(commit)
        if commit.residual is not None and self.device.refused is not None:
            refused, position = self.device.refused, len(self.device.committed)
            token = corrected(commit.residual, refused, self.answer_seed, position)
            self.count("corrected" if token is not None else "row was not enough")
            if token is not None:
                ahead = self.device.correct(token)
                self.count("foreseen" if ahead is not None else "unforeseen")
        self._close_block()

    def merge(self) -> None:
        if self.down[0].whole and self.down[0].accepted:
            super().merge()

    def begin_step(self) -> None:
        pending = self.edge.pending()
        self.step = Step(pending if self.prefilled else pending.first(0))
        self.prefilled = True

    def end_step(self) -> None:
        assert self.step is not None
        pending, before = self.step.pending, tuple(self.edge.committed)
        verified = self.rule.verify(self.language.rows(before, pending.ids), pending, before)
        commit = self.edge.commit(pending, verified.tokens)
        if verified.rejected is not None:
            commit = self.edge.reject(commit, verified.rejected)
        self.step = None
        if self.connected:
            self.down.append(commit)

    def end_draft(self) -> None:
        assert self.forward is not None
        text, version = self.forward.text, self.forward.version
        law = drafted(self.language, self.evidence, text)
        token = self._drawn(law, text)
        if self.device.room > 0:
            self.device.draft(token, version, Mark(claim(law, token, self.evidence, 8), law))
        self._close_block()
        self.forward = None

    def draft_aside(self) -> None:
        """A token more of a branch, an old one or a new one."""
        device, size = self.device, self.language.ids
        place = self.rng.randrange(len(device.path) + device.closed)
        other = self.rng.choice([token for token in range(size) if device.path[place : place + 1] != [token]])
        branch = device.branch(place, other)
        if self.block is not None and len(branch.ids) + 1 == self.block:
            return  # a longer one would make a longer block, and so another text
        text = device.text_of(branch)
        law = drafted(self.language, self.evidence, text)
        device.grow(text, self._drawn(law, text), Mark(claim(law, self._drawn(law, text), self.evidence, 8), law))

    def _drawn(self, law: DraftLaw, text: Sequence[int]) -> int:
        return int(law.ids[0]) if self.evidence is Evidence.POINT else law.draw(self.answer_seed, len(text))

    def _close_block(self) -> None:
        if self.block is not None and len(self.device.path) >= self.block:
            self.device.close()

    def _foresee(self, commit: Commit) -> None:
        """Count the branches that the text is about to go along, by what is behind the path."""
        if self.device.foreseen(commit.ids) is not None:
            whole = agreement(self.device.path, commit.ids) == len(self.device.path)
            self.count("foreseen behind a block" if whole else "foreseen")

    def lose(self) -> None:
        super().lose()
        self.prefilled = False
        self.relaxed = True

    def resume(self) -> None:
        super().resume()
        if not self.prefilled:
            self.down.clear()  # it was opened anew
            self.device.reopen()

    def check(self) -> None:
        if self.relaxed:  # who was lost may have decided otherwise what nobody has heard
            self.expected = list(self.edge.committed)
        super().check()

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
