"""Change is not harm: a comparative quality decides on routes where the incumbent agrees with itself, and on no other."""

import dataclasses
import json

import pytest
from builders_calibration import (
    POLICY,
    SPEC,
    Ledger,
    broken,
    close,
    kinds,
    other,
    rows_of,
    same,
    traffic,
    wholly_other,
)

from shadow.loops.calibrating import Floor
from shadow.settings import Policy, Utility
from shadow.stats.aa import NO_ROUTE
from shadow.verdict.calibrated import with_calibration
from shadow.verdict.evidence import Context
from shadow.verdict.lines import as_json, last_line
from shadow.verdict.result import Verdict
from shadow.verdict.table import markdown, text

MIXED = {"lookup": (same, same), "chat": (close, close), "stories": (wholly_other, other)}
"""A candidate that is as good, and another model: on stories it says something else, as the incumbent itself does."""


def states(verdict: Verdict) -> dict[str, str]:
    return {gate.id: gate.state for gate in verdict.gates}


def test_a_good_candidate_that_is_different_on_open_ended_routes_is_promoted_where_a_naive_gate_rejects() -> None:
    ledger = Ledger()
    ledger.add(traffic(3000, MIXED, seed=1))
    verdict, calibration = ledger.look()

    assert kinds(calibration) == {"lookup": "deterministic", "chat": "normal", "stories": "open_ended"}
    assert verdict.word == "promote"
    assert ledger.naive().word == "reject"


def test_no_look_on_the_way_rejects_a_good_candidate() -> None:
    for seed in range(5):
        ledger = Ledger()
        for first in range(0, 1500, 50):
            ledger.add(traffic(50, MIXED, seed=100 * seed + first, first=first))
            assert ledger.look()[0].word != "reject", (seed, first)


def test_the_incumbent_against_itself_with_open_ended_routes_holds_or_promotes() -> None:
    words = set()
    for seed in range(5):
        ledger = Ledger()
        for first in range(0, 1200, 100):
            routes = {"lookup": (same, same), "stories": (other, other), None: (close, close)}
            ledger.add(traffic(100, routes, seed=100 * seed + first, first=first))
            words.add(ledger.look()[0].word)

    assert words == {"hold", "promote"}


def test_a_truly_worse_candidate_on_a_normal_route_is_rejected_beside_an_open_ended_one() -> None:
    ledger = Ledger()
    ledger.add(traffic(2000, {"chat": (broken, close), "stories": (wholly_other, other)}, seed=2))
    verdict, _ = ledger.look()

    assert verdict.word == "reject"
    assert "tail" in verdict.sentence


def test_what_happens_on_an_open_ended_route_changes_no_score_gate() -> None:
    calls = list(traffic(1500, MIXED, seed=3))
    alike = [
        rows_of(i, "stories", (0.99, rows[1].scores["agreement"])) if rows[0].route == "stories" else rows
        for i, rows in enumerate(calls)
    ]
    one, two = Ledger(), Ledger()
    one.add(calls)
    two.add(alike)
    first, second = ({g.id: g for g in ledger.look()[0].gates} for ledger in (one, two))

    assert first["quality"] == second["quality"]
    assert first["tail"] == second["tail"]


def test_all_routes_open_ended_is_uncalibrated_and_says_what_to_use_instead() -> None:
    ledger = Ledger(POLICY.model_copy(update={"utility": Utility(cost=0, robustness=0)}))
    ledger.add(traffic(800, {"stories": (wholly_other, other), "poems": (wholly_other, other)}, seed=4))
    verdict, calibration = ledger.look()

    assert set(kinds(calibration).values()) == {"open_ended"}
    assert verdict.word == "hold"
    assert states(verdict) == {"failure": "proven", "quality": "uncalibrated", "tail": "uncalibrated"}
    assert verdict.holds[0].reason == "uncalibrated"
    assert "absolute scorer" in verdict.sentence
    assert "preference scorer (judge)" in verdict.sentence
    assert ledger.naive().word == "reject"


