"""Snapshots and committed batches as a busy, realistic monitor would publish them; every field can be replaced."""

from dataclasses import replace
from typing import Any

from shadow.exporters.base import ArmView, CandidateView, PartitionView, Quantiles, Snapshot
from shadow.ledger.base import OutcomeRow, PrefixBatch, RecordRow
from shadow.settings import Settings
from shadow.stats.cvar import TailMean
from shadow.verdict.calibration import Calibration, Excess, Rate, RouteFloor
from shadow.verdict.result import GateResult, Hold, UtilityTerm, Verdict
from shadow.verdict.segments import SegmentResult
from shadow.verdict.trail import GateTrail, TrailPoint

NOW_MS = 1_795_600_000_000
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


def a_settings(*names: str, **sections: Any) -> Settings:
    """Settings with these candidates, or three of them."""
    backend = {"kind": "openai", "url": "http://127.0.0.1:8001/v1", "model": "model"}
    candidates = [{"name": n, "backend": backend} for n in (names or ("qwen3-8b-fp8", "qwen3-4b", "llama-8b-int4"))]
    baseline = {"url": "http://127.0.0.1:8000/v1", "model": "prod"}
    return Settings.model_validate({"candidates": candidates, "baseline": baseline, **sections})


def _gate(
    id_: str, kind: str, metric: str, limit: float, bounds: tuple[float, float, float] | None, **more: Any
) -> GateResult:
    lower, point, upper = bounds or (None, None, None)
    defaults: dict[str, Any] = {"state": "undecided", "hard": id_.startswith("safety"), "n": 4_812}
    return GateResult(
        id=id_, kind=kind, metric=metric, limit=limit, lower=lower, point=point, upper=upper, **(defaults | more)
    )


def proven_gates() -> tuple[GateResult, ...]:
    """The default policy, every gate proven."""
    p: dict[str, Any] = {"state": "proven", "proven_at_n": 3_104, "log_evalue_ok": 4.2, "log_evalue_bad": -6.1}
    return (
        _gate("safety", "risk_difference", "violation", 0.005, (-0.0011, 0.0004, 0.0031), **p),
        _gate("safety_abs", "rate", "violation", 0.02, (0.0009, 0.0021, 0.0048), **p),
        _gate("failure", "risk_difference", "failure", 0.01, (-0.0042, -0.0013, 0.0012), **p),
        _gate("quality", "mean_drop", "score", 0.08, (-0.012, 0.011, 0.034), floor=0.018, **p),
        _gate("tail", "risk_difference", "score<0.3", 0.03, (-0.004, 0.006, 0.017), floor=0.004, **p),
        _gate("p95", "quantile_ratio", "latency", 1.3, (0.61, 0.66, 0.72), **p),
        _gate("slo", "quantile", "latency", 2.0, (1.04, 1.09, 1.15), **p),
    )


def rejected_gates() -> tuple[GateResult, ...]:
    """Good on average, bad in the tail and in safety."""
    v: dict[str, Any] = {"state": "violated", "violated_at_n": 1_260, "log_evalue_ok": -5.0, "log_evalue_bad": 5.9}
    safety, absolute, failure, quality, tail, p95, slo = proven_gates()
    return (
        replace(safety, lower=0.0081, point=0.0142, upper=0.0209, proven_at_n=None, **v),
        replace(
            absolute, lower=0.011, point=0.016, upper=0.0219, state="undecided", proven_at_n=None, records_to_go=2_400
        ),
        replace(
            failure, state="undecided", lower=-0.004, point=0.003, upper=0.0124, proven_at_n=None, records_to_go=900
        ),
        replace(quality, lower=0.006, point=0.028, upper=0.051),
        replace(tail, lower=0.034, point=0.049, upper=0.066, proven_at_n=None, **v),
        replace(p95, lower=0.31, point=0.34, upper=0.38),
        replace(slo, lower=0.44, point=0.48, upper=0.53),
    )


