"""What a scrape returns: counted after commit, replaced at every look, bounded, and parsed alike by the client library."""

import shutil
import subprocess
from dataclasses import replace
from typing import Any

import pytest
from builders_snapshot import NOW_MS, a_batch, a_settings, a_snapshot, a_verdict, an_outcome, empty_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_classic

from shadow.exporters.base import PartitionView
from shadow.exporters.catalogue import METRICS, series_count
from shadow.exporters.catalogue import calls as of_calls
from shadow.exporters.catalogue import decision as of_decision
from shadow.exporters.catalogue import ledger as of_ledger
from shadow.exporters.catalogue import processes as of_processes
from shadow.exporters.prometheus import PrometheusExporter, process_registry
from shadow.exporters.runtime import RuntimeView
from shadow.exporters.snapshots import snapshot_values
from shadow.settings import Settings

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"


class Still:
    """A clock that stands still."""

    def monotonic_ns(self) -> int:
        return 0

    def wall_unix_ms(self) -> int:
        return NOW_MS


def an_exporter(settings: Settings | None = None) -> PrometheusExporter:
    return PrometheusExporter(
        settings or a_settings(), CollectorRegistry(), version="0.1.0", config_hash="abc", clock=Still()
    )


def samples(text: bytes, parse: Any = parse_classic) -> dict[tuple[Any, ...], float]:
    return {(s.name, *sorted(s.labels.items())): s.value for family in parse(text.decode()) for s in family.samples}


def a_full_exporter() -> PrometheusExporter:
    exporter = an_exporter()
    exporter.publish(a_snapshot())
    exporter.observe_committed(a_batch(an_outcome(), an_outcome(arm="incumbent", route=None)), commit_seconds=0.01)
    exporter.observe_scoring("agreement", seconds=0.4, cases=4, errors={"ValueError": 1})
    exporter.publish_runtime(
        RuntimeView(
            loop_lag_seconds={"replayer": 0.002},
            heartbeats_unix_ms={"evaluator": NOW_MS},
            restarts={"replayer": 1},
            window_calls=12,
            in_flight={"qwen3-4b": 3},
            dead_letters={"not_json": 2},
            errors={"scoring": 0},
            fenced=0,
            ledger_refusals=0,
        )
    )
    return exporter


def test_a_committed_outcome_is_counted_with_its_figures() -> None:
    exporter = an_exporter()
    exporter.observe_committed(a_batch(an_outcome(retries=2, truncated=True)), commit_seconds=0.02)

    read = exporter.board.read
    arm = "qwen3-8b-fp8"
    assert read(of_calls.REQUESTS, arm, "support", "ok") == 1
    assert read(of_calls.DURATION, arm, "support") == 1
    assert read(of_calls.TOKENS, arm, "support", "cached_input") == 64
    assert read(of_calls.COST, arm, "support") == pytest.approx(0.0004)
    assert read(of_calls.RETRIES, arm) == 2
    assert read(of_calls.TRUNCATED, arm, "support") == 1
    assert read(of_calls.SCORE, arm, "agreement") == 1
    assert read(of_calls.UNSCORED, arm, "relevance", "no_prompt") == 1
    assert read(of_calls.SCORE_LABELS, arm, "agreement", "same") == 1
    assert read(of_calls.RECORDS, "not_sampled") == 2
    assert read(of_calls.COMMIT_DURATION) == 1


def test_a_failed_call_has_an_outcome_and_no_latency() -> None:
    exporter = an_exporter()
    exporter.observe_committed(a_batch(an_outcome(failure="timeout", spell="first", latency_seconds=60.0)))

    assert exporter.board.read(of_calls.REQUESTS, "qwen3-8b-fp8", "support", "timeout") == 1
    assert exporter.board.read(of_calls.SPELLS, "qwen3-8b-fp8") == 1
    assert exporter.board.read(of_calls.DURATION, "qwen3-8b-fp8", "support") is None


def test_unknown_tokens_and_cost_add_nothing_and_are_counted_as_unknown() -> None:
    exporter = an_exporter()
    exporter.observe_committed(a_batch(an_outcome(output_tokens=None, cost_usd=None)))

    assert exporter.board.read(of_calls.TOKENS, "qwen3-8b-fp8", "support", "output") is None
    assert exporter.board.read(of_calls.COST, "qwen3-8b-fp8", "support") is None
    assert exporter.board.read(of_calls.COST_UNKNOWN, "qwen3-8b-fp8") == 1
    assert exporter.board.read(of_calls.USAGE_UNKNOWN, "qwen3-8b-fp8") == 1


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -1.0])
def test_an_impossible_latency_cannot_poison_a_sum(poison: float) -> None:
    exporter = an_exporter()
    exporter.observe_committed(a_batch(an_outcome(latency_seconds=poison)))

    assert exporter.board.read(of_calls.DURATION, "qwen3-8b-fp8", "support") is None


