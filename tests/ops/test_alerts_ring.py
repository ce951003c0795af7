"""Every alert of rules.yml at a webhook within its time, through a real Prometheus and Alertmanager."""

import json
import re
import time
import urllib.request

import drill
import faults
import monitoring
import pytest
import sidecar
import yaml

from grafana import names

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        monitoring.missing(*monitoring.PROGRAMS) is not None, reason=str(monitoring.missing(*monitoring.PROGRAMS))
    ),
]


@pytest.mark.timeout(400)
def test_every_alert_rings_in_time_and_stays_quiet_when_it_should(tmp_path):
    found = drill.served(tmp_path)

    assert {one.case.alert for one in found if one.case.fires} == {
        rule["alert"] for rule in names.rules() if "alert" in rule
    }
    assert [one.line() for one in found if not one.right] == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("scenario", faults.SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_real_fault_rings(scenario):
    """Each scenario waits for its alerts and says which did not come."""
    assert faults.run(scenario)


def post(manager, *labels):
    """Alerts into Alertmanager as Prometheus sends them."""
    body = json.dumps([{"labels": {"team": "shadow", "severity": "warning", **one}} for one in labels]).encode()
    request = urllib.request.Request(
        f"http://{manager}/api/v2/alerts", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        assert reply.status == 200


def matching(matchers):
    """Alerts of rules.yml that all matchers of one side choose."""
    found = {rule["alert"] for rule in names.rules() if "alert" in rule}
    for matcher in matchers:
        sign, pattern = re.fullmatch(r'alertname(!=|=~|=)"(.+)"', matcher).groups()
        found = {name for name in found if (re.fullmatch(pattern, name) is None) == (sign == "!=")}
    return sorted(found)


def pairs():
    """Every cause with every consequence that the committed inhibitions name, and the labels that have to agree."""
    rules = yaml.safe_load((monitoring.ROOT / "deploy/prometheus/alertmanager.yml").read_text())["inhibit_rules"]
    for rule in rules:
        for source in matching(rule["source_matchers"]):
            for target in matching(rule["target_matchers"]):
                if source != target:
                    yield source, target, rule["equal"]


@pytest.mark.timeout(180)
def test_a_cause_rings_and_its_consequence_does_not_and_that_of_another_does(tmp_path):
    """Each pair in a job of its own; beside it the same consequence where one label that has to agree does not."""
    sink, programs = monitoring.Sink(), monitoring.Programs(tmp_path)
    expected, quiet = set(), set()
    causes, consequences = [], []
    for number, (source, target, equal) in enumerate(pairs()):
        job = f"pair {number}"
        causes.append({"alertname": source, "job": job, "candidate": "b"})
        consequences.append({"alertname": target, "job": job, "candidate": "b"})
        other = {"job": job, "candidate": "c"} if "candidate" in equal else {"job": f"other {number}", "candidate": "b"}
        consequences.append({"alertname": target, **other})
        expected |= {(source, job, "b"), (target, other["job"], other["candidate"])}
        quiet.add((target, job, "b"))
    try:
        manager = monitoring.start_alertmanager(programs, sink.url)
        post(manager, *causes)
        post(manager, *consequences)
        deadline = time.monotonic() + 90

        def rung():
            return {
                (a["labels"]["alertname"], a["labels"]["job"], a["labels"].get("candidate", ""))
                for a in list(sink.alerts)
            }

        while time.monotonic() < deadline and not expected <= rung():
            time.sleep(0.5)
        held = {
            (a["labels"]["alertname"], a["labels"]["job"], a["labels"]["candidate"])
            for a in json.loads(sidecar.get(f"http://{manager}/api/v2/alerts"))
            if a["status"]["inhibitedBy"]
        }
    finally:
        programs.close()
        sink.close()

    assert len(quiet) > 40
    assert sorted(expected - rung()) == []
    assert sorted(quiet & rung()) == []
    assert held == quiet
