"""The fold in its plainest form, slow and short: what `shadow.stats.fold` has to equal bit for bit, however it hurries."""

from collections.abc import Sequence
from hashlib import blake2b

from shadow.ledger.base import AggregateKey, OutcomeRow
from shadow.stats.arms import ArmState
from shadow.stats.fold import OVERALL, _latency, _outside_evidence, _score, _violates
from shadow.stats.grid import D_BINS, SCORE_BINS, log_bin, rounded_bin, signed_bin
from shadow.stats.spec import FoldSpec, slow_table, tail_table
from shadow.stats.state import MICRO, NANO, PairState


def folded(calls: Sequence[Sequence[OutcomeRow]], spec: FoldSpec) -> dict[AggregateKey, bytes]:
    """Every call into every segment, one after the other."""
    states: dict[AggregateKey, PairState | ArmState] = {}
    for rows in calls:
        incumbent = next((r for r in rows if r.role == "incumbent"), None)
        baseline = next((r for r in rows if r.role == "baseline"), None)
        usable = baseline if baseline is not None and not _outside_evidence(baseline) else None
        for row in rows:
            for key in _keys("arm", row.epoch or 0, row):
                _add_arm(states.setdefault(key, ArmState()), row)
            if incumbent is None or not incumbent.counted or _outside_evidence(incumbent):
                continue
            if row.role == "incumbent" or not row.counted or _outside_evidence(row):
                continue
            floor = row.role == "baseline"
            for key in _keys("floor" if floor else "pair", 0 if floor else row.epoch or 0, row):
                state = states.setdefault(key, PairState(spec.key))
                _add_pair(state, row, incumbent, None if floor else usable, spec, floor)
    return {key: state.to_bytes() for key, state in states.items()}


def uniforms(key: str) -> tuple[float, ...]:
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=24, person=b"shadow-rounding").digest()
    return tuple((int.from_bytes(digest[i : i + 8], "big") >> 11) * 2.0**-53 for i in (0, 8, 16))


def _keys(kind, epoch, row):
    minute = 0 if row.ts_unix_ms is None else row.ts_unix_ms // 60_000
    return [
        AggregateKey(kind, epoch, row.arm, segment, minute, row.weight_exponent)
        for segment in dict.fromkeys((OVERALL, *row.segments))
    ]


def _count(histogram, index):
    histogram[index] = histogram.get(index, 0) + 1


def _identity(row):
    return f"{row.topic}/{row.partition}/{row.offset}/{row.call}"


def _add_arm(state, row):
    count = state.counters
    state.outcomes += 1
    if row.failure is not None:
        _count(state.failures, row.failure)
    for name in ("input_tokens", "output_tokens"):
        tokens = getattr(row, name)
        if tokens is not None:
            _count(state.sizes[name], tokens.bit_length())
    for name in ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens"):
        count[name] += getattr(row, name) or 0
    count["tokens_unknown"] += row.output_tokens is None
    count["cost_unknown"] += row.cost_usd is None
    count["cost_known"] += row.cost_usd is not None
    count["cost_nano_usd"] += round((row.cost_usd or 0.0) * NANO)
    for name in ("truncated", "retries", "client_saturated"):
        count[name] += getattr(row, name)
    count["spells"] += row.spell == "first"
    if not row.client_saturated and row.failure is None:
        for name in ("latency", "ttft", "ttft_answer", "tpot", "queue"):
            seconds = getattr(row, f"{name}_seconds")
            if seconds is not None:
                _count(state.durations[name], log_bin(seconds))
    for scorer, value in row.scores.items():
        if value is not None:
            u = uniforms(f"{_identity(row)}/{row.arm}/{scorer}")[0]
            _count(state.scores.setdefault(scorer, {}), rounded_bin(value, SCORE_BINS, u))
    for scorer in {str(finding["scorer"]) for finding in row.findings if "scorer" in finding}:
        _count(state.findings, scorer)
    _stretch(state, row)


