"""The long simulations of bench/, shortened, as a gate: no statement may be wrong more often than promised."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_statement_is_wrong_more_often_than_promised() -> None:
    script = [sys.executable, str(BENCH / "statistics_coverage.py"), "--runs", "100", "--records", "20000"]

    done = subprocess.run(script, capture_output=True, text=True, timeout=850, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_story_is_promoted_and_its_opposites_are_rejected() -> None:
    script = [sys.executable, str(BENCH / "statistics_policy.py"), "--runs", "6", "--records", "20000"]

    done = subprocess.run(script, capture_output=True, text=True, timeout=550, check=True)
    rows = {
        line.split("|")[1].strip(): [c.strip() for c in line.split("|")[2:5]]
        for line in done.stdout.splitlines()
        if line.count("|") > 6
    }

    assert rows["A/A"] == ["0%", "0%", "100%"]
    assert rows["5 % worse, 3x cheaper, failures 2 % to 0.2 %"][0] == "100%"
    rejected = ("the same, violations 1 % to 2.5 %", "15 % worse, 3x cheaper", "P95 x1.6, 3x cheaper")
    assert all(rows[name][1] == "100%" for name in rejected)
