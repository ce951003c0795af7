"""A verdict as JSON for machines: one object, the same for a ledger and for a file of pairs."""

import json
import math
from collections.abc import Mapping
from typing import Any

from shadow.verdict.calibrated import as_object
from shadow.verdict.calibration import Calibration
from shadow.verdict.result import GateResult, Verdict


def look_line(verdict: Verdict) -> dict[str, Any]:
    """One look: how much, which word, and every gate's state and evidence."""
    gates = [
        {"id": g.id, "state": g.state, "log_e_ok": g.log_evalue_ok, "log_e_bad": g.log_evalue_bad}
        for g in verdict.gates
    ]
    return {"n": verdict.n, "verdict": verdict.word, "gates": gates}


def last_line(
    verdict: Verdict, first: Mapping[str, Any] | None, calibration: Calibration | None = None
) -> dict[str, Any]:
    """The verdict whole. `first` is {"n", "verdict"} of the first look that was not hold, None when there was none;
    `calibration` adds what a comparative quality was measured against."""
    line: dict[str, Any] = {
        "n": verdict.n,
        "verdict": verdict.word,
        "candidate": verdict.candidate,
        "hold": list(dict.fromkeys(hold.reason for hold in verdict.holds)),
        "first": first,
        "sentence": verdict.sentence,
        "gates": [_gate(gate) for gate in verdict.gates],
    }
    if verdict.utility:
        line["utility"] = {
            "kind": verdict.utility_kind,
            "lower": verdict.utility_lower,
            "point": verdict.utility_point,
            "upper": verdict.utility_upper,
            "terms": {t.name: [t.lower, t.point, t.upper] for t in verdict.utility},
        }
    if calibration is not None:
        line["calibration"] = as_object(calibration)
    return line


def as_json(value: Mapping[str, Any]) -> str:
    """One line of ASCII. Infinite bounds are unknown in JSON: null."""
    return json.dumps(_finite(value), ensure_ascii=True, allow_nan=False)


def _gate(gate: GateResult) -> dict[str, Any]:
    return {
        "id": gate.id,
        "state": gate.state,
        "lower": gate.lower,
        "point": gate.point,
        "upper": gate.upper,
        "limit": gate.limit,
        "n": gate.n,
        "records_to_go": gate.records_to_go,
        "proven_at_n": gate.proven_at_n,
        "violated_at_n": gate.violated_at_n,
    }


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
