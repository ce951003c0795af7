"""The loop of an ablation, on an engine in memory whose answers depend on what is scaled."""

from pathlib import Path

import pytest

from scorers.registry import build
from shadow.errors import ConfigurationError, ShadowError
from shadow.records import Answer, ArmOutcome, Usage
from shadow.scoring import Entry
from shadow.suites.ablate_cases import read_cases
from shadow.suites.ablate_run import NotRestored, Wish, left, plan_of, visit
from shadow.suites.ablate_state import FILE, Begun, StateFile

IDENTITY = {"candidate": "a", "cases": "x"}


class MemoryEngine:
    """Two layers: the answer names what is scaled, but for layer 1, which is redundant."""

    def __init__(self):
        self.now: dict[str, float] = {}
        self.asked = 0
        self.die_at: int | None = None
        self.stays: set[str] = set()
        self.passed = True
        self.weights = "w"

    def describe(self):
        parts = [["attn", "mlp"], ["attn", "mlp"]]
        return {"model": "Toy", "layers": 2, "parts": parts, "eager": True, "ablated": sorted(self.now)}

    def ablate(self, targets, scale):
        self.now = {f"{layer}.{part}": scale for layer, part in targets}

    def restore(self):
        calls = dict.fromkeys(self.now, 5 if self.passed else 0)
        self.now = {k: v for k, v in self.now.items() if k in self.stays}
        return calls

    def fingerprint(self, layers=None):
        return [{"bytes": self.weights, "wiring": "w", "tensors": 3, "packed": 1}]

    def ask(self, cases):
        self.asked += 1
        if self.asked == self.die_at:
            return [outcome(None, "connection") for _ in cases]
        scaled = [key for key in self.now if not key.startswith("1.")]
        return [outcome(f"{case.call.id} {scaled}" if scaled else case.call.id) for case in cases]


def outcome(text, failure=None):
    answer = Answer(text=text, failure=failure, finish_reason="stop", usage=Usage(output_tokens=4))
    return ArmOutcome(arm="a", role="candidate", answer=answer, failure=failure)


@pytest.fixture
def cases(tmp_path):
    path = tmp_path / "cases.jsonl"
    path.write_text("".join(f'{{"id": "{i}", "prompt": "q{i}"}}\n' for i in range(6)))
    return read_cases(str(path), max_output_tokens=8).cases


ENTRIES = (Entry(label="exact", scorer=build("exact", {}, "exact")),)
WISH = Wish(layers="all", parts=("attn", "mlp"), scale=0.0)


def run(engine, cases, state, wish=WISH):
    return visit(engine, engine.ask, cases, ENTRIES, wish=wish, state=state, say=lambda _: None)


def test_what_matters_shows_and_what_is_redundant_does_not(tmp_path, cases):
    state = StateFile(tmp_path, IDENTITY)
    proof = run(MemoryEngine(), cases, state)

    assert {name: sum(one.changed) for name, one in state.done.items()} == {
        "0.attn": 6,
        "0.mlp": 6,
        "1.attn": 0,
        "1.mlp": 0,
    }
    assert state.done["0.attn"].scores["exact"] == [(0.0, 1.0)] * 6
    assert (proof.answers_same, proof.answers, proof.tensors) == (6, 6, 3)


def test_a_run_that_died_goes_on_where_it_was_and_repeats_nothing(tmp_path, cases):
    engine = MemoryEngine()
    engine.die_at = 2 + 2 + 1  # the two untouched passes, the first ablation with its probe, then the second
    with pytest.raises(ShadowError, match="run the same command again"):
        run(engine, cases, StateFile(tmp_path, IDENTITY))
    after = MemoryEngine()
    state = StateFile(tmp_path, IDENTITY)
    assert [one.name for one in left(WISH, state)] == ["0.mlp", "1.attn", "1.mlp"]
    run(after, cases, state)

    assert after.asked == 2 + 3 * 2 + 1
    assert left(WISH, StateFile(tmp_path, IDENTITY)) == ()


