"""A policy that counts something else is answered from the stored outcomes: their sums are made anew, and verify agrees."""

from builders import some_settings
from builders_ledger import a_batch, a_question, a_row

from shadow.app.parts import fold_of
from shadow.ledger.sql import SqlLedger
from shadow.loops.recount import recount
from shadow.settings import Policy, Utility
from shadow.stats import FoldSpec, PairState, merge_states

KINDS = {"agreement": "absolute", "leakage": "absolute"}
GATE = {"id": "quality", "metric": "score", "kind": "mean_drop", "margin": 0.05}
BEFORE = Policy.model_validate({"violation": ["leakage"], "gates": [GATE]})
AFTER = BEFORE.model_copy(
    update={"utility": Utility(kind="linear", score_usd=0.01, violation_usd=0.5, max_cost_usd=0.1)}
)


def test_a_linear_utility_is_folded_anew_and_recomputed_bit_for_bit(url: str) -> None:
    before, after = (FoldSpec.from_policy(policy, KINDS) for policy in (BEFORE, AFTER))
    settings = some_settings(policy=AFTER.model_dump())
    ledger = SqlLedger.open(url, merge=merge_states)
    ledger.load_position(a_question(), group="g")
    ledger.open_epoch("cand", "cand", {}, 0, "first")
    assert ledger.refold(before.key, fold_of(before)) == 0
    for start in (0, 20):
        rows = [
            a_row(offset, arm, scores={"agreement": 0.5 + offset / 100, "leakage": 1.0}, cost_usd=cost)
            for offset in range(start, start + 20)
            for arm, cost in (("cand", 0.001 + offset / 10**4), ("incumbent", 0.003))
        ]
        calls = [rows[i : i + 2] for i in range(0, len(rows), 2)]
        ledger.commit(
            a_batch(start, 20, arms=("cand", "incumbent"), outcomes=tuple(rows), aggregates=fold_of(before)(calls))
        )
    with ledger.snapshot() as reader:
        refused = recount(reader, settings, after).differences

    made = ledger.refold(after.key, fold_of(after))

    with ledger.snapshot() as reader:
        states = [
            PairState.from_bytes(data) for key, data in reader.aggregates("pair", 1, "cand") if key.segment == "all"
        ]
        found = recount(reader, settings, after)
    ledger.close()
    assert len(refused) == 1
    assert "another policy" in refused[0]
    assert made > 0
    assert sum(state.worth.n for state in states) == 40
    assert found.differences == ()
    assert (found.verdicts, found.outcomes) == (1, 80)
