"""A scorer under watch: well while it says what it said, drifted soon after it does not, and never blamed for an outage."""

import json
from dataclasses import replace

import pytest
from builders import some_settings
from fakes.clock import FakeClock

from scorers.base import Score, ScorerFailure
from scorers.registry import build
from scorers.running import run_scorer
from shadow.allowance import Allowance
from shadow.anchors import refresh
from shadow.anchors.cases import Human, Reference, agrees, anchors_of, shipped_references
from shadow.anchors.watch import Watch
from shadow.errors import ConfigurationError
from shadow.loops.handoff import Beat
from shadow.loops.probing import DRIFT_NOTE, Prober, Remembered, remembered
from shadow.scoring import Entry, Scoring
from shadow.settings import Anchors

ANCHORS = anchors_of(None)
NOW = 1_795_600_000_000
BEAT = Beat(number=1, whole=True, began_unix_ms=NOW)


class Umpire:
    """A preference scorer with an opinion of its own, which a test may change, and noise where asked for."""

    name, kind, version = "umpire", "preference", "1"

    def __init__(self):
        self.value, self.noise, self.down, self.asked = 0.5, 0, False, 0

    def score(self, cases):
        results = []
        for _ in cases:
            self.asked += 1
            if self.down:
                results.append(ScorerFailure(kind="EndpointError"))
                continue
            odd = self.noise and self.asked % self.noise == 0
            results.append(Score(value=1.0 - self.value if odd else self.value, reason="said so"))
        return results


class Ledger:
    """Notes and states."""

    def __init__(self):
        self.states, self.facts = {}, {}

    def put_state(self, name, value):
        self.states[name] = value

    def put_note(self, kind, subject, key, value, at_unix_ms):
        new = (kind, subject, key) not in self.facts
        self.facts.setdefault((kind, subject, key), value)
        return new


def a_prober(scorer, past=None, kind="judge", now=None, **anchors):
    entry = Entry(label="umpire", kind=kind, scorer=scorer)
    return Prober(
        Scoring([entry]),
        ANCHORS,
        Anchors(**{"dear_every": 0, **anchors}),
        instance="here",
        allowance=Allowance({}, FakeClock()),
        remembered=past or Remembered(),
        now_unix_ms=now or iter(range(NOW, NOW + 10**9, 1000)).__next__,
    )


def beats(prober, count):
    return [prober.run(BEAT) for _ in range(count)]


def taught(scorer, **anchors):
    """A prober whose scorer has become its own reference, its noise known."""
    prober = a_prober(scorer, **anchors)
    for _ in range(200):
        if not prober.run(BEAT).looks[0].learning:
            return prober
    raise AssertionError("it never stopped learning")


@pytest.mark.parametrize("scorer", sorted(shipped_references()))
def test_the_references_in_the_package_cover_every_case(scorer):
    assert set(shipped_references()[scorer]) == {anchor.case.id for anchor in ANCHORS}


@pytest.mark.parametrize("kind", refresh.LOCAL)
def test_a_local_scorer_says_today_what_the_package_says_it_said(kind):
    """After a scorer's version changed on purpose: `python -m shadow.anchors.refresh`, and read the difference."""
    scorer = build(kind)
    known = shipped_references().get(f"{kind}/{scorer.version}")
    if known is None:
        others = [name for name in shipped_references() if name.startswith(f"{kind}/{scorer.version.split('+')[0]}")]
        assert others, f"no reference for {kind}/{scorer.version}: run python -m shadow.anchors.refresh"
        pytest.skip(f"{kind}/{scorer.version} runs on other hardware or without its model here")
    watch = Watch(
        label=kind,
        kind=kind,
        sort=scorer.kind,
        scorer="x",
        anchors=ANCHORS,
        shipped=known,
        tolerance=0.05,
        alpha=0.01,
    )
    if not watch.watched or watch.learning:
        pytest.skip(f"{kind} has nothing to judge in these cases")
    for i in range(15):
        drawn = watch.next(10)
        look = watch.see(drawn, run_scorer(scorer, [a.case for a in drawn]), NOW + i)

    assert look.good
    assert not look.drifted
    assert look.deviation < 0.01


def test_people_and_the_default_quality_agree_on_nearly_every_case():
    scorer = build("agreement", {"similarity": "off"})
    said = run_scorer(scorer, [a.case for a in ANCHORS])
    right = [
        agrees("agreement", "comparative", a.human, s.value)
        for a, s in zip(ANCHORS, said, strict=True)
        if s.value is not None
    ]
    asked = [r for r in right if r is not None]

    assert len(asked) >= 25
    assert sum(asked) >= len(asked) - 2


def test_a_person_who_was_not_asked_agrees_with_nobody():
    assert agrees("agreement", "comparative", Human(), 1.0) is None
    assert agrees("judge", "preference", Human(better="candidate"), 1.0) is True
    assert agrees("judge", "preference", Human(better="neither"), 1.0) is False
    assert agrees("leakage", "absolute", Human(leak=True), 0.0) is True
    assert agrees("schema", "absolute", Human(leak=True), 0.0) is None


def test_a_steady_scorer_never_drifts_and_is_good_at_every_beat():
    prober = taught(Umpire())
    found = [probed.looks[0] for probed in beats(prober, 400)]

    assert all(look.good for look in found)
    assert not found[-1].drifted


def test_a_scorer_that_always_wavers_a_little_is_not_blamed_for_it():
    umpire = Umpire()
    umpire.noise = 9
    umpire.value = 0.8
    prober = taught(umpire)
    last = beats(prober, 400)[-1].looks[0]

    assert not last.drifted
    assert last.tolerated > 0.05


