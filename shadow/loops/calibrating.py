"""The noise floor as the ledger holds it: a candidate's calibration, and its evidence on the routes that count."""

from collections.abc import Iterable, Mapping

from shadow.ledger.reading import Reader
from shadow.records import BASELINE
from shadow.settings import Policy, Settings
from shadow.stats import OVERALL, ArmState, FoldSpec, PairState
from shadow.stats.aa import HourOf, aa_scores, wanted
from shadow.verdict.calibration import Calibration, RouteAnswers, Source, answers_of, calibrate, evidence_of

BySegment = Mapping[str, dict[int, PairState]]
"""Cumulative pairs by segment and weight exponent."""

_HOUR_MS = 3_600_000
_HOUR_MINUTES = 60


class Floor:
    """The baseline arm's states of one look, read once for all candidates."""

    def __init__(self, states: Iterable[tuple[HourOf, ArmState]], settings: Settings, spec: FoldSpec) -> None:
        self._states = list(states)
        self._source: Source = "duplicates" if settings.duplicates.enabled else "baseline"
        self._configured = settings.baseline is not None or settings.duplicates.enabled
        self._spec = spec
        self._answers: dict[int | None, dict[str, RouteAnswers]] = {}

    @classmethod
    def read(cls, ledger: Reader, settings: Settings, spec: FoldSpec) -> "Floor":
        """From the ledger; reads nothing for a quality that is not comparative."""
        if spec.quality_kind != "comparative":
            return cls((), settings, spec)
        found = (
            (HourOf(key.segment, key.minute // _HOUR_MINUTES, key.weight_exponent), ArmState.from_bytes(data))
            for key, data in ledger.aggregates("arm", 0, BASELINE)
            if wanted(key.segment)
        )
        return cls(found, settings, spec)

    def under(self, policy: Policy, pairs: BySegment) -> tuple[Calibration | None, BySegment]:
        """(calibration, the pairs that count) of one candidate in one epoch.

        None, and all pairs, where the quality is not comparative, or nobody gives second answers: it is uncalibrated then.
        The A/A scores are those since the epoch's first hour: another incumbent, or another scorer, has another floor.
        """
        if self._spec.quality_kind != "comparative" or not (self._configured or self._states):
            return None, pairs
        first = min(
            (s.first_unix_ms for s in pairs.get(OVERALL, {}).values() if s.first_unix_ms is not None), default=None
        )
        since = None if first is None else first // _HOUR_MS
        if since not in self._answers:
            self._answers[since] = answers_of(aa_scores(self._states, policy.quality, since_hour=since))
        calibration = calibrate(policy, self._answers[since], pairs, self._source)
        return calibration, evidence_of(pairs, calibration)
