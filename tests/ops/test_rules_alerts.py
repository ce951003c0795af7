"""rules.yml: promtool's own checks and tests, and what every alert has to bring."""

import re
import subprocess

import monitoring
import pytest
import yaml

from grafana import names

FOLDER = monitoring.ROOT / "grafana"
ALERTS = [rule for rule in names.rules() if "alert" in rule]
NAMES = sorted({rule["alert"] for rule in ALERTS})
TESTS = sorted((FOLDER / "tests").glob("*_test.yml"))
SECTIONS = ["What it means", "Are users hurt?", "Look here", "Do this", "Silence"]

needs_promtool = pytest.mark.skipif(
    monitoring.missing("promtool") is not None, reason=str(monitoring.missing("promtool"))
)


@needs_promtool
def test_promtool_accepts_the_rules_and_the_example_configuration():
    for arguments in (
        ["rules", "--lint=all", str(FOLDER / "rules.yml")],
        ["config", "deploy/prometheus/prometheus.yml"],
    ):
        result = subprocess.run(
            ["promtool", "check", *arguments], capture_output=True, text=True, cwd=monitoring.ROOT, timeout=60
        )
        assert result.returncode == 0, result.stdout + result.stderr


@needs_promtool
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_and_stay_quiet_when_they_should(path):
    result = subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True, timeout=110)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.skipif(monitoring.missing("amtool") is not None, reason=str(monitoring.missing("amtool")))
def test_critical_alerts_page_and_candidates_never_do():
    def receivers(*labels):
        command = ["amtool", "config", "routes", "test", "--config.file=deploy/prometheus/alertmanager.yml", *labels]
        return subprocess.run(command, capture_output=True, text=True, cwd=monitoring.ROOT, timeout=30).stdout.strip()

    assert receivers("severity=critical", "alertname=ShadowMonitorStale") == "pager"
    assert receivers("severity=warning", "alertname=ShadowCandidateRejected") == "tickets"
    assert receivers("severity=info", "alertname=ShadowCandidatePromotable") == "chat"


def said(kind):
    """Alerts that a promtool test expects to fire, or to stay quiet."""
    found = set()
    for path in TESTS:
        for group in yaml.safe_load(path.read_text())["tests"]:
            for case in group.get("alert_rule_test", []):
                if bool(case["exp_alerts"]) == (kind == "fires"):
                    found.add(case["alertname"])
            for case in group.get("promql_expr_test", []):
                if bool(case["exp_samples"]) == (kind == "fires"):
                    found |= set(re.findall(r'alertname="(\w+)"', case["expr"]))
    return found


def test_every_alert_has_a_firing_and_a_quiet_test():
    # The burn alert's firing tests list exactly the arms and windows that fire: all others stay quiet in them.
    quiet = said("quiet") | {"ShadowCandidateFailureBurn"}

    assert [name for name in NAMES if name not in said("fires")] == []
    assert [name for name in NAMES if name not in quiet] == []


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_who_is_hurt_and_where_to_look(rule):
    labels, annotations = rule["labels"], rule["annotations"]
    assert set(annotations) == {"summary", "description", "impact", "dashboard_url", "runbook_url"}
    assert labels["severity"] in {"critical", "warning", "info"}
    assert labels["team"] == "shadow"
    assert annotations["impact"].startswith("none on users")
    assert annotations["runbook_url"].endswith(f"/grafana/runbooks/{rule['alert']}.md")
    uid = re.search(r"/d/([\w-]+)", annotations["dashboard_url"])[1]
    assert (FOLDER / "dashboards" / f"{uid}.json").is_file()
    if rule["alert"].startswith(("ShadowCandidate", "ShadowArm")):
        assert labels["severity"] != "critical"
        assert "candidate" in labels or "candidate" in rule["expr"]
        assert "var-candidate=" in annotations["dashboard_url"]


@pytest.mark.parametrize("rule", names.rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_is_about_metrics_and_labels_that_exist(rule):
    assert names.problems(rule["expr"]) == []


def test_a_recording_rule_carries_the_labels_that_its_name_spells():
    for rule in names.rules():
        if "record" in rule:
            level = rule["record"].split(":")[0].split("_")
            grouped = (
                re.search(r"by \(([^)]*)\)", rule["expr"])[1].replace("le", "").replace(" ", "").strip(",").split(",")
            )
            assert sorted(level) == sorted(grouped), rule["record"]


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_has_a_runbook_with_the_same_sections_as_all_others(name):
    text = (FOLDER / "runbooks" / f"{name}.md").read_text()

    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert "How that is known" in text
    for section in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]:
        assert len(section.strip()) >= len("During a rollout.")


def test_there_is_no_runbook_without_an_alert():
    assert sorted(path.stem for path in (FOLDER / "runbooks").glob("*.md")) == NAMES


def test_links_between_runbooks_and_from_the_on_call_page_lead_somewhere():
    page = monitoring.ROOT / "docs" / "on-call.md"
    for path in (page, *(FOLDER / "runbooks").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


@pytest.mark.parametrize("name", NAMES)
def test_the_on_call_page_leads_from_every_alert_to_its_runbook(name):
    assert f"[{name}](../grafana/runbooks/{name}.md)" in (monitoring.ROOT / "docs" / "on-call.md").read_text()


def test_inhibitions_name_alerts_that_exist():
    rules = yaml.safe_load((monitoring.ROOT / "deploy/prometheus/alertmanager.yml").read_text())["inhibit_rules"]
    for rule in rules:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            label, pattern = re.fullmatch(r'(\w+)!?=~?"(.+)"', matcher).groups()
            assert label == "alertname"
            assert any(re.fullmatch(pattern, name) for name in NAMES), matcher
            for word in re.findall(r"Shadow\w+", pattern) if "(" not in pattern else []:
                assert any(name.startswith(word) for name in NAMES), word
