"""Traffic with routes as the ledger holds it: a candidate, and the incumbent asked again, both compared with the incumbent."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from builders import some_settings

from shadow.ledger.base import OutcomeRow
from shadow.loops.calibrating import Floor
from shadow.settings import Gate, Policy
from shadow.stats import ArmState, FoldSpec, PairState
from shadow.stats.aa import HourOf
from shadow.stats.fold import Folded, fold_calls
from shadow.verdict.calibrated import with_calibration
from shadow.verdict.calibration import Calibration
from shadow.verdict.decide import decide
from shadow.verdict.evidence import Context, Evidence
from shadow.verdict.result import Crossing, Verdict

HOUR_MS = 3_600_000
POLICY = Policy(
    quality="agreement",
    violation=[],
    min_duration=0.0,
    gates=[
        Gate(id="failure", metric="failure", kind="risk_difference", margin=0.05),
        Gate(id="quality", metric="score", kind="mean_drop", margin=0.08),
        Gate(id="tail", metric="score<0.3", kind="risk_difference", margin=0.05),
    ],
)
SPEC = FoldSpec.from_policy(POLICY, {"agreement": "comparative"})

Draw = Callable[[Random], float]


def same(rng: Random) -> float:
    """An answer that is nearly always the same."""
    return 1.0 if rng.random() < 0.97 else 0.9


def close(rng: Random) -> float:
    """Another wording of the same, flagged now and then."""
    return rng.uniform(0.1, 0.45) if rng.random() < 0.05 else rng.uniform(0.8, 1.0)


def other(rng: Random) -> float:
    """Something else each time: half of the answers are flagged."""
    return rng.uniform(0.1, 0.45) if rng.random() < 0.5 else rng.uniform(0.5, 0.8)


def wholly_other(rng: Random) -> float:
    """What a comparative scorer says of another model on an open-ended question: nearly everything is flagged."""
    return rng.uniform(0.0, 0.45) if rng.random() < 0.9 else rng.uniform(0.5, 0.7)


def broken(rng: Random) -> float:
    """Close, and wrong in every fourth answer."""
    return rng.uniform(0.0, 0.2) if rng.random() < 0.25 else close(rng)


def rows_of(
    offset: int,
    route: str | None,
    scores: tuple[float | None, float | None],
    *,
    per_hour: int = 100,
    weight_exponent: int = 0,
) -> list[OutcomeRow]:
    """One call: scores of (candidate, incumbent asked again); None leaves that arm out."""
    segments = ("length=short", *((f"route={route}",) if route else ()))
    values: dict[str, Any] = {
        "topic": "t", "partition": 0, "offset": offset, "call": 0, "id": f"r{offset}",
        "ts_unix_ms": offset * HOUR_MS // per_hour, "session": None, "user_key": None, "route": route, "tags": {},
        "segment": segments[0], "segments": segments, "weight_exponent": weight_exponent, "probability": 1.0,
        "counted": True, "status": 200, "failure": None, "spell": None, "truncated": False, "retries": 0,
        "latency_seconds": 0.5, "queue_seconds": None, "ttft_seconds": None, "ttft_answer_seconds": None,
        "tpot_seconds": None, "client_saturated": False, "limited_by_us": False, "comparable": True, "input_tokens": 9,
        "cached_input_tokens": None, "output_tokens": 9, "reasoning_tokens": None, "cost_usd": None, "labels": {},
        "reasons": {}, "findings": [],
    }  # fmt: skip
    rows = [OutcomeRow(**values, arm="incumbent", role="incumbent", epoch=None, scores={})]
    for score, arm, role, epoch in ((scores[1], "baseline", "baseline", None), (scores[0], "cand", "candidate", 1)):
        if score is not None:
            rows.append(OutcomeRow(**values, arm=arm, role=role, epoch=epoch, scores={"agreement": score}))
    return rows


def traffic(
    n: int, routes: dict[str | None, tuple[Draw, Draw]], *, seed: int, first: int = 0, per_hour: int = 100
) -> Iterator[list[OutcomeRow]]:
    """n calls over the routes in turn at random; each route draws (candidate's score, incumbent's own score)."""
    rng, names = Random(seed), list(routes)
    for offset in range(first, first + n):
        name = rng.choice(names)
        candidate, again = routes[name]
        yield rows_of(offset, name, (candidate(rng), again(rng)), per_hour=per_hour)


class Ledger:
    """Sums as the ledger adds them up, and looks as the monitor takes them: crossings latched."""

    def __init__(self, policy: Policy = POLICY, **sections: Any) -> None:
        sections.setdefault("baseline", {"url": "http://127.0.0.1:1/v1", "model": "prod"})
        self.policy, self.settings = policy, some_settings(**sections)
        self.pairs: dict[str, dict[int, PairState]] = {}
        self.arms: list[tuple[HourOf, ArmState]] = []
        self.latched: dict[str, Crossing] = {}

    def add(self, calls: Iterator[list[OutcomeRow]] | list[list[OutcomeRow]]) -> None:
        """Folds calls and adds the sums."""
        folded: Folded = fold_calls((row for rows in calls for row in rows), SPEC)
        for key, state in folded.items():
            if isinstance(state, ArmState):
                if key.subject == "baseline":
                    self.arms.append((HourOf(key.segment, key.minute // 60, key.weight_exponent), state))
            elif key.kind == "pair":
                of = self.pairs.setdefault(key.segment, {})
                of.setdefault(key.weight_exponent, PairState(SPEC.key)).absorb(state)

    def look(self, context: Context | None = None) -> tuple[Verdict, Calibration]:
        """The verdict and its calibration."""
        calibration, pairs = Floor(self.arms, self.settings, SPEC).under(self.policy, self.pairs)
        assert calibration is not None
        circumstances = with_calibration(context or Context(candidate="cand"), self.policy, calibration)
        verdict = decide(self.policy, Evidence(pairs=pairs.get("all", {}), latched=self.latched), circumstances)
        self.latched.update({crossing.key: crossing for crossing in verdict.crossings})
        return verdict, calibration

    def naive(self) -> Verdict:
        """What a gate would say that takes every difference from the incumbent for harm on every route."""
        return decide(self.policy, Evidence(pairs=self.pairs.get("all", {})), Context(candidate="cand"))


def kinds(calibration: Calibration) -> dict[str, str]:
    """Class by route."""
    return {route.route: route.kind for route in calibration.routes}