def test_the_fast_text_parses_like_the_client_librarys() -> None:
    exporter = a_full_exporter()
    registry = CollectorRegistry()
    registry.register(exporter.board)

    ours, _ = exporter.render()
    assert samples(ours) == samples(generate_latest(registry))


@settings(max_examples=60, deadline=None)
@given(route=st.text(max_size=80), value=st.floats(0, 1e6), cost=st.floats(0, 1e-6))
def test_any_route_and_any_figure_survive_both_formats(route: str, value: float, cost: float) -> None:
    exporter = an_exporter()
    exporter.observe_committed(a_batch(an_outcome(route=route, latency_seconds=value, cost_usd=cost)))
    registry = CollectorRegistry()
    registry.register(exporter.board)

    classic, _ = exporter.render()
    openmetrics, _ = exporter.render(OPENMETRICS)
    assert samples(classic) == samples(generate_latest(registry))
    assert samples(openmetrics, parse_openmetrics) == samples(classic)


def test_openmetrics_carries_the_trace_as_exemplar_and_classic_does_not() -> None:
    exporter = an_exporter()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    exporter.observe_committed(a_batch(an_outcome()), trace_ids={(7, 0): trace})

    text, content_type = exporter.render(OPENMETRICS)
    exemplars = [
        sample.exemplar.labels
        for family in parse_openmetrics(text.decode())
        for sample in family.samples
        if sample.exemplar
    ]
    assert content_type.startswith("application/openmetrics-text")
    assert exemplars == [{"trace_id": trace}] * 3
    assert trace not in exporter.render()[0].decode()


def test_series_of_a_vanished_candidate_are_removed() -> None:
    exporter = an_exporter()
    exporter.publish(a_snapshot())
    assert exporter.board.read(of_decision.VERDICT, "qwen3-4b", "reject") == 1

    exporter.publish(a_snapshot(candidates=a_snapshot().candidates[:1], arms=a_snapshot().arms[:3]))
    assert exporter.board.read(of_decision.VERDICT, "qwen3-4b", "reject") is None
    assert b"qwen3-4b" not in exporter.render()[0]


def test_only_the_leader_exports_verdicts_and_effects() -> None:
    exporter = an_exporter()
    exporter.publish(a_snapshot())
    exporter.publish(a_snapshot(leads=False))

    text = exporter.render()[0].decode()
    assert [m.name for m in METRICS if m.leader and f"\n{m.name}{{" in text] == []
    assert exporter.board.read(of_ledger.LEADER) == 0
    assert exporter.board.read(of_ledger.LEDGER_READ) == 61_204


def test_no_data_has_no_series() -> None:
    exporter = an_exporter()
    exporter.publish(empty_snapshot())

    text = exporter.render()[0].decode()
    for metric in (
        of_decision.EFFECT_RATIO,
        of_ledger.LAST_SCORED,
        of_ledger.AVAILABILITY,
        of_ledger.ARM_COST,
        of_ledger.ARM_LATENCY,
        of_decision.EFFECTIVE_PAIRS,
    ):
        assert metric.name not in text


def test_effects_are_split_by_unit_and_state_sets_have_one_1() -> None:
    exporter = an_exporter()
    exporter.publish(a_snapshot())

    read = exporter.board.read
    assert read(of_decision.EFFECT_SECONDS, "qwen3-8b-fp8", "slo", "upper") == 1.15
    assert read(of_decision.EFFECT_RATIO, "qwen3-8b-fp8", "p95", "upper") == 0.72
    assert read(of_decision.LIMIT_RATIO, "qwen3-8b-fp8", "quality") == 0.08
    assert read(of_decision.FLOOR_RATIO, "qwen3-8b-fp8", "quality") == 0.018
    states = [read(of_decision.GATE_STATE, "llama-8b-int4", "p95", state) for state in of_decision.GATE_STATE.states]
    assert states.count(1.0) == 1
    assert states.count(0.0) == len(states) - 1
    assert read(of_decision.HOLD, "llama-8b-int4", "too_early") == 1
    assert read(of_decision.HOLD, "llama-8b-int4", "stale") == 0


def test_segments_have_one_state_each_and_only_alarms_are_1() -> None:
    values = snapshot_values(a_snapshot())
    of = {k[1:]: v for k, v in values["shadow_segment_state"].items() if k[0] == "qwen3-4b"}

    assert of["route=claims", "worse"] == of["route=support", "not_worse"] == of["route=search", "insufficient"] == 1
    assert sum(of.values()) == 3
    alarms = {k[1]: v for k, v in values["shadow_segment_alarm"].items()}
    assert alarms == {"route=claims": 1, "route=support": 0, "route=search": 0}