def young_gates() -> tuple[GateResult, ...]:
    """Little evidence, a quality gate without a floor, a latency ratio without a baseline."""
    u: dict[str, Any] = {"state": "undecided", "n": 212}
    return (
        _gate("safety", "risk_difference", "violation", 0.005, (-0.021, 0.0, 0.026), records_to_go=1_340, **u),
        _gate("safety_abs", "rate", "violation", 0.02, (0.0, 0.0, 0.034), records_to_go=190, **u),
        _gate("failure", "risk_difference", "failure", 0.01, (-0.018, 0.005, 0.031), records_to_go=2_900, **u),
        _gate(
            "quality",
            "mean_drop",
            "score",
            0.08,
            (-0.03, 0.04, 0.12),
            state="uncalibrated",
            n=212,
            reason="no baseline answers yet",
        ),
        _gate("tail", "risk_difference", "score<0.3", 0.03, (-0.03, 0.014, 0.071), records_to_go=700, **u),
        _gate(
            "p95",
            "quantile_ratio",
            "latency",
            1.3,
            None,
            state="not_evaluable",
            n=0,
            reason="the baseline arm has no latency",
        ),
        _gate("slo", "quantile", "latency", 2.0, (1.1, 1.9, 3.4), records_to_go=410, **u),
    )


def a_verdict(candidate: str = "qwen3-8b-fp8", word: str = "promote", **changes: Any) -> Verdict:
    """A verdict; by default a promotion."""
    fields: dict[str, Any] = {
        "candidate": candidate,
        "word": word,
        "n": 4_812,
        "sentence": "Promote: every gate is proven within its margin, and it is better in sum.",
        "effective_n": 4_630.0,
        "gates": proven_gates(),
    }
    return Verdict(**(fields | changes))


def some_segments() -> tuple[SegmentResult, ...]:
    """Worse on one route, not worse on another, too little of a third."""
    safety, _, failure, quality, *_ = rejected_gates()
    return (
        SegmentResult(segment="route=claims", n=610, state="worse", gate=safety, log_evalue=9.2, alarm=True),
        SegmentResult(segment="route=support", n=3_870, state="not_worse", gate=quality, log_evalue=-4.1, alarm=False),
        SegmentResult(segment="route=search", n=41, state="insufficient", gate=failure, log_evalue=0.3, alarm=False),
    )


def a_trail(gate: GateResult, count: int = 12) -> GateTrail:
    """A gate's interval as it narrows to what the gate shows now."""
    points = []
    evident = gate.kind != "quantile_ratio"  # which is decided by its interval
    for i in range(1, count + 1):
        wider = (count / i) ** 0.5

        def end(value: float | None, middle: float | None, wider: float = wider) -> float | None:
            return None if value is None or middle is None else middle + (value - middle) * wider

        points.append(
            TrailPoint(
                at_unix_ms=NOW_MS - (count - i) * HOUR_MS,
                n=gate.n * i // count,
                lower=end(gate.lower, gate.point),
                point=gate.point,
                upper=end(gate.upper, gate.point),
                log_evalue_ok=None if gate.log_evalue_ok is None or not evident else gate.log_evalue_ok * i / count,
                log_evalue_bad=None if gate.log_evalue_bad is None or not evident else gate.log_evalue_bad * i / count,
            )
        )
    return GateTrail(
        gate=gate.id, kind=gate.kind, metric=gate.metric, q=0.95 if gate.kind.startswith("quantile") else None,
        limit=gate.limit, floor=gate.floor, ok_at=3.0, bad_at=5.08, points=tuple(points),
    )  # fmt: skip


