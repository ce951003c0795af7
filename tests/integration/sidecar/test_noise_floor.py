"""The noise floor on the whole way: repeated requests without a baseline, and a baseline that is asked."""

import json

import pytest
import sidecar as sc

from shadow.simulator.thread import SimulatorThread

pytestmark = pytest.mark.timeout(180)

QUALITY = {"id": "quality", "metric": "score", "kind": "mean_drop", "margin": 0.08}
FAILURE = {"id": "failure", "metric": "failure", "kind": "risk_difference", "margin": 0.05}
SECTIONS = {
    "scorers": [{"kind": "agreement", "similarity": "off"}],
    "policy": {"violation": [], "min_duration": 0, "min_records": 1, "gates": [QUALITY, FAILURE]},
}
THINGS = ("a lamp", "two boats", "the harbour", "my uncle", "a red kite", "nine sheep", "the old mill", "some bread")


def traffic(n: int) -> list[dict]:
    """Look-ups, whose answer is one number, and stories, which the incumbent tells differently each time."""
    records = []
    for i in range(n):
        lookup = i % 2 == 0
        prompt = f"look up number {i % 24}" if lookup else f"tell a story about {THINGS[i // 2 % 8]}"
        told = f"In chapter {i} {THINGS[i % 7]} met {THINGS[i % 5]} {i * 7 % 93} times, and nobody believed it."
        answer = {"role": "assistant", "content": f"It is {i % 24}." if lookup else told}
        records.append(
            sc.envelope(
                i,
                ts=1_795_600_000 + 60 * i,
                route="lookup" if lookup else "stories",
                request={"model": "prod", "messages": [{"role": "user", "content": prompt}], "max_tokens": 32},
                response={"model": "prod", "choices": [{"message": answer, "finish_reason": "stop"}]},
            )
        )
    return records


def answers() -> dict[str, str]:
    """A model that looks things up as well, and tells one story of its own."""
    found = {f"look up number {i}": f"It is {i}." for i in range(24)}
    return found | {f"tell a story about {thing}": f"Once upon a time {thing} was lost." for thing in THINGS}


@pytest.fixture
def make(tmp_path):
    made = []

    def build(records, **sections):
        source = {"kind": "jsonl", "path": str(sc.write_jsonl(tmp_path / "mirror.jsonl", records))}
        made.append(sc.Sidecar(tmp_path, source=source, **{**SECTIONS, **sections}))
        return made[-1]

    yield build
    for one in made:
        one.close()


def test_repeated_requests_calibrate_quality_where_nobody_can_ask_again(make):
    with SimulatorThread(ttft_ms=1, answers=answers()) as simulator:
        side = make(
            traffic(480),
            candidates=[sc.candidate("a", simulator.url)],
            duplicates={"enabled": True},
            ledger={"url": "sqlite:///shadow.db", "text": "full"},
        )
        text = side.config.read_text().replace("sqlite:///shadow.db", f"sqlite:///{side.folder}/shadow.db")
        side.config.write_text(text)
        side.run()

    rows = side.rows()
    second = [row for row in rows if row["role"] == "baseline"]
    assert len(second) == 240
    assert {row["latency_seconds"] for row in second} == {None}
    line = json.loads(side.command("verdict", "--json").stdout)
    assert line["calibration"]["source"] == "duplicates"
    assert {r["route"]: r["class"] for r in line["calibration"]["routes"]} == {
        "lookup": "deterministic", "stories": "open_ended",
    }  # fmt: skip
    quality = next(gate for gate in line["gates"] if gate["id"] == "quality")
    assert (quality["state"], quality["n"]) == ("proven", 120)
    shown = side.command("verdict").stdout
    assert "1 of 2 routes count for quality" in shown
    assert "repeated requests only" in " ".join(shown.split())
    assert side.command("verify").returncode == 0
    assert side.coverage()["arms"]["baseline"]["outcomes"] == 240
    check = side.command("check").stdout
    assert "repeated requests alone (duplicates)" in check
    assert "nobody is asked: production's earlier answer" in check


def test_a_baseline_that_is_asked_keeps_a_different_storyteller_from_rejection(make):
    with SimulatorThread(ttft_ms=1, answers=answers()) as simulator:
        side = make(
            traffic(300),
            candidates=[sc.candidate("a", simulator.url)],
            baseline={"url": simulator.url, "model": "prod", "rate": 1.0, "max_requests_per_second": 1000},
        )
        side.run()

    line = json.loads(side.command("verdict", "--json").stdout)
    assert line["verdict"] != "reject"
    assert line["calibration"]["source"] == "baseline"
    classes = {r["route"]: r["class"] for r in line["calibration"]["routes"]}
    assert classes == {"lookup": "deterministic", "stories": "open_ended"}
    assert line["calibration"]["flagged"]["pairs"] == 150
    assert side.command("verify").returncode == 0


def test_without_either_a_different_candidate_is_uncalibrated_and_not_rejected(make):
    with SimulatorThread(ttft_ms=1, answers=answers()) as simulator:
        side = make(traffic(200), candidates=[sc.candidate("a", simulator.url)])
        side.run()

    result = side.command("verdict", "--json")
    line = json.loads(result.stdout)
    assert result.returncode == 2
    assert "uncalibrated" in line["hold"]
    assert "calibration" not in line
    assert "duplicates: {enabled: true}" in side.command("check").stdout
