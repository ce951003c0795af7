import json

import pytest
from click.testing import CliRunner

from shadow import selftest
from shadow.cli.self_test import command
from shadow.selftest import Errors, Report

CALM = Errors(p1=-0.2, p50=0.3, p95=0.6, p99=0.9)


def report(ttft_ms: Errors | None = CALM, tpot_ms: Errors | None = CALM, failures: int = 0) -> Report:
    return Report(
        streams=1,
        seconds=1,
        answers=1,
        failures=failures,
        saturated=0,
        worst_lag_ms=0,
        ttft_ms=ttft_ms,
        tpot_ms=tpot_ms,
    )


def test_both_tails_of_both_errors_have_to_keep_the_limit() -> None:
    assert report().within(1.0)
    assert not report().within(0.5)
    assert not report(tpot_ms=Errors(p1=-9, p50=0, p95=0, p99=0)).within(1.0)


def test_nothing_measured_and_anything_failed_is_never_within_the_limit() -> None:
    assert not report(ttft_ms=None).within(100)
    assert not report(failures=1).within(100)


def test_the_command_measures_and_its_exit_code_says_whether_the_limit_held() -> None:
    patient = CliRunner().invoke(command, ["--streams", "4", "--seconds", "1", "--limit-ms", "2000", "--json"])
    found = json.loads(patient.stdout)

    assert patient.exit_code == 0
    assert found["ok"] is True
    assert found["answers"] >= 1
    assert found["failures"] == 0
    assert found["ttft_ms"]["p50"] > -1
    assert found["method"] == selftest.METHOD


def test_a_limit_that_nobody_could_keep_fails_in_words() -> None:
    strict = CliRunner().invoke(command, ["--streams", "2", "--seconds", "1", "--limit-ms", "0.0001"])

    assert strict.exit_code == 1
    assert "not ok: above 0.0001 ms" in strict.stdout
    assert "TTFT" in strict.stdout


def test_a_simulator_that_cannot_start_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest.sys, "executable", "/bin/false")
    result = CliRunner().invoke(command, ["--seconds", "1"])

    assert result.exit_code != 0
    assert "ended before it served" in str(result.exception)