def a_calibration(**changes: Any) -> Calibration:
    """A floor over two routes that count and two that do not."""

    def route(name: str, kind: Any, answers: int, flagged: float | None, **more: Any) -> RouteFloor:
        exact = None if flagged is None else 0.97 if kind == "deterministic" else 0.2
        known: dict[str, Any] = {"stated": False, "exact": exact, "low_score": 0.34, "pairs": answers}
        return RouteFloor(route=name, kind=kind, answers=answers, flagged=flagged, **(known | more))

    def excess(candidate: float, incumbent: float) -> Excess:
        point = candidate - incumbent
        rates = (Rate(lower=p - 0.02, point=p, upper=p + 0.02) for p in (candidate, incumbent, point))
        return Excess(pairs=1_480, **dict(zip(("candidate", "incumbent", "excess"), rates, strict=True)))

    fields: dict[str, Any] = {
        "scorer": "agreement",
        "source": "baseline",
        "routes": (
            route("sql", "deterministic", 640, 0.006),
            route("support", "normal", 840, 0.071),
            route("stories", "open_ended", 402, 0.46),
            route("", "unknown", 12, None, low_score=None),
        ),
        "low": excess(0.027, 0.019),
        "flags": excess(0.121, 0.043),
    }
    return Calibration(**(fields | changes))


def some_candidates() -> tuple[CandidateView, ...]:
    """One that may be promoted, one rejected, one that has just begun."""
    promoted = a_verdict(
        utility=(
            UtilityTerm(name="quality", lower=-0.041, point=-0.013, upper=0.014),
            UtilityTerm(name="cost", lower=0.104, point=0.112, upper=0.121),
            UtilityTerm(name="robustness", lower=-0.01, point=0.021, upper=0.06),
        ),
        utility_lower=0.053,
        utility_point=0.12,
        utility_upper=0.195,
    )
    rejected = a_verdict(
        "qwen3-4b",
        "reject",
        sentence="Reject: it complied with 1.4 % more requests that the incumbent refused (limit 0.5 %), whatever the mean says.",
        gates=rejected_gates(),
        n=4_790,
    )
    young = a_verdict(
        "llama-8b-int4",
        "hold",
        n=212,
        effective_n=198.0,
        sentence="Keep collecting: gate failure needs about 2,900 more records.",
        gates=young_gates(),
        holds=(
            Hold(reason="undecided", gate="failure", detail="about 2,900 more records until failure can be decided"),
            Hold(
                reason="uncalibrated",
                gate="quality",
                detail="no baseline answers yet, so change cannot be told from noise",
            ),
            Hold(reason="not_evaluable", gate="p95", detail="the baseline arm has no latency to compare with"),
            Hold(reason="too_early", detail="24 h of traffic are asked for, 3 h 12 min are there"),
        ),
    )
    started = NOW_MS - 52 * HOUR_MS
    return (
        CandidateView(
            verdict=promoted,
            epoch=3,
            epoch_started_unix_ms=started,
            since_unix_ms=NOW_MS - 4 * HOUR_MS,
            history=((started, "hold", 0), (NOW_MS - 4 * HOUR_MS, "promote", 4_310)),
            calibration=a_calibration(),
        ),
        CandidateView(
            verdict=rejected,
            epoch=4,
            epoch_started_unix_ms=started,
            since_unix_ms=NOW_MS - 31 * HOUR_MS,
            history=((started, "hold", 0), (NOW_MS - 31 * HOUR_MS, "reject", 1_260)),
            segments=(a_verdict("qwen3-4b", "hold"), a_verdict("qwen3-4b", "reject")),
            segment_results=some_segments(),
            tail=TailMean(share=0.05, n=4_790, lower=0.31, point=0.36, upper=0.44),
            tail_reference=TailMean(share=0.05, n=4_790, lower=0.49, point=0.53, upper=0.58),
            change_levels={"score": 0.21, "violation": 0.04, "failure": 0.01},
        ),
        CandidateView(
            verdict=young,
            epoch=5,
            epoch_started_unix_ms=NOW_MS - 192 * MINUTE_MS,
            since_unix_ms=NOW_MS - 192 * MINUTE_MS,
            history=((NOW_MS - 192 * MINUTE_MS, "hold", 0),),
        ),
    )