def test_a_model_that_is_exchanged_behind_its_name_is_found_within_minutes_and_latched():
    umpire, ledger = Umpire(), Ledger()
    prober = taught(umpire)
    beats(prober, 300)
    umpire.value = 0.0
    found = beats(prober, 20)
    first = next(i for i, probed in enumerate(found) if probed.looks[0].drifted)
    for probed in found:
        prober.keep(ledger, probed)

    assert first <= 15
    assert list(ledger.facts) == [(DRIFT_NOTE, "umpire", "preference/1/1")]
    fact = ledger.facts[DRIFT_NOTE, "umpire", "preference/1/1"]
    assert found[0].at_unix_ms - 3000 <= fact["since_unix_ms"] <= found[0].at_unix_ms + 5000


def test_a_wrong_answer_is_no_good_beat_before_anything_is_proven():
    umpire = Umpire()
    prober = taught(umpire)
    umpire.value = 0.0

    assert not prober.run(BEAT).looks[0].good


def test_a_server_that_is_down_is_missed_and_is_no_drift():
    umpire = Umpire()
    prober = taught(umpire)
    umpire.down = True
    found = [probed.looks[0] for probed in beats(prober, 60)]

    assert not any(look.good for look in found)
    assert not found[-1].drifted


def test_a_restart_goes_on_where_the_watch_stood():
    umpire = Umpire()
    prober = taught(umpire)
    state = beats(prober, 30)[-1].state
    again = a_prober(umpire, remembered(state))
    umpire.value = 0.0

    assert not again.run(BEAT).looks[0].learning
    assert beats(again, 20)[-1].looks[0].drifted


@pytest.mark.parametrize(("kind", "asked"), [("judge", 3), ("plugin", 4 * 20)])
def test_a_scorer_that_asks_a_model_elsewhere_is_asked_seldom(kind, asked):
    clock = FakeClock()
    prober = a_prober(Umpire(), kind=kind, now=clock.wall_unix_ms, dear_every=300)
    while prober.run(BEAT).looks[0].learning:
        clock.advance(60)
    umpire = prober._scoring.entries[0].scorer
    clock.advance(300)
    umpire.asked = 0
    looks = []
    for _ in range(20):
        prober.run(BEAT)
        looks.append(umpire.asked)
        clock.advance(40)

    assert umpire.asked == asked
    assert looks[0] > 0


def test_another_version_of_the_scorer_begins_anew():
    umpire = Umpire()
    state = beats(taught(umpire), 3)[-1].state
    umpire.version = "2"

    assert a_prober(umpire, remembered(state)).run(BEAT).looks[0].learning


def test_a_state_that_nobody_can_read_costs_a_new_beginning():
    assert remembered(b"\xff\x00").watches == {}


def test_a_scorer_with_nothing_to_judge_is_not_said_to_be_well():
    class Mute(Umpire):
        def score(self, cases):
            return [Score(value=None, reason="no JSON") for _ in cases]

    prober = a_prober(Mute(), kind="plugin")
    beats(prober, 20)

    assert prober.run(BEAT).looks == ()
    assert prober.watched == ()


def test_a_case_that_always_fails_does_not_keep_a_scorer_from_learning():
    class Choosy(Umpire):
        def score(self, cases):
            results = super().score(cases)
            return [
                ScorerFailure(kind="KeyError") if case.id == ANCHORS[3].case.id else result
                for case, result in zip(cases, results, strict=True)
            ]

    assert not taught(Choosy(), cases=8).run(BEAT).looks[0].learning


def test_an_operators_own_references_are_not_learnt(tmp_path):
    lines = [
        {"id": f"c{i}", "prompt": "?", "incumbent": "a", "candidate": "b", "reference": {"umpire": 0.5}}
        for i in range(6)
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    anchors = anchors_of(str(path))
    watch = Watch(
        label="umpire",
        kind="judge",
        sort="preference",
        scorer="x",
        anchors=anchors,
        shipped=None,
        tolerance=0.05,
        alpha=0.01,
    )

    assert not watch.learning


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "line 1: not JSON"),
        ('{"id": "a"}', "line 1: candidate is missing"),
        ('{"id": "a", "candidate": "x", "secret-word": 1}', "line 1: secret-word is wrong"),
        ('{"id": "a", "candidate": "x"}\n{"id": "a", "candidate": "x"}', "line 2: the id stands twice"),
        ('{"id": "a", "candidate": "x"}', "1 cases; write 5"),
    ],
)
def test_a_file_of_cases_is_refused_by_line_and_field(tmp_path, text, problem):
    path = tmp_path / "own.jsonl"
    path.write_text(text)

    with pytest.raises(ConfigurationError, match=problem):
        anchors_of(str(path))


def test_draws_are_spread_over_the_cases_and_the_same_on_every_run():
    def draws():
        watch = Watch(
            label="exact",
            kind="exact",
            sort="comparative",
            scorer="comparative/1/1",
            anchors=ANCHORS,
            shipped={a.case.id: Reference(value=1.0 if a.case.incumbent else None) for a in ANCHORS},
            tolerance=0.05,
            alpha=0.01,
        )
        return [a.case.id for a in watch.next(600)]

    first = draws()

    assert first == draws()
    judged = [a for a in ANCHORS if a.case.incumbent]
    assert len(set(first)) == len(judged)
    assert max(first.count(i) for i in set(first)) < 3 * 600 / len(judged)


def test_the_settings_refuse_heartbeats_into_a_file():
    with pytest.raises(ValueError, match="needs a Kafka source"):
        some_settings(source={"kind": "jsonl", "path": "x"}, heartbeat={"produce": True})


def test_a_generation_is_another_instrument():
    entry = Entry(label="umpire", scorer=Umpire())

    assert entry.description == "preference/1/1"
    assert replace(entry, generation=2).description == "preference/1/1/2"