def _add_pair(state, row, incumbent, baseline, spec, floor):
    answered = incumbent.failure is None and incumbent.comparable
    unknown = []
    state.pairs += 1
    c = b = None
    if not answered:
        unknown.append("incumbent_failed" if incumbent.failure is not None else "not_comparable")
    elif not (floor and spec.quality_kind == "comparative"):
        c, b = _score(row, incumbent, baseline, spec, unknown)
    if c is not None and b is not None:
        u, v, w = uniforms(_identity(row))
        _count(state.difference, rounded_bin((c - b + 1.0) / 2.0, D_BINS, u))
        _count(state.score_candidate, rounded_bin(c, SCORE_BINS, v))
        _count(state.score_reference, rounded_bin(b, SCORE_BINS, w))
        state.score.add(round(c * MICRO), round(b * MICRO))
        for threshold in spec.tails:
            _binary(state, tail_table(threshold), c < threshold, b < threshold)
    violated = (None, None)
    if spec.violations:
        mine = False if row.failure is not None else _violates(row, incumbent if answered else None, spec)
        violated = (mine, _violates(incumbent, incumbent, spec) if answered else None)
        if mine is None or (answered and violated[1] is None):
            unknown.append("violation_unknown")
    _binary(state, "violation", *violated)
    failed = (
        row.failure is not None,
        True if incumbent.failure is not None else False if incumbent.comparable else None,
    )
    if floor and not row.asked:
        failed = (None, None)
    _binary(state, "failure", *failed)
    mine = _latency(row, unknown)
    if mine is not None:
        theirs = None if baseline is None else _latency(baseline, [])
        recorded = incumbent.latency_seconds if answered else None
        part = {
            (False, False): state.latency_alone, (True, False): state.latency_b,
            (False, True): state.latency_r, (True, True): state.latency_br,
        }[theirs is not None, recorded is not None]  # fmt: skip
        _count(part, log_bin(mine))
        if theirs is not None:
            _count(state.baseline, log_bin(theirs))
        if recorded is not None:
            _count(state.recorded, log_bin(recorded))
        for edge in spec.slow_seconds:
            _binary(state, slow_table(edge), mine > edge, None if theirs is None else theirs > edge)
    cost = (row.cost_usd, incumbent.cost_usd) if answered else (None, None)
    if answered and None in cost:
        unknown.append("cost_unknown")
    if None not in cost:
        state.cost.add(round(cost[0] * NANO), round(cost[1] * NANO))
    if answered and row.output_tokens is not None and incumbent.output_tokens is not None:
        state.tokens.add(row.output_tokens, incumbent.output_tokens)
    if spec.worth is not None:
        _add_worth(state, row, (c, b), violated, failed, cost, spec.worth)
    for reason in unknown:
        _count(state.unknown, reason)
    _stretch(state, row)


def _add_worth(state, row, score, violated, failed, cost, worth):
    if not worth.violation_usd:
        violated = (False, False)
    if cost[0] is None and failed[0]:
        cost = (cost[1], cost[1])
    if None in (*score, *violated, *cost):
        return
    if max(cost) > worth.max_cost_usd:
        _count(state.unknown, "beyond_max_cost")
        return
    c, b = (worth.answer(*values) for values in zip(score, violated, cost, strict=True))
    _count(state.worth_difference, signed_bin((c - b) / worth.range_usd, uniforms(_identity(row))[0]))
    state.worth.add(round(c * NANO), round(b * NANO))


def _binary(state, name, candidate, reference):
    if candidate is None:
        return
    cells = state.tables.setdefault(name, [0] * 6)
    if reference is None:
        cells[4 if candidate else 5] += 1
    else:
        cells[(0 if reference else 1) if candidate else (2 if reference else 3)] += 1


def _stretch(state, row):
    at = row.ts_unix_ms
    if at is not None:
        state.first_unix_ms = at if state.first_unix_ms is None else min(state.first_unix_ms, at)
        state.last_unix_ms = at if state.last_unix_ms is None else max(state.last_unix_ms, at)