def some_arms() -> tuple[ArmView, ...]:
    """Incumbent, baseline and the three candidates; the last one is down."""
    return (
        ArmView(
            arm="incumbent",
            role="incumbent",
            state="up",
            availability=0.9997,
            outcomes=4_900,
            failures={"timeout": 9, "http_5xx": 12},
            latency=Quantiles(p50=0.71, p95=1.66, p99=2.91),
            ttft=Quantiles(p50=0.14, p95=0.41, p99=0.8),
            tpot=Quantiles(p50=0.011, p95=0.019, p99=0.031),
            input_tokens=2_101_400,
            output_tokens=812_300,
            cost_usd=13.61,
            cost_usd_per_1k=2.778,
            score_means={"relevance": 0.91, "refusal": 0.99},
            finding_counts={"leakage": 3, "refusal": 7},
        ),
        ArmView(
            arm="baseline",
            role="baseline",
            state="up",
            availability=1.0,
            outcomes=306,
            failures={"timeout": 1},
            latency=Quantiles(p50=0.7, p95=1.64, p99=2.8),
            ttft=Quantiles(p50=0.13, p95=0.4, p99=0.77),
            score_means={"agreement": 0.93, "relevance": 0.91},
            finding_counts={},
        ),
        ArmView(
            arm="qwen3-8b-fp8",
            role="candidate",
            state="up",
            availability=0.998,
            outcomes=4_812,
            failures={"timeout": 4, "incomplete": 2, "unavailable": 31},
            latency=Quantiles(p50=0.43, p95=1.09, p99=1.72),
            ttft=Quantiles(p50=0.06, p95=0.17, p99=0.33),
            tpot=Quantiles(p50=0.007, p95=0.012, p99=0.02),
            input_tokens=2_101_400,
            output_tokens=790_112,
            cost_usd=4.61,
            cost_usd_per_1k=0.958,
            cost_usd_per_1k_acceptable=0.972,
            score_means={"agreement": 0.91, "relevance": 0.9, "refusal": 0.99},
            finding_counts={"leakage": 4, "refusal": 6},
        ),
        ArmView(
            arm="qwen3-4b",
            role="candidate",
            state="up",
            availability=0.9992,
            outcomes=4_790,
            failures={"timeout": 21, "empty": 11},
            latency=Quantiles(p50=0.21, p95=0.48, p99=0.77),
            ttft=Quantiles(p50=0.04, p95=0.09, p99=0.15),
            tpot=Quantiles(p50=0.003, p95=0.006, p99=0.01),
            input_tokens=2_099_002,
            output_tokens=912_030,
            cost_usd=2.02,
            cost_usd_per_1k=0.421,
            score_means={"agreement": 0.9, "relevance": 0.88, "refusal": 0.95},
            finding_counts={"leakage": 5, "refusal": 71},
        ),
        ArmView(
            arm="llama-8b-int4",
            role="candidate",
            state="down",
            availability=0.871,
            outcomes=238,
            failures={"connection": 2, "out_of_memory": 1, "unavailable": 26},
            latency=Quantiles(p50=0.9, p95=1.9),
            score_means={"agreement": 0.88},
        ),
    )


