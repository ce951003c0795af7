"""The chart with real Helm: every ci values file, the API's schemas, Shadow's own check, and what has to be refused."""

import json
import os
import subprocess
from pathlib import Path

import monitoring
import pytest
import yaml

from grafana import names
from helm import build

HERE = Path(__file__).parent
PYTHON = build.ROOT / ".venv-ops" / "bin" / "python"
CI_VALUES = {
    path.name.removesuffix("-values.yaml"): path for path in sorted((build.CHART / "ci").glob("*-values.yaml"))
}
PEERS = {"podMetricsEndpoints": "PodMonitor", "endpoints": "ServiceMonitor"}
# The operator's published schemas accept unknown keys, so what the chart emits has a list of its own.
SCRAPE_KEYS = {"port", "path", "interval", "scrapeTimeout", "relabelings"}
CANDIDATE = {"name": "b", "backend": {"kind": "openai", "url": "http://b:8000/v1", "model": "b"}}
# The same for KEDA's ScaledObject; what `advanced` holds is a HorizontalPodAutoscaler's own behaviour.
SCALED_KEYS = {"scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "cooldownPeriod", "advanced"}
SCALED_KEYS |= {"fallback", "triggers"}
FLEET = {"mode": "deployment", "monitor": {"enabled": True}, "ledger": {"postgresSecret": {"name": "l"}}}
REFUSED = {
    "two replicas on SQLite": ({"replicas": 2}, "SQLite"),
    "a monitor on SQLite": ({"monitor": {"enabled": True}}, "needs a ledger that two pods can share"),
    "no candidates": ({"config": {"candidates": []}}, "candidates"),
    "an unknown key": ({"replica": 2}, "replica"),
    "an unknown option": ({"config": {"replay": {"concurency": 3}}}, "concurency"),
    "a grace below the drain": ({"terminationGracePeriodSeconds": 30}, "draining takes up to 130 s"),
    "another model beside it": ({"engine": {"servedModelName": "x"}}, "make them equal"),
    "another port beside it": ({"engine": {"port": 8100}}, "listens on port 8100"),
    "both monitors": ({"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}, "scrape every pod twice"),
    "one instance id for three": (
        {"replicas": 3, "ledger": {"postgresSecret": {"name": "l"}}, "config": {"source": {"instance_id": "one"}}},
        "the same for all replicas",
    ),
    "two ledgers": (
        {"ledger": {"postgresSecret": {"name": "l"}}, "config": {"ledger": {"url": "postgresql://h/d"}}},
        "both name a ledger",
    ),
    "KEDA beside engines": ({"keda": {"enabled": True, "prometheusUrl": "http://p:9090"}}, "set mode to deployment"),
    "KEDA on SQLite": (
        {"mode": "deployment", "keda": {"enabled": True, "prometheusUrl": "http://p:9090"}},
        "needs a ledger that pods can share",
    ),
    "KEDA without an address": ({**FLEET, "keda": {"enabled": True}}, "needs keda.prometheusUrl"),
    "KEDA with less than the least": (
        {**FLEET, "replicas": 9, "keda": {"enabled": True, "prometheusUrl": "http://p:9090"}},
        "below replicas (9)",
    ),
    "no duration": ({"config": {"policy": {"min_duration": "tomorrow"}}}, "min_duration"),
}


def test_generated_files_are_what_the_code_builds():
    assert build.main(["--check"]) == 0


def test_durations_and_environment_variables_are_accepted_where_shadow_reads_them():
    from jsonschema import Draft202012Validator

    values = {"config": {"candidates": [CANDIDATE], "policy": {"min_duration": "24h"}, "ledger": {"url": "${URL}"}}}

    assert not list(Draft202012Validator(build.values_schema()).iter_errors(values))


@pytest.fixture(scope="module")
def rendered():
    if os.environ.get("CI") == "true":
        subprocess.run([build.ROOT / "scripts" / "install-ops"], check=True, timeout=110)
    if not PYTHON.exists():
        pytest.skip("Helm is not installed: scripts/install-ops")
    cases = [[name, yaml.safe_load(path.read_text())] for name, path in CI_VALUES.items()]
    cases += [[name, values] for name, (values, _) in REFUSED.items()]
    cases.append(["slow", {"config": {"replay": {"drain_seconds": 0, "timeout_seconds": 90.5}}}])
    cases.append(["replicated", {"replicas": 2, "ledger": {"postgresSecret": {"name": "l"}}}])
    return _ask("chart_renderer.py", str(build.CHART), cases)


def _ask(script, argument, question):
    result = subprocess.run(
        [PYTHON, HERE / script, argument], input=json.dumps(question), capture_output=True, text=True, timeout=100
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def manifests(rendered, name):
    assert "files" in rendered[name], rendered[name]
    texts = [text for path, text in rendered[name]["files"].items() if path.endswith(".yaml")]
    return [d for text in texts for d in yaml.safe_load_all(text) if d]


def one(documents, kind, suffix=""):
    (found,) = [d for d in documents if d["kind"] == kind and d["metadata"]["name"] == f"demo-shadow{suffix}"]
    return found


def test_lint_finds_nothing(rendered):
    assert rendered["lint"] == []


@pytest.mark.parametrize("version", ["1.29", "1.36"])
def test_the_api_accepts_every_manifest_and_knows_every_key(rendered, version):
    core = {}
    for name in CI_VALUES:
        for d in manifests(rendered, name):
            if not d["apiVersion"].startswith(("monitoring.coreos.com", "keda.sh")):
                core[f"{name}/{d['kind']}/{d['metadata']['name']}"] = d

    assert core
    assert _ask("kubernetes_checker.py", version, core) == {}


@pytest.mark.parametrize("name", CI_VALUES)
def test_shadow_check_accepts_the_rendered_configuration(rendered, name, tmp_path, monkeypatch):
    from shadow.app.checking import validated

    monkeypatch.setenv("POD_NAME", "demo-shadow-0")
    monkeypatch.setenv("SHADOW_LEDGER_URL", "postgresql+psycopg://db/shadow")
    text = one(manifests(rendered, name), "ConfigMap")["data"]["shadow.yaml"]
    config = tmp_path / "shadow.yaml"
    here = text.replace("/etc/shadow/web/token", str(config)).replace(
        "/var/lib/shadow", str(tmp_path)
    )  # mounts of the pod
    config.write_text(here)

    settings = validated(str(config)).settings

    assert settings.web.host == "0.0.0.0"
    assert settings.source.group_id == "shadow-prod-demo-shadow"


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused_with_the_reason(rendered, name):
    assert "error" in rendered[name], "accepted"
    assert REFUSED[name][1] in rendered[name]["error"]


def test_shadow_is_a_native_sidecar_that_never_makes_the_candidate_unready(rendered):
    pod = one(manifests(rendered, "default"), "StatefulSet")["spec"]["template"]["spec"]
    (sidecar,) = pod["initContainers"]

    assert sidecar["restartPolicy"] == "Always"
    assert not {"readinessProbe", "startupProbe"} & sidecar.keys()
    assert [c["name"] for c in pod["containers"]] == ["engine"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_ledger_and_weights_outlive_the_pod(rendered):
    spec = one(manifests(rendered, "default"), "StatefulSet")["spec"]

    assert [c["metadata"]["name"] for c in spec["volumeClaimTemplates"]] == ["ledger", "models"]


@pytest.mark.parametrize(("name", "seconds"), [("default", 130), ("sidecar", 200), ("slow", 151)])
def test_the_pod_is_given_longer_than_shadow_drains(rendered, name, seconds):
    pod = one(manifests(rendered, name), "StatefulSet")["spec"]["template"]["spec"]

    assert pod["terminationGracePeriodSeconds"] == seconds


def test_replicas_of_a_sidecar_share_a_group_under_stable_names(rendered):
    source = yaml.safe_load(one(manifests(rendered, "replicated"), "ConfigMap")["data"]["shadow.yaml"])["source"]

    assert source["instance_id"] == "${POD_NAME}"


def test_a_fleet_has_workers_and_one_monitor(rendered):
    documents = manifests(rendered, "fleet")

    def role(suffix):
        (container,) = one(documents, "Deployment", suffix)["spec"]["template"]["spec"]["containers"]
        return container["args"][-1]

    assert (role(""), role("-monitor")) == ("worker", "monitor")


def test_keda_scales_the_workers_by_what_waits_and_nothing_else_sets_their_number(rendered):
    documents = manifests(rendered, "scaled")
    spec = one(documents, "ScaledObject")["spec"]
    workers = one(documents, "Deployment")

    assert "replicas" not in workers["spec"]
    assert spec["scaleTargetRef"] == {"name": workers["metadata"]["name"]}
    assert (spec["minReplicaCount"], spec["maxReplicaCount"], spec["fallback"]["replicas"]) == (2, 8, 2)
    assert one(documents, "Deployment", "-monitor")["spec"]["replicas"] == 1
    assert not [d for d in manifests(rendered, "fleet") if d["kind"] == "ScaledObject"]


def test_keda_asks_for_a_series_that_the_rules_record_under_the_job_that_the_chart_sets(rendered):
    documents = manifests(rendered, "scaled")
    (trigger,) = one(documents, "ScaledObject")["spec"]["triggers"]
    (scrape,) = one(documents, "PodMonitor")["spec"]["podMetricsEndpoints"]

    assert names.problems(trigger["metadata"]["query"]) == []
    assert f'job="{scrape["relabelings"][0]["replacement"]}"' in trigger["metadata"]["query"]
    assert all(isinstance(value, str) for value in trigger["metadata"].values())


def test_keda_gets_only_keys_that_it_knows(rendered):
    spec = one(manifests(rendered, "scaled"), "ScaledObject")["spec"]

    assert spec.keys() == SCALED_KEYS
    assert all(t.keys() == {"type", "metricType", "metadata"} for t in spec["triggers"])
    assert spec["advanced"].keys() == {"horizontalPodAutoscalerConfig"}


def test_the_api_knows_the_behaviour_that_keda_hands_on(rendered):
    """As part of a HorizontalPodAutoscaler, which the core schemas hold."""
    spec = one(manifests(rendered, "scaled"), "ScaledObject")["spec"]
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "b"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "b"},
            "maxReplicas": spec["maxReplicaCount"],
            "behavior": spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"],
        },
    }

    assert _ask("kubernetes_checker.py", "1.36", {"hpa": scaler}) == {}


def test_egress_goes_only_where_values_say(rendered):
    egress = one(manifests(rendered, "fleet"), "NetworkPolicy")["spec"]["egress"]

    assert sorted({p["port"] for rule in egress for p in rule["ports"]}) == [53, 5432, 8000, 9092]


@pytest.mark.parametrize("name", CI_VALUES)
def test_no_pod_has_rights_in_the_api_and_shadow_cannot_write_its_image(rendered, name):
    for d in manifests(rendered, name):
        if d["kind"] not in ("Deployment", "StatefulSet"):
            continue
        pod = d["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            if container["name"] == "shadow":
                assert container["securityContext"]["readOnlyRootFilesystem"]
                assert container["securityContext"]["runAsNonRoot"]


@pytest.mark.parametrize("name", CI_VALUES)
def test_scrape_objects_have_only_keys_the_operator_knows(rendered, name):
    for d in manifests(rendered, name):
        if d["kind"] in PEERS.values():
            key = next(k for k, kind in PEERS.items() if kind == d["kind"])
            assert d["spec"].keys() == {"selector", key}
            assert all(item.keys() <= SCRAPE_KEYS for item in d["spec"][key])


def test_the_rendered_rules_are_the_tested_ones_and_promtool_accepts_them(rendered, tmp_path):
    spec = one(manifests(rendered, "sidecar"), "PrometheusRule")["spec"]
    assert spec == yaml.safe_load((build.ROOT / "grafana" / "rules.yml").read_text())
    if missing := monitoring.missing("promtool"):
        pytest.skip(str(missing))
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(spec))

    result = subprocess.run(
        ["promtool", "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True, timeout=30
    )

    assert result.returncode == 0, result.stdout + result.stderr
