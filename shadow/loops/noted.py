"""What the ledger keeps beside the evidence, read back: arms, first crossings, verdict changes, scorers that drifted."""

import msgspec

from shadow.ledger.base import EpochRow
from shadow.ledger.reading import Reader
from shadow.loops.probing import DRIFT_NOTE
from shadow.records import ArmState
from shadow.verdict.drifted import Drift
from shadow.verdict.result import Crossing


class Reported(msgspec.Struct, frozen=True):
    """What a worker last said of one arm; kept in the ledger, so that a command knows whether an arm is up."""

    state: ArmState
    up_seconds: float
    observed_seconds: float
    at_unix_ms: int
    reason: str | None = None

    @property
    def availability(self) -> float | None:
        """Share of the observed time that the arm was up."""
        return self.up_seconds / self.observed_seconds if self.observed_seconds > 0 else None


def reports(ledger: Reader) -> dict[str, Reported]:
    """What workers last said of every arm, added up over workers."""
    data = ledger.get_state("arms")
    return {} if data is None else msgspec.msgpack.decode(data, type=dict[str, Reported])


def crossings(ledger: Reader, candidate: str, epoch: int) -> dict[str, tuple[Crossing, int]]:
    """The stored first crossings of a candidate's evidence in one epoch, each with when it was stored (unix ms)."""
    return {
        key: (msgspec.convert(value, Crossing), at)
        for _, key, value, at in ledger.notes("crossing", f"{candidate}/{epoch}")
    }


def scorer_drifts(ledger: Reader, epoch: EpochRow | None) -> list[Drift]:
    """The scorers of an epoch that no longer say of known cases what they said, as the epoch describes them."""
    described = {} if epoch is None else epoch.description.get("scorers", {})
    return [
        Drift(
            scorer=label,
            proven_unix_ms=at,
            since_unix_ms=fact.get("since_unix_ms"),
            deviation=fact.get("deviation"),
            tolerated=fact.get("tolerated"),
        )
        for label, scorer, fact, at in ledger.notes(DRIFT_NOTE)
        if described.get(label) == scorer
    ]


def verdict_history(ledger: Reader, candidate: str, epoch: int) -> tuple[tuple[int, str, int], ...]:
    """(unix ms, word, n) of every change of the verdict in one epoch, oldest first."""
    return tuple(
        (at, str(value["word"]), int(value["n"])) for _, _, value, at in ledger.notes("verdict", f"{candidate}/{epoch}")
    )