def test_a_line_that_a_kill_cut_short_is_done_again(tmp_path, cases):
    run(MemoryEngine(), cases, StateFile(tmp_path, IDENTITY))
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-20])

    assert [one.name for one in left(WISH, StateFile(tmp_path, IDENTITY))] == ["1.mlp"]


def test_the_state_holds_no_text(tmp_path, cases):
    run(MemoryEngine(), cases, StateFile(tmp_path, IDENTITY))

    assert "q1" not in (tmp_path / FILE).read_text()


def test_a_folder_of_another_ablation_is_refused_by_what_differs(tmp_path, cases):
    run(MemoryEngine(), cases, StateFile(tmp_path, IDENTITY))

    with pytest.raises(ConfigurationError, match=r"--out: .* \(differs in: cases\); give another folder"):
        StateFile(tmp_path, {**IDENTITY, "cases": "y"})


def test_a_damaged_state_is_refused(tmp_path):
    (tmp_path / FILE).write_text("{}\n")

    with pytest.raises(ConfigurationError, match="is damaged; delete it"):
        StateFile(tmp_path, IDENTITY)


def test_an_engine_with_other_weights_does_not_go_on_with_a_state(tmp_path, cases):
    engine = MemoryEngine()
    run(engine, cases, StateFile(tmp_path, IDENTITY), Wish(layers="0", parts=("mlp",), scale=0.0))
    engine.weights = "others"

    with pytest.raises(ConfigurationError, match="weights or answers are not those"):
        run(engine, cases, StateFile(tmp_path, IDENTITY))


def test_an_engine_that_does_not_come_back_is_noticed_and_its_figures_are_not_kept(tmp_path, cases):
    engine = MemoryEngine()
    engine.stays = {"0.attn"}
    state = StateFile(tmp_path, IDENTITY)

    with pytest.raises(NotRestored, match=r"after 0\.attn 4 of 4 answers differ"):
        run(engine, cases, state)
    assert state.done == {}


def test_changed_weights_are_noticed(tmp_path, cases):
    engine = MemoryEngine()
    plain = engine.restore
    engine.restore = lambda: (setattr(engine, "weights", "spoilt"), plain())[1]

    with pytest.raises(NotRestored, match="weights or wiring differ"):
        run(engine, cases, StateFile(tmp_path, IDENTITY))


def test_a_redundant_layer_that_stays_ablated_is_noticed_at_the_end(tmp_path, cases):
    engine = MemoryEngine()
    engine.stays = {"1.mlp"}

    with pytest.raises(NotRestored, match="at the end"):
        run(engine, cases, StateFile(tmp_path, IDENTITY), Wish(layers="1", parts=("mlp",), scale=0.0))


def test_an_ablation_that_was_never_passed_is_no_result(tmp_path, cases):
    engine = MemoryEngine()
    engine.passed = False

    with pytest.raises(ShadowError, match=r"never passed 0\.attn"):
        run(engine, cases, StateFile(tmp_path, IDENTITY))


def test_an_engine_that_answers_nothing_untouched_is_refused(tmp_path, cases):
    engine = MemoryEngine()
    engine.ask = lambda cases: [outcome(None, "http_4xx") for _ in cases]

    with pytest.raises(ShadowError, match=r"none of 6 cases \(http_4xx\)"):
        run(engine, cases, StateFile(tmp_path, IDENTITY))


def test_a_part_that_a_layer_lacks_is_named():
    begun = Begun(model="Toy", parts=[["mlp"]], weights=[], answers="", repeated=1, answered=1, cases=1)

    with pytest.raises(ConfigurationError, match="--parts: layer 0 of Toy has no attn; its parts: mlp"):
        plan_of(WISH, begun)


def test_a_state_file_is_beside_the_output(tmp_path):
    StateFile(tmp_path / "new" / "folder", IDENTITY)

    assert (Path(tmp_path) / "new" / "folder" / FILE).exists()
