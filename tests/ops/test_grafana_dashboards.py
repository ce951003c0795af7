"""Dashboards as they are committed: built by the code, whole, and only about metrics that somebody exports."""

import json
import re

import pytest

pytest.importorskip("grafana_foundation_sdk", reason="extra `dev` brings grafana-foundation-sdk")

from grafana import build, names
from grafana.live import panels

FILES = sorted(build.FOLDER.glob("*.json"))
BOARDS = {path.name: json.loads(path.read_text()) for path in FILES}


@pytest.fixture(params=sorted(BOARDS), ids=lambda name: name.removesuffix(".json"))
def board(request):
    return BOARDS[request.param]


def queries(board):
    for panel in panels(board):
        for target in panel.get("targets") or []:
            yield panel["title"], target["expr"]
    for annotation in board["annotations"]["list"]:
        yield annotation["name"], annotation["target"]["expr"]


def test_committed_dashboards_are_what_the_code_builds():
    assert build.differing() == []


def test_a_changed_dashboard_is_found(tmp_path):
    for name, text in build.built().items():
        (tmp_path / name).write_text(text)
    (tmp_path / "shadow-safety.json").write_text("{}")
    (tmp_path / "left-over.json").write_text("{}")

    assert build.differing(tmp_path) == ["left-over.json", "shadow-safety.json"]


def test_there_is_a_dashboard_for_every_question():
    assert {board["uid"] for board in BOARDS.values()} == {
        "shadow-overview",
        "shadow-candidate",
        "shadow-safety",
        "shadow-health",
        "shadow-segments",
    }


def test_every_panel_has_title_unit_and_a_description_that_says_what_to_do(board):
    for panel in panels(board):
        assert panel["title"]
        if panel["type"] != "row":
            assert len(panel["description"]) >= 40, panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            assert panel["targets"], panel["title"]


def test_every_query_is_about_metrics_and_labels_that_exist(board):
    found = [(title, problem) for title, expression in queries(board) for problem in names.problems(expression)]

    assert found == []


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("sum(shadow_record_total)", "nobody exports shadow_record_total"),
        ('rate(shadow_records_total{arm="b"}[5m])', "shadow_records_total has no label arm"),
        ("histogram_quantile(0.9, rate(shadow_score_ratio[5m]))", "nobody exports shadow_score_ratio"),
        (
            "job_arm:shadow_request_duration_seconds:p42_5m",
            "nobody exports job_arm:shadow_request_duration_seconds:p42_5m",
        ),
    ],
)
def test_a_name_that_nobody_exports_is_found(expression, problem):
    assert names.problems(expression) == [problem]


def test_quantiles_come_from_recording_rules_only(board):
    assert not [title for title, expression in queries(board) if "histogram_quantile" in expression]


def test_panels_are_numbered_fit_the_width_and_do_not_overlap(board):
    ids = [panel["id"] for panel in panels(board)]
    assert len(set(ids)) == len(ids)
    taken = {}
    for panel in panels(board):
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken.get((x, y))}"
                taken[x, y] = panel["title"]


def test_every_variable_that_is_used_is_defined_and_every_defined_one_is_used(board):
    defined = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps({**board, "templating": {}}))) - {
        "__rate_interval",
        "__field",
        "__url_time_range",
    }
    inside = set(re.findall(r"\$(\w+)", json.dumps(board["templating"])))

    assert used | inside - {"__all"} <= defined
    assert defined <= used | inside


def test_dashboards_link_to_each_other_and_to_the_answers(board):
    assert any(link.get("tags") == ["shadow"] and link["includeVars"] and link["keepTime"] for link in board["links"])
    assert any(link.get("url") == "${pages}/calls" for link in board["links"])


def test_verdict_changes_epochs_and_configurations_are_annotated(board):
    assert [a["name"] for a in board["annotations"]["list"]] == [
        "Verdict changes",
        "New epoch of evidence",
        "New configuration",
    ]


def test_runbooks_that_descriptions_name_exist(board):
    alerts = {rule["alert"] for rule in names.rules() if "alert" in rule}
    for panel in panels(board):
        for word in re.findall(r"\bShadow[A-Z]\w+", panel.get("description") or ""):
            assert word in alerts, panel["title"]
