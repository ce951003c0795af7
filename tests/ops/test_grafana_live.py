"""The whole way for real: `shadow run` over simulators, Prometheus that scrapes it, Alertmanager, a pager that rings."""

import json
import os
import shutil
import subprocess
import sys
import time

import monitoring
import pytest
import sidecar

pytest.importorskip("grafana_foundation_sdk", reason="extra `dev` brings grafana-foundation-sdk")

from grafana import build, live, preview

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        monitoring.missing(*monitoring.PROGRAMS) is not None, reason=str(monitoring.missing(*monitoring.PROGRAMS))
    ),
]

NEVER_HERE = {
    "Frames the evaluator would take [A]": "the credits of the pipe are not exported yet",
    "Scorer errors [A]": "no scorer failed",
    "Internal errors [A]": "nothing went wrong",
    "Alarms [A]": "no candidate has an alarm without a verdict",
    "Records to go [A]": "everything is decided after a while",
    "Why it is held [A]": "everything is decided after a while",
}
"""Queries that may come back empty, and why that is right."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("observed")
    with monitoring.observed(folder, rules=monitoring.quick_rules(folder), seconds=50) as (story, base):
        # The detectors of change know what is normal once a whole minute has closed: up to 75 s after the start.
        prometheus = live.Prometheus(base)
        story.side.wait_until(lambda: prometheus.instant("shadow_change_level_ratio"), 60)
        yield story, base


@pytest.mark.parametrize("name", sorted(build.BOARDS))
def test_every_panel_and_annotation_returns_data_or_says_why_not(stack, name):
    _, base = stack
    board = json.loads((build.FOLDER / f"shadow-{name}.json").read_text())
    answers = live.run(board, live.Prometheus(base))

    empty = [f"{answer.where}: {answer.expression}" for answer in answers if not answer.series]
    assert [text for text in empty if text.split("]")[0] + "]" not in NEVER_HERE] == []


def test_what_the_rules_say_is_what_the_sidecar_says(stack):
    story, base = stack
    prometheus = live.Prometheus(base)
    rejected = {s["metric"]["candidate"] for s in prometheus.instant('shadow_verdict{verdict="reject"} == 1')}
    firing = prometheus.instant('ALERTS{alertname="ShadowCandidateRejected",alertstate="firing"}')

    assert rejected == {s["metric"]["candidate"] for s in firing} == {"slow", "leaky"}
    assert story.side.command("verdict", "--candidate", "leaky").returncode == 1
    assert not prometheus.instant('ALERTS{alertname=~"ShadowNobodyDecides|ShadowAbsent|ShadowRecordsUnaccounted"}')


def test_a_query_about_nothing_is_reported_and_a_wrong_one_refused(stack):
    prometheus = live.Prometheus(stack[1])

    assert prometheus.instant("shadow_no_such_metric") == []
    with pytest.raises(live.QueryError, match="400"):
        prometheus.instant("sum(shadow_verdict")
    with pytest.raises(live.QueryError, match="unknown variable nobody"):
        live.substitute("up{job=~'$nobody'}", {})


@pytest.mark.parametrize("name", sorted(build.BOARDS))
def test_a_preview_can_be_drawn_says_what_it_is_and_is_small(stack, name):
    board = json.loads((build.FOLDER / f"shadow-{name}.json").read_text())
    picture = preview.draw(board, live.Prometheus(stack[1]), candidate="leaky")

    assert "not opened in Grafana" in picture
    assert len(picture.encode()) < preview.MOST_BYTES


def inhibited(manager, name):
    """Candidates whose alert of that name Alertmanager holds back because another one explains it."""
    alerts = json.loads(sidecar.get(f"http://{manager}/api/v2/alerts"))
    return {
        a["labels"]["candidate"]
        for a in alerts
        if a["labels"]["alertname"] == name and a["status"]["state"] == "suppressed" and a["status"]["inhibitedBy"]
    }


def test_alerts_ring_with_runbook_and_dashboard_and_consequences_stay_quiet(tmp_path):
    """A rejected candidate opens a ticket and its gates add none; a model server that dies opens one, and closes it again."""
    sink, programs = monitoring.Sink(), monitoring.Programs(tmp_path)
    try:
        manager = monitoring.start_alertmanager(programs, sink.url)
        with monitoring.Story(tmp_path) as story:
            address = story.start()
            rules = monitoring.quick_rules(tmp_path)
            monitoring.start_prometheus(programs, {"shadow": [address]}, rules=rules, alertmanager=manager)
            story.side.wait_until(lambda: sink.named("ShadowCandidateRejected"), 90)
            story.side.wait_until(lambda: "leaky" in inhibited(manager, "ShadowCandidateGateViolated"), 60)
            story.good.stop()
            story.side.wait_until(lambda: sink.named("ShadowArmDown"), 60)
            story.good.restart()
            story.side.wait_until(lambda: sink.named("ShadowArmDown", "resolved"), 60)
    finally:
        programs.close()
        sink.close()

    rejected, down = sink.named("ShadowCandidateRejected")[0], sink.named("ShadowArmDown")[0]
    assert rejected["labels"]["severity"] == down["labels"]["severity"] == "warning"
    assert rejected["annotations"]["runbook_url"].endswith("/ShadowCandidateRejected.md")
    assert "var-candidate=good" in down["annotations"]["dashboard_url"]
    assert down["annotations"]["impact"].startswith("none on users")


def test_a_monitor_that_dies_pages_and_its_candidates_are_silent(tmp_path):
    """The process is killed: its series go stale, and ShadowAbsent rings as critical, although nothing is left to ask."""
    sink, programs = monitoring.Sink(), monitoring.Programs(tmp_path)
    try:
        manager = monitoring.start_alertmanager(programs, sink.url)
        with monitoring.Story(tmp_path) as story:
            address = story.start()
            rules = monitoring.quick_rules(tmp_path)
            base = monitoring.start_prometheus(programs, {"shadow": [address]}, rules=rules, alertmanager=manager)
            story.side.wait_until(lambda: live.Prometheus(base).instant("shadow_build_info"), 30)
            assert sink.named("ShadowAbsent") == []
            story.side.close()
            story.side.wait_until(lambda: sink.named("ShadowAbsent"), 60)
    finally:
        programs.close()
        sink.close()

    assert sink.named("ShadowAbsent")[0]["labels"] == {
        "alertname": "ShadowAbsent",
        "job": "shadow",
        "severity": "critical",
        "team": "shadow",
    }


def history(hours, end, step=15):
    """OpenMetrics text: `steady` fails 1 in 10 for hours, `late` only in the last ten minutes, `fine` never."""
    lines = ["# TYPE shadow_requests counter"]
    for arm in ("steady", "late", "fine"):
        ok, failed, rows = 0, 0, {"ok": [], "timeout": []}
        for at in range(end - hours * 3600, end + 1, step):
            bad = arm == "steady" or (arm == "late" and at > end - 600)
            ok, failed = ok + (9 if bad else 10), failed + bad
            rows["ok"].append(f"{ok} {at}")
            rows["timeout"].append(f"{failed} {at}")
        for outcome, values in rows.items():
            labels = f'job="past",instance="a",arm="{arm}",route="r",outcome="{outcome}"'
            lines += [f"shadow_requests_total{{{labels}}} {value}" for value in values]
    return "\n".join([*lines, "# EOF", ""])


def test_hours_of_history_burn_the_budget_of_six_hours_in_a_real_prometheus(tmp_path):
    end = int(time.time()) // 15 * 15 - 15
    (tmp_path / "history.om").write_text(history(7, end))
    made = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "history.om", "tsdb"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert made.returncode == 0, made.stderr
    programs = monitoring.Programs(tmp_path)
    try:
        base = monitoring.start_prometheus(programs, {}, rules=monitoring.quick_rules(tmp_path))
        prometheus, found = live.Prometheus(base), set()
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline and len(found) < 3:
            firing = prometheus.instant('ALERTS{alertname="ShadowCandidateFailureBurn",alertstate="firing"}')
            found = {(s["metric"]["candidate"], s["metric"]["long"]) for s in firing}
            time.sleep(1)
        ratio = prometheus.instant('job_arm:shadow_failures:ratio_rate6h{arm="steady"}')
    finally:
        programs.close()

    assert found == {("steady", "6h"), ("steady", "1d"), ("steady", "3d")}
    assert float(ratio[0]["value"][1]) == pytest.approx(0.1, abs=0.002)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_dashboards_fit_grafanas_published_types():
    script = monitoring.ROOT / "scripts" / "check-dashboards"
    result = subprocess.run(
        [str(script), sys.executable], capture_output=True, text=True, timeout=280, env=dict(os.environ)
    )
    if "types not checked" in result.stdout:
        pytest.skip(result.stdout.strip().splitlines()[-1])

    assert result.returncode == 0, result.stdout + result.stderr
    assert "fit the types" in result.stdout


def test_the_metrics_endpoint_is_in_a_form_that_promtool_accepts(stack):
    story, _ = stack
    text = sidecar.get(story.side.metrics_url() + "metrics")
    result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)

    assert result.returncode in (0, 3), result.stderr  # 3: advice about names
    assert "error" not in result.stderr.lower().replace("errors_total", "")