def test_a_partition_at_its_end_is_not_late_and_an_unknown_end_is_unknown() -> None:
    waiting = PartitionView(
        topic="t", partition=0, first_offset=0, next_offset=5, end_offset=9, newest_unix_ms=NOW_MS - 90_000
    )
    partitions = (
        waiting,
        replace(waiting, partition=1, next_offset=9),
        replace(waiting, partition=2, end_offset=None),
        replace(waiting, partition=3, newest_unix_ms=None),
    )
    lags = snapshot_values(a_snapshot(partitions=partitions))["shadow_watermark_lag_seconds"]

    assert lags == {("t", "0"): 90.0, ("t", "1"): 0.0}


def test_a_change_of_the_verdict_is_counted_once() -> None:
    exporter = an_exporter()
    snapshot = a_snapshot()
    turned = replace(snapshot.candidates[0], verdict=a_verdict(word="reject"))
    for candidates in (snapshot.candidates, (turned,), (turned,)):
        exporter.publish(a_snapshot(candidates=candidates))

    assert exporter.board.read(of_decision.VERDICT_CHANGES, "qwen3-8b-fp8") == 1


def test_routes_beyond_the_bound_become_other_and_configured_ones_are_kept() -> None:
    settings = a_settings(source={"kind": "kafka", "filter": {"route": ["billing"]}})
    exporter = an_exporter(settings)
    exporter.observe_committed(a_batch(*(an_outcome(route=f"route-{i}") for i in range(500))))
    exporter.observe_committed(a_batch(an_outcome(route="billing")))

    routes = {dict(key[1:])["route"] for key in samples(exporter.render()[0]) if key[0] == "shadow_requests_total"}
    assert "billing" in routes
    assert "other" in routes
    assert len(routes) <= 11
    assert (exporter.board.read(of_processes.OVERFLOW) or 0) > 400


def test_a_hostile_flood_of_labels_stays_below_the_computed_bound() -> None:
    settings = a_settings()
    exporter = an_exporter(settings)
    exporter.publish(a_snapshot())
    arms = ("incumbent", "baseline", *(candidate.name for candidate in settings.candidates))
    scorers = [scorer.label for scorer in settings.scorers]
    for i in range(120):
        rows = [
            an_outcome(
                arm=arm,
                route=f"r{i}",
                failure=[None, "timeout", "empty", "http_5xx"][i % 4],
                reasoning_tokens=3,
                scores={s: [None, 0.5][i % 2] for s in scorers},
                reasons=dict.fromkeys(scorers, f"reason {i}"),
                labels=dict.fromkeys(scorers, f"label {i}"),
                findings=[{"scorer": s, "category": f"c{i}", "count": 1} for s in scorers],
            )
            for arm in arms
        ]
        exporter.observe_committed(a_batch(*rows))
        exporter.publish_runtime(RuntimeView(dead_letters={f"d{i}": 1}, errors={f"e{i}": 1}))

    lines = [line for line in exporter.render()[0].splitlines() if not line.startswith(b"#")]
    assert len(lines) <= series_count(settings)
    assert len(lines) > series_count(settings) / 3  # the bound is a bound, not a fantasy


def test_more_candidates_and_gates_raise_the_bound() -> None:
    assert series_count(a_settings("a")) < series_count(a_settings("a", "b")) < 20_000


def test_a_limit_of_the_policy_is_a_bucket_edge() -> None:
    exporter = an_exporter()  # the default policy has P95 <= 2 s
    exporter.observe_committed(a_batch(an_outcome()))

    assert (
        b'shadow_request_duration_seconds_bucket{arm="qwen3-8b-fp8",route="support",le="2.0"} 1' in exporter.render()[0]
    )


def test_a_scrape_sees_the_process_and_ends_properly() -> None:
    exporter = PrometheusExporter(a_settings(), process_registry(), version="0.1.0", config_hash="abc")

    classic, _ = exporter.render()
    openmetrics, _ = exporter.render(OPENMETRICS)
    assert b"process_resident_memory_bytes" in classic
    assert openmetrics.endswith(b"# EOF\n")
    assert openmetrics.count(b"# EOF") == 1


def test_runtime_figures_that_are_unknown_vanish() -> None:
    exporter = a_full_exporter()
    assert exporter.board.read(of_processes.WINDOW_CALLS) == 12

    exporter.publish_runtime(RuntimeView())
    assert exporter.board.read(of_processes.WINDOW_CALLS) is None
    assert exporter.board.read(of_processes.LOOP_LAG, "replayer") is None


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_has_nothing_to_say() -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=a_full_exporter().render()[0],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
