"""A candidate that becomes worse is noticed within minutes; one that stays as it is, is left alone."""

import random
from types import SimpleNamespace

from shadow.ledger.base import AggregateKey
from shadow.loops.changes import ChangeWatch, mix_drift
from shadow.stats import ArmState, FoldSpec, Pair, PairState

SPEC = FoldSpec(quality="relevance", quality_kind="absolute", violations=("leakage",))


class Kept:
    """The ledger as the watch reads it: minutes of one candidate."""

    def __init__(self):
        self.rows, self.arms, self.minute, self.states = [], [], 0, {}

    def minutes(self, count, drop, rng):
        for _ in range(count):
            state = PairState(SPEC.key)
            for i in range(40):
                base = min(1.0, max(0.0, rng.gauss(0.8, 0.1)))
                mine = min(1.0, max(0.0, base - drop + rng.gauss(0, 0.05)))
                state.add(Pair(id=f"{self.minute}/{i}", score=(mine, base), failure=(False, False)), SPEC)
            self.rows.append((AggregateKey("pair", 1, "c", "all", self.minute, 0), state.to_bytes()))
            self.minute += 1

    def routes(self, minute, bits=6, **counts):
        for route, n in counts.items():
            state = ArmState(outcomes=n)
            state.sizes["input_tokens"][bits] = n
            self.arms.append((AggregateKey("arm", 0, "incumbent", f"route={route}", minute, 0), state.to_bytes()))

    def positions(self):
        return [SimpleNamespace(last_ts_unix_ms=self.minute * 60_000)]

    def aggregates(self, kind, epoch, subject):
        return iter(self.rows if kind == "pair" else self.arms)


def watched(kept):
    return ChangeWatch(kept.states.get, kept.states.__setitem__).look(kept, {"c": 1}, SPEC.key)


def test_a_drop_raises_the_alarm_and_a_restart_of_the_monitor_keeps_it():
    kept, rng = Kept(), random.Random(1)
    kept.minutes(60, 0.0, rng)
    assert watched(kept).alarms == {}
    kept.minutes(30, 0.15, rng)

    assert "quality became worse" in watched(kept).alarms["c"]
    assert "quality became worse" in watched(kept).alarms["c"]
    assert watched(kept).levels["c", "score"] >= 1


def test_a_candidate_that_was_always_worse_raises_no_alarm():
    kept, rng = Kept(), random.Random(2)
    kept.minutes(60, 0.1, rng)
    watched(kept)
    kept.minutes(240, 0.1, rng)

    assert watched(kept).alarms == {}


def test_a_minute_is_counted_once_however_often_the_watch_looks():
    kept, rng = Kept(), random.Random(3)
    kept.minutes(40, 0.0, rng)
    watched(kept)
    kept.minutes(5, 0.0, rng)
    first = watched(kept).levels

    assert watched(kept).levels == first


def test_traffic_that_moves_to_another_route_is_said_and_steady_traffic_is_not():
    kept = Kept()
    for minute in range(0, 2000, 10):
        kept.routes(minute, chat=20, search=20)
    assert mix_drift(kept) == (None, None)
    for minute in range(2000, 2600, 10):
        kept.routes(minute, chat=2, search=60)

    assert "routes" in mix_drift(kept)[0]


def test_routes_whose_shares_are_fixed_may_move_and_the_lengths_within_them_may_not():
    kept, shares = Kept(), {"route=chat": 0.5, "route=search": 0.5}
    for minute in range(0, 2000, 10):
        kept.routes(minute, chat=20, search=20)
    for minute in range(2000, 2600, 10):
        kept.routes(minute, chat=12, search=60)
    held, of_the_mix = mix_drift(kept, shares)
    assert held is None
    assert "other routes" in of_the_mix

    for minute in range(2600, 3200, 10):
        kept.routes(minute, bits=12, chat=12, search=60)

    assert "prompt lengths within route=" in mix_drift(kept, shares)[0]


def test_fixed_languages_do_not_excuse_routes_that_move():
    kept = Kept()
    for minute in range(0, 2000, 10):
        kept.routes(minute, chat=20, search=20)
    for minute in range(2000, 2600, 10):
        kept.routes(minute, chat=2, search=60)

    held, of_the_mix = mix_drift(kept, {"lang=en": 0.5, "lang=de": 0.5})

    assert "other routes" in held
    assert of_the_mix is None
