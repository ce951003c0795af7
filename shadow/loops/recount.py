"""From the outcomes again: what `shadow verify` compares, bit for bit, with what the ledger's transactions added up."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from shadow.ledger.base import AggregateKey, ArmTotals
from shadow.ledger.reading import Reader
from shadow.ledger.refolding import STATE
from shadow.loops.calibrating import Floor
from shadow.loops.evaluator import QUIET
from shadow.records import BASELINE
from shadow.settings import Settings
from shadow.stats import ArmState, FoldSpec, PairState, fold_calls
from shadow.stats.aa import HourOf
from shadow.verdict.calibrated import with_calibration
from shadow.verdict.calibration import Calibration
from shadow.verdict.decide import decide
from shadow.verdict.evidence import Context, Evidence, parts_of
from shadow.verdict.result import Verdict

State = PairState | ArmState


class Sum(NamedTuple):
    """What is compared: an hour of one subject and segment, over all partitions."""

    kind: str
    epoch: int
    subject: str
    segment: str
    weight_exponent: int
    hour: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount:
    """The result: `differences` are sentences, empty when everything agrees."""

    outcomes: int
    sums: int
    verdicts: int
    swept: int
    differences: tuple[str, ...]


def recount(reader: Reader, settings: Settings, spec: FoldSpec) -> Recount:
    """Counts records and outcomes again, folds the outcomes again, decides again, and compares. Reads one snapshot."""
    raw = reader.raw_counts()
    totals = reader.arm_totals()
    outcomes = sum(t.outcomes for t in raw.arms.values())
    if raw.swept:
        return Recount(outcomes=outcomes, sums=0, verdicts=0, swept=raw.swept, differences=())
    differences = list(_counts_differ(reader.dispositions(), raw.dispositions, totals, raw.arms))
    stored_spec = reader.get_state(STATE)
    if stored_spec is not None and stored_spec.decode() != spec.key:
        differences.append(
            "the paired states were counted for another policy; run `shadow run` once with this configuration"
        )
        return Recount(outcomes=outcomes, sums=0, verdicts=0, swept=0, differences=tuple(differences))
    stored = _add_up((key, _decode(key, data)) for key, data in reader.all_aggregates())
    again = _add_up(iter(fold_calls(reader.outcomes(), spec).items()))
    for place in sorted({*stored, *again}):
        mine, theirs = again.get(place), stored.get(place)
        if mine is None or theirs is None or mine.to_bytes() != theirs.to_bytes():
            differences.append(
                f"{place.kind} {place.subject} (epoch {place.epoch}, {place.segment}, hour {place.hour}): "
                f"{'no outcomes for a stored state' if mine is None else 'not stored' if theirs is None else 'differs'}"
            )
    verdicts = 0
    for candidate in settings.candidates:
        for epoch in reader.epochs(candidate.name):
            verdicts += 1
            one, other = (_decided(s, settings, spec, epoch.id, candidate.name) for s in (stored, again))
            if one != other:
                differences.append(f"the verdict on {candidate.name} in epoch {epoch.id} differs")
    return Recount(outcomes=outcomes, sums=len(again), verdicts=verdicts, swept=0, differences=tuple(differences))


def _decided(
    sums: dict[Sum, State], settings: Settings, spec: FoldSpec, epoch: int, candidate: str
) -> tuple[Verdict, Calibration | None]:
    """The verdict and its calibration: a function of the sums and the policy alone."""
    floor = Floor(
        (
            (HourOf(place.segment, place.hour, place.weight_exponent), state)
            for place, state in sums.items()
            if isinstance(state, ArmState) and (place.kind, place.epoch, place.subject) == ("arm", 0, BASELINE)
        ),
        settings,
        spec,
    )
    calibration, pairs = floor.under(settings.policy, _pairs(sums, epoch, candidate))
    context = with_calibration(Context(candidate=candidate), settings.policy, calibration)
    evidence = Evidence(pairs=pairs.get("all", {}), parts=parts_of(settings.policy, pairs))
    return decide(settings.policy, evidence, context), calibration


def _counts_differ(
    stored: dict[str, int], raw: dict[str, int], totals: dict[str, ArmTotals], arms: dict[str, ArmTotals]
) -> Iterator[str]:
    for name in sorted({*stored, *raw} - QUIET):
        if stored.get(name, 0) != raw.get(name, 0):
            yield f"disposition {name}: {stored.get(name, 0)} counted, {raw.get(name, 0)} records"
    for arm in sorted({*totals, *arms}):
        if totals.get(arm) != arms.get(arm):
            yield f"arm {arm}: {totals.get(arm)} counted, {arms.get(arm)} in the outcomes"


def _decode(key: AggregateKey, data: bytes) -> State:
    return ArmState.from_bytes(data) if key.kind == "arm" else PairState.from_bytes(data)


def _add_up(states: Iterator[tuple[AggregateKey, State]]) -> dict[Sum, State]:
    """Minutes and partitions into hours: a roll-up may have happened or not, the sums are the same."""
    sums: dict[Sum, State] = {}
    for key, state in states:
        place = Sum(key.kind, key.epoch, key.subject, key.segment, key.weight_exponent, key.minute // 60)
        match sums.setdefault(place, state), state:
            case known, new if known is new:
                pass
            case PairState() as known, PairState() as new:
                known.absorb(new)
            case ArmState() as known, ArmState() as new:
                known.absorb(new)
    return sums


def _pairs(sums: dict[Sum, State], epoch: int, candidate: str) -> dict[str, dict[int, PairState]]:
    """A candidate's pairs by segment and weight exponent, over all hours."""
    found: dict[str, dict[int, PairState]] = defaultdict(dict)
    for place, state in sums.items():
        if isinstance(state, PairState) and (place.kind, place.epoch, place.subject) == ("pair", epoch, candidate):
            known = found[place.segment].get(place.weight_exponent)
            found[place.segment][place.weight_exponent] = state if known is None else known.merge(state)
    return dict(found)