def test_before_anybody_knows_the_floor_nothing_is_decided_and_the_routes_say_how_far_they_are() -> None:
    ledger = Ledger()
    ledger.add(traffic(60, {"chat": (broken, close), "lookup": (broken, same)}, seed=5))
    verdict, calibration = ledger.look()

    assert set(kinds(calibration).values()) == {"unknown"}
    assert states(verdict)["quality"] == "uncalibrated"
    assert "of at least 50 answers" in verdict.sentence
    assert ledger.naive().word == "reject"


def test_a_class_that_the_policy_states_holds_from_the_first_call() -> None:
    stated = POLICY.model_copy(update={"routes": {"stories": "open_ended", "chat": "normal"}})
    ledger = Ledger(stated)
    ledger.add(traffic(300, {"chat": (close, close), "stories": (wholly_other, close)}, seed=6))
    verdict, calibration = ledger.look()

    assert {r.route: (r.kind, r.stated) for r in calibration.routes} == {
        "chat": ("normal", True), "stories": ("open_ended", True),
    }  # fmt: skip
    assert verdict.word != "reject"


def test_another_stated_class_has_crossings_of_its_own() -> None:
    loose = POLICY.model_copy(update={"routes": {"stories": "normal"}})
    ledger = Ledger(loose)
    ledger.add(traffic(1500, MIXED, seed=7))
    assert ledger.look()[0].word == "reject"

    ledger.policy = POLICY
    assert ledger.look()[0].word == "promote"


def test_calls_without_a_route_are_a_route_of_their_own() -> None:
    ledger = Ledger()
    ledger.add(traffic(1200, {None: (wholly_other, other), "chat": (close, close)}, seed=8))
    verdict, calibration = ledger.look()

    assert kinds(calibration) == {"chat": "normal", NO_ROUTE: "open_ended"}
    assert verdict.word == "promote"


def test_segments_that_cut_across_open_ended_routes_keep_no_score_and_everything_else() -> None:
    ledger = Ledger()
    ledger.add(traffic(900, MIXED, seed=9))
    _, pairs = Floor(ledger.arms, ledger.settings, SPEC).under(ledger.policy, ledger.pairs)

    assert pairs["length=short"][0].score.n == pairs["route=stories"][0].score.n == 0
    assert pairs["length=short"][0].pairs == 900
    assert pairs["route=chat"][0].to_bytes() == ledger.pairs["route=chat"][0].to_bytes()


def test_excesses_are_counted_in_pairs_on_the_routes_that_count() -> None:
    ledger = Ledger()
    ledger.add(traffic(3000, {"chat": (broken, close), "stories": (wholly_other, other)}, seed=10))
    _, calibration = ledger.look()

    assert calibration.flags is not None
    assert calibration.low is not None
    assert calibration.flags.pairs == calibration.low.pairs == ledger.pairs["route=chat"][0].score.n
    assert calibration.flags.excess.lower > 0.18
    assert calibration.flags.excess.lower < calibration.flags.excess.point < calibration.flags.excess.upper
    assert calibration.flags.incumbent.point == pytest.approx(0.05, abs=0.02)
    assert calibration.low.candidate.point > 0.15
    assert calibration.low.incumbent.point <= 0.021
    assert calibration.low.excess.lower > 0


def test_a_candidate_like_the_incumbent_has_no_excess() -> None:
    ledger = Ledger()
    ledger.add(traffic(3000, {"chat": (close, close), "lookup": (same, same)}, seed=11))
    _, calibration = ledger.look()

    for found in (calibration.flags, calibration.low):
        assert found is not None
        assert found.excess.lower < 0 < found.excess.upper
        assert abs(found.excess.point) < 0.02


