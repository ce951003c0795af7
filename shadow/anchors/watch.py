"""One scorer under watch: which known cases it judges next, and whether it still says what it said when it was well.

References come, in this order, from the operator's file, from the package (for the very version of the scorer), or from the
scorer's own first answers; in that case as many further draws tell how much it varies by itself, and only more than that
is drift.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from scorers.base import Score, ScorerFailure, ScorerKind
from shadow.anchors.cases import FEWEST_CASES, Anchor, Reference, agrees
from shadow.errors import LedgerError
from shadow.stats.drift import DriftTest, noise_bound

Result = Score | ScorerFailure
LEARNING_CASES = 10
"""Per heartbeat while a scorer's own answers are still to become its references."""

NOISE_CONFIDENCE = 0.01
MOST_FAILURES = 3


class Kept(msgspec.Struct, kw_only=True):
    """What survives a restart of one scorer's watch."""

    scorer: str  # as epochs describe it: kind, version, rate
    cases: str  # which set
    draws: int = 0
    learnt: dict[str, tuple[float | None, str | None]] = {}
    noise: list[float] = []
    test: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One scorer after a heartbeat. `good`: it judged a known case, and not all of them otherwise than it should.

    `deviation` and `agreement` (with the people who labelled the cases) are shares over this process's draws; None
    without any. `since_unix_ms` is where a proven drift began.
    """

    label: str
    good: bool
    learning: bool
    drifted: bool = False
    draws: int = 0
    deviation: float | None = None
    tolerated: float | None = None
    log_evalue: float | None = None
    agreement: float | None = None
    since_unix_ms: int | None = None


class Watch:
    """Owned by the thread that scores."""

    def __init__(
        self,
        *,
        label: str,
        kind: str,
        sort: ScorerKind,
        scorer: str,
        anchors: Sequence[Anchor],
        shipped: Mapping[str, Reference] | None,
        tolerance: float,
        alpha: float,
        kept: Kept | None = None,
    ) -> None:
        self.label, self._kind, self._sort = label, kind, sort
        self._tolerance, self._alpha = tolerance, alpha
        self._right = self._told = 0
        self._failed: Counter[str] = Counter()
        fixed = self._fixed(anchors, shipped or {})
        self._own = fixed is None
        self._anchors = tuple(a for a in anchors if fixed is None or fixed[a.case.id].value is not None)
        self._cases = _key(self._anchors, fixed)
        self._kept = Kept(scorer=scorer, cases=self._cases)
        if kept is not None and (kept.scorer, kept.cases) == (scorer, self._cases):
            self._kept = kept
        self._references = fixed if fixed is not None else self._learnt()
        self._test = self._restored()
        if self._test is None and fixed is not None:
            self._test = DriftTest(m0=tolerance, alpha=alpha)

    def _fixed(self, anchors: Sequence[Anchor], shipped: Mapping[str, Reference]) -> Mapping[str, Reference] | None:
        """References that do not come from the scorer as it is today; None where they do not cover the cases."""
        found = {
            a.case.id: Reference(value=a.reference[self.label]) if self.label in a.reference else shipped.get(a.case.id)
            for a in anchors
        }
        known = {case: reference for case, reference in found.items() if reference is not None}
        judged = sum(reference.value is not None for reference in known.values())
        return known if len(known) == len(anchors) and judged >= FEWEST_CASES else None

    def _learnt(self) -> dict[str, Reference]:
        return {case: Reference(value=value, label=label) for case, (value, label) in self._kept.learnt.items()}

    def _restored(self) -> DriftTest | None:
        if self._kept.test is None:
            return None
        try:
            test = DriftTest.from_bytes(self._kept.test)
        except LedgerError:
            return None
        # Another tolerance or alpha is another question; the answers so far do not carry over.
        floor_fits = test.m0 == self._tolerance if not self._own else test.m0 >= self._tolerance
        return test if test.alpha == self._alpha and floor_fits else None

    @property
    def kept(self) -> Kept:
        """For the ledger."""
        return replace_test(self._kept, self._test)

    @property
    def learning(self) -> bool:
        """Whether the scorer's own first answers are still to become its references."""
        return self._test is None

    @property
    def watched(self) -> bool:
        """False for a scorer that has nothing to judge in these cases: nobody can say whether it is well."""
        if not self._own or len(self._kept.learnt) < len(self._anchors):
            return bool(self._anchors)
        return len(self._usable()) >= FEWEST_CASES

    def next(self, cases: int) -> list[Anchor]:
        """What to judge now: in order while references are learnt, afterwards independent random draws."""
        if not self.watched:
            return []
        if len(self._kept.learnt) < len(self._anchors) and self._own:
            missing = [a for a in self._anchors if a.case.id not in self._kept.learnt]
            return missing[: max(cases, LEARNING_CASES)]
        pool = self._usable()
        wanted = max(cases, LEARNING_CASES) if self.learning else cases
        return [pool[self._draw(self._kept.draws + i, len(pool))] for i in range(wanted)]

    def _usable(self) -> list[Anchor]:
        return [a for a in self._anchors if (r := self._references.get(a.case.id)) is not None and r.value is not None]

    def _draw(self, number: int, among: int) -> int:
        """The same on every run: a hash of what is watched and the number of the draw, uniform and independent."""
        text = f"{self._kept.scorer}|{self._cases}|{number}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") % among

    def see(self, anchors: Sequence[Anchor], results: Sequence[Result], at_unix_ms: int) -> Look:
        """Takes what the scorer said of what `next` gave."""
        judged = steady = 0
        answers = any(isinstance(result, Score) for result in results)
        for anchor, result in zip(anchors, results, strict=True):
            self._kept.draws += 1
            if isinstance(result, ScorerFailure):
                if answers:
                    self._fail(anchor.case.id)
                continue  # an error is no drift, and has an alert of its own
            judged += 1
            if result.value is not None:
                right = agrees(self._kind, self._sort, anchor.human, result.value)
                self._told += right is not None
                self._right += right is True
            steady += self._take(anchor, result, at_unix_ms)
        return self._look(good=steady > 0 or (self.learning and judged > 0))

    def _fail(self, case: str) -> None:
        """A case that fails again and again while others succeed is none for this scorer: learning goes on without it."""
        self._failed[case] += 1
        if self._own and case not in self._kept.learnt and self._failed[case] >= MOST_FAILURES:
            self._kept.learnt[case] = (None, None)
            self._references = self._learnt()

    def _take(self, anchor: Anchor, result: Score, at_unix_ms: int) -> bool:
        """Whether the case was judged as it should be."""
        case = anchor.case.id
        reference = self._references.get(case)
        if reference is None:
            self._kept.learnt[case] = (result.value, result.label)
            self._references = self._learnt()
            return True
        deviation = self._deviation(result, reference)
        if self._test is not None:
            self._test = self._test.update(deviation, at_unix_ms)
            return deviation <= self._tolerance
        if len(self._kept.learnt) == len(self._anchors):
            self._kept.noise.append(deviation)
            if len(self._kept.noise) >= 2 * len(self._anchors):
                m0 = min(0.9, max(self._tolerance, noise_bound(self._kept.noise, NOISE_CONFIDENCE)))
                self._test = DriftTest(m0=m0, alpha=self._alpha)
        return True

    def _deviation(self, result: Score, reference: Reference) -> float:
        """|value - reference|; 1 where there is no value any more, or another word (a preference has no words but its value)."""
        if result.value is None or reference.value is None:
            return float(result.value is not reference.value)
        if self._sort != "preference" and reference.label is not None and result.label != reference.label:
            return 1.0
        difference = abs(result.value - reference.value)
        return 0.0 if difference <= 1e-4 else difference

    def _look(self, *, good: bool) -> Look:
        test = self._test
        return Look(
            label=self.label,
            good=good,
            learning=test is None,
            drifted=test is not None and test.crossed_unix_ms is not None,
            draws=0 if test is None else test.draws,
            deviation=None if test is None else test.mean,
            tolerated=None if test is None else test.m0,
            log_evalue=None if test is None else test.log_evalue,
            agreement=self._right / self._told if self._told else None,
            since_unix_ms=None if test is None else test.onset_unix_ms,
        )


def replace_test(kept: Kept, test: DriftTest | None) -> Kept:
    """A copy that nobody changes any more, with the test as it stands."""
    return Kept(
        scorer=kept.scorer,
        cases=kept.cases,
        draws=kept.draws,
        learnt=dict(kept.learnt),
        noise=list(kept.noise),
        test=None if test is None else test.to_bytes(),
    )


def _key(anchors: Sequence[Anchor], fixed: Mapping[str, Reference] | None) -> str:
    """Which cases with which references; another set begins anew."""
    content = [
        (a.case.id, a.case.prompt, a.case.candidate.text, a.case.incumbent.text if a.case.incumbent else None)
        for a in anchors
    ]
    given = None if fixed is None else {case: (r.value, r.label) for case, r in sorted(fixed.items())}
    return hashlib.blake2b(msgspec.json.encode([content, given]), digest_size=8).hexdigest()
