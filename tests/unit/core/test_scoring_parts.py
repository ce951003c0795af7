"""Who sees what: nested samples, open cases apart, and budgets that stop a scorer without a word of evidence."""

import pytest
from builders import a_call, a_finished_call, an_outcome, some_settings
from fakes.clock import FakeClock

from scorers.base import Score
from shadow.allowance import DAY_MS, Allowance, Used
from shadow.records import Answer
from shadow.scoring import OPEN_CASES, Entry, Scoring, nested_draw
from shadow.settings import Resolve, ScorerBudget

CALLS = [
    a_finished_call(an_outcome(answer=Answer(text=f"{i}", finish_reason="stop")), call=a_call(id=f"c{i}"))
    for i in range(400)
]


class Words:
    """Says `unknown` of every second answer, `same` of the others."""

    name, kind, version = "cheap", "comparative", "1"

    def score(self, cases):
        words = ["unknown" if int(case.candidate.text) % 2 else "same" for case in cases]
        return [Score(value=0.5, label=word, reason="by number") for word in words]


class Dear:
    """Counts what it was asked."""

    name, kind, version = "dear", "preference", "1"

    def __init__(self):
        self.seen = []

    def score(self, cases):
        self.seen += [case.id for case in cases]
        return [Score(value=1.0, label="win", reason="asked") for _ in cases]


def scored(dear, allowance=None, **changes):
    entries = [
        Entry(label="dear", kind="judge", scorer=dear, **changes),
        Entry(label="cheap", kind="agreement", scorer=Words()),
    ]
    return Scoring(entries, allowance=allowance).score(CALLS)


def named(results, name):
    return {call.call.id for call, by_arm in zip(CALLS, results, strict=True) if name in by_arm["cand"]}


def test_what_a_dear_scorer_samples_lies_within_what_a_cheaper_one_sees():
    few, more = named(scored(Dear(), rate=0.05), "dear"), named(scored(Dear(), rate=0.2), "dear")

    assert 0 < len(few) < len(more) < 400
    assert few < more


def test_open_cases_go_to_the_dear_scorer_under_a_name_of_their_own():
    results = scored(Dear(), rate=0.05, resolve=Resolve(scorer="cheap"))
    sample, resolved = named(results, "dear"), named(results, "dear" + OPEN_CASES)
    odd = {f"c{i}" for i in range(1, 400, 2)}

    assert resolved == odd - sample
    assert sample == {call.call.id for call in CALLS if nested_draw(call.call.id) < 0.05}
    assert sample - odd, "the sample does not care what the cheap scorer said"


def test_the_share_of_open_cases_is_drawn_apart_from_the_sample():
    resolved = named(scored(Dear(), rate=0.3, resolve=Resolve(scorer="cheap", rate=0.5)), "dear" + OPEN_CASES)
    outside = {f"c{i}" for i in range(1, 400, 2) if nested_draw(f"c{i}") >= 0.3}

    assert resolved < outside
    assert 0.35 < len(resolved) / len(outside) < 0.65


def test_a_call_is_judged_once_by_the_dear_scorer():
    dear = Dear()
    scored(dear, rate=0.5, resolve=Resolve(scorer="cheap"))

    assert len(dear.seen) == len(set(dear.seen))


def test_the_sample_is_the_same_whether_or_not_open_cases_are_resolved():
    assert named(scored(Dear(), rate=0.1), "dear") == named(
        scored(Dear(), rate=0.1, resolve=Resolve(scorer="cheap")), "dear"
    )


def an_allowance(clock, used=None, **limits):
    return Allowance({"dear": ScorerBudget(**limits)}, clock, used)


def test_a_used_up_budget_leaves_answers_unscored_and_counts_them():
    clock, dear = FakeClock(), Dear()
    allowance = an_allowance(clock, usd_per_day=1.0, usd_per_case=0.01)
    first, second = scored(dear, allowance), scored(dear, allowance)

    assert len(named(first, "dear")) == 400, "a batch that has begun is finished: no call is judged for some arms only"
    assert named(second, "dear") == set()
    assert named(second, "cheap") == named(first, "cheap")
    assert allowance.skipped == {("dear", "usd"): 400}
    assert allowance.ratios() == {("dear", "usd"): pytest.approx(4.0)}


def test_a_new_day_begins_with_a_whole_budget():
    clock = FakeClock()
    today = clock.wall_unix_ms() // DAY_MS
    allowance = an_allowance(clock, {"dear": Used(today, 9.0, 0.0)}, seconds_per_day=5)
    assert allowance.exhausted("dear") == "seconds"
    clock.advance(86_400)

    assert allowance.exhausted("dear") is None
    assert allowance.ratios() == {("dear", "seconds"): 0.0}


def test_a_scorer_without_a_budget_is_never_stopped():
    allowance = Allowance({}, FakeClock())
    allowance.charge("dear", 1e9, 10)

    assert allowance.exhausted("dear") is None
    assert allowance.ratios() == {}


def test_dollars_need_a_price():
    with pytest.raises(ValueError, match="usd_per_case"):
        ScorerBudget(usd_per_day=3)


@pytest.mark.parametrize(
    "scorers",
    [
        [{"kind": "judge", "resolve": {"scorer": "agreement"}}],
        [{"kind": "agreement", "resolve": {"scorer": "judge"}}, {"kind": "judge", "resolve": {"scorer": "agreement"}}],
    ],
)
def test_open_cases_have_to_come_from_a_scorer_that_is_there(scorers):
    with pytest.raises(ValueError, match=r"resolve\.scorer"):
        some_settings(scorers=scorers)