def test_the_verdict_shows_the_floor_the_excess_and_the_routes_that_do_not_count() -> None:
    ledger = Ledger()
    ledger.add(traffic(1500, MIXED, seed=12))
    verdict, calibration = ledger.look()
    line = json.loads(as_json(last_line(verdict, None, calibration)))["calibration"]

    assert {r["route"]: r["class"] for r in line["routes"]} == kinds(calibration)
    assert (line["scorer"], line["source"], line["aa_answers"]) == ("agreement", "baseline", 1500)
    assert set(line["flagged"]["excess"]) == {"lower", "point", "upper"}
    assert set(line["below_aa_quantile"]) == {"pairs", "candidate", "incumbent", "excess"}
    for shown in (text(verdict, POLICY, calibration, width=200), markdown(verdict, POLICY, calibration)):
        assert "2 of 3 routes count for quality" in shown
        assert "stories does not count for quality: open-ended" in shown
        assert "excess" in shown


def moved_floor(candidate=close) -> Ledger:
    ledger = Ledger()
    ledger.add(traffic(2000, {"chat": (close, close)}, seed=13))
    ledger.add(traffic(250, {"chat": (candidate, other)}, seed=14, first=2000))
    return ledger


def test_a_floor_that_moves_freezes_a_promotion_and_says_how_long() -> None:
    ledger = moved_floor()
    verdict, calibration = ledger.look()

    assert calibration.routes[0].moved is not None
    assert verdict.word == "hold"
    assert verdict.holds[0].reason == "scorer_drift"
    assert "noise floor itself moved (chat: lower than 0.8" in verdict.sentence
    assert "answers to go" in verdict.sentence

    ledger.add(traffic(600, {"chat": (close, close)}, seed=15, first=2250))
    assert ledger.look()[0].word == "promote"


def test_a_floor_that_moves_freezes_a_rejection_for_quality_and_lets_other_gates_reject() -> None:
    ledger = Ledger()
    ledger.add(traffic(400, {"chat": (close, close)}, seed=16))
    ledger.add(traffic(60, {"chat": (close, other)}, seed=17, first=400))
    ledger.add(traffic(180, {"chat": (lambda rng: 0.05, other)}, seed=18, first=460))
    verdict, _ = ledger.look()

    assert ledger.naive().word == "reject"
    assert verdict.word == "hold"
    assert states(verdict)["quality"] != "violated"
    assert verdict.gates[1].point > 0.08  # it is shown as it is

    failing = [
        [row if row.role != "candidate" else dataclasses.replace(row, failure="http_5xx", scores={}) for row in rows]
        for rows in traffic(100, {"chat": (close, other)}, seed=19, first=640)
    ]
    ledger.add(failing)
    verdict, _ = ledger.look()
    assert verdict.word == "reject"
    assert states(verdict)["failure"] == "violated"


def test_other_sentences_of_drift_are_kept_beside_it() -> None:
    _, calibration = moved_floor().look()
    context = with_calibration(Context(candidate="c", scorer_drift="The judge drifted."), POLICY, calibration)

    assert context.scorer_drift is not None
    assert context.scorer_drift.startswith("The judge drifted. Also: the noise floor itself moved")


def test_a_floor_that_moves_on_an_open_ended_route_freezes_nothing() -> None:
    ledger = Ledger()
    ledger.add(traffic(3000, {"chat": (close, close), "stories": (wholly_other, other)}, seed=20))
    ledger.add(traffic(300, {"chat": (close, close), "stories": (wholly_other, wholly_other)}, seed=21, first=3000))
    verdict, calibration = ledger.look()

    assert [r.moved is not None for r in calibration.routes] == [False, True]
    assert verdict.word == "promote"


@pytest.mark.parametrize(
    ("routes", "says"),
    [
        ({"route=chat": "normal"}, "'chat' instead of"),
        ({" ": "normal"}, "without a name"),
        ({"a": "open"}, "open_ended"),
    ],
)
def test_a_wrong_statement_about_a_route_teaches(routes: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match="routes") as caught:
        Policy.model_validate({"routes": routes})
    assert says in str(caught.value)
