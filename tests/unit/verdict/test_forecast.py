"""Planning before any evidence."""

import math

import pytest

from shadow.settings import Gate, Policy
from shadow.verdict.forecast import Assumptions, forecast


def test_the_default_policy_is_planned_gate_by_gate() -> None:
    planned = forecast(Policy(), Assumptions(p95_seconds=1.5), shares={"p95": 0.0625})

    assert set(planned) == {gate.id for gate in Policy().gates}
    assert 3000 < planned["safety"] < 20_000
    assert 50 < planned["quality"] < 500
    assert 100 < planned["slo"] < 2000
    assert planned["p95"] > 16 * 200


def test_a_tighter_margin_needs_more_and_a_rate_beyond_its_limit_never_ends() -> None:
    def need(margin: float) -> float:
        gate = Gate(id="g", metric="failure", kind="risk_difference", margin=margin)
        return forecast(Policy(gates=[gate]))["g"]

    assert need(0.005) > need(0.01) > need(0.05)
    rate = Gate(id="g", metric="failure", kind="rate", max=0.005)
    assert forecast(Policy(gates=[rate]))["g"] == math.inf
    assert forecast(Policy(gates=[rate]), Assumptions(failure_rate=0.0))["g"] == pytest.approx(733, rel=0.05)


def test_what_cannot_be_planned_is_infinite() -> None:
    gates = [
        Gate(id="s", metric="latency", kind="quantile", q=0.95, max_seconds=2),
        Gate(id="x", metric="?", kind="rate", max=0.1),
    ]

    assert set(forecast(Policy(gates=gates)).values()) == {math.inf}
    assert forecast(Policy(gates=gates), Assumptions(p95_seconds=3.0))["s"] == math.inf