def a_snapshot(**changes: Any) -> Snapshot:
    """The monitor an hour into the afternoon: three candidates, two partitions, one thing for a person to do."""
    fields: dict[str, Any] = {
        "at_unix_ms": NOW_MS,
        "version": "0.1.0",
        "role": "all",
        "leads": True,
        "incumbent": "prod-v1",
        "read": 61_204,
        "residual": 0,
        "dispositions": {
            "scored": 4_900,
            "not_sampled": 43_113,
            "other_turn": 9_930,
            "filtered": 2_870,
            "not_replayable": 384,
            "invalid": 7,
        },
        "partitions": (
            PartitionView(
                topic="llm.mirror",
                partition=0,
                first_offset=0,
                next_offset=30_510,
                end_offset=30_522,
                newest_unix_ms=NOW_MS - 9_000,
            ),
            PartitionView(
                topic="llm.mirror", partition=1, first_offset=0, next_offset=30_694, end_offset=30_694, gaps=3, lost=0
            ),
        ),
        "last_scored_unix_ms": NOW_MS - 4_000,
        "arms": some_arms(),
        "candidates": some_candidates(),
        "needs_person": ("llama-8b-int4 has been down for 14 min: connection refused at its configured address.",),
        "notes": ("The incumbent's system_fingerprint changed 52 h ago; a new epoch began.",),
    }
    return Snapshot(**(fields | changes))


def empty_snapshot(**changes: Any) -> Snapshot:
    """The first look of a monitor that has read nothing: everything is unknown, nothing is zero."""
    young = a_verdict(
        "cand-a",
        "hold",
        n=0,
        effective_n=None,
        gates=(),
        sentence="Nothing was read yet.",
        holds=(Hold(reason="undecided"),),
    )
    fields: dict[str, Any] = {
        "read": 0,
        "dispositions": {},
        "partitions": (),
        "last_scored_unix_ms": None,
        "arms": (
            ArmView(arm="incumbent", role="incumbent", state=None, availability=None),
            ArmView(arm="cand-a", role="candidate", state="warming", availability=None),
        ),
        "candidates": (CandidateView(verdict=young, epoch=1, epoch_started_unix_ms=NOW_MS, since_unix_ms=None),),
        "needs_person": (),
        "notes": (),
    }
    return a_snapshot(**(fields | changes))


def an_outcome(**changes: Any) -> OutcomeRow:
    """One answered, scored call of a candidate."""
    fields: dict[str, Any] = {
        "topic": "llm.mirror",
        "partition": 0,
        "offset": 7,
        "call": 0,
        "id": "req-7",
        "ts_unix_ms": NOW_MS - 1_500,
        "session": "s-1",
        "user_key": None,
        "route": "support",
        "tags": {},
        "segment": "support",
        "segments": ("support",),
        "weight_exponent": 0,
        "probability": 1.0,
        "counted": True,
        "epoch": 1,
        "arm": "qwen3-8b-fp8",
        "role": "candidate",
        "status": 200,
        "failure": None,
        "spell": None,
        "truncated": False,
        "retries": 0,
        "latency_seconds": 0.82,
        "queue_seconds": 0.004,
        "ttft_seconds": 0.09,
        "ttft_answer_seconds": 0.09,
        "tpot_seconds": 0.011,
        "client_saturated": False,
        "limited_by_us": False,
        "comparable": True,
        "input_tokens": 120,
        "cached_input_tokens": 64,
        "output_tokens": 80,
        "reasoning_tokens": None,
        "cost_usd": 0.0004,
        "scores": {"agreement": 0.93, "relevance": None},
        "labels": {"agreement": "same", "relevance": None},
        "reasons": {"agreement": "checks agree", "relevance": "no prompt"},
        "findings": [],
    }
    return OutcomeRow(**(fields | changes))


def a_batch(*outcomes: OutcomeRow, **changes: Any) -> PrefixBatch:
    """One committed batch with these outcomes."""
    record = RecordRow(offset=7, ids=("req-7",), disposition="scored", reason=None, ts_unix_ms=NOW_MS - 1_500)
    fields: dict[str, Any] = {
        "topic": "llm.mirror",
        "partition": 0,
        "expected_offset": 5,
        "next_offset": 8,
        "gaps": 0,
        "dispositions": {"scored": 1, "not_sampled": 2},
        "records": (record,),
        "outcomes": outcomes,
        "texts": (),
        "arm_totals": {},
        "aggregates": {},
        "last_ts_unix_ms": NOW_MS - 1_500,
    }
    return PrefixBatch(**(fields | changes))
