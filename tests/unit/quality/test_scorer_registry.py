"""The registry names what is wrong, and a scorer's crash is a counted value."""

import math
from collections.abc import Sequence

import pytest

from scorers import registry
from scorers.base import Case, Reply, Score, ScorerFailure, ScorerKind
from scorers.running import run_scorer


class Fragile:
    name, version = "fragile", "1"
    kind: ScorerKind = "absolute"

    def score(self, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
        values = {"nan": math.nan, "two": 2.0, "ok": 0.5}
        if any(case.id == "bad" for case in cases):
            raise KeyError("secret text")
        return [Score(value=values[case.id], reason="r") for case in cases]


def case(name: str) -> Case:
    return Case(id=name, prompt="p", candidate=Reply(text="x"))


def test_one_bad_case_costs_one_case() -> None:
    results = run_scorer(Fragile(), [case("ok"), case("bad"), case("ok")])

    assert [getattr(r, "value", None) for r in results] == [0.5, None, 0.5]
    assert results[1] == ScorerFailure(kind="KeyError")


@pytest.mark.parametrize("name", ["nan", "two"])
def test_a_value_that_is_no_score_is_a_failure(name: str) -> None:
    assert run_scorer(Fragile(), [case(name)]) == [ScorerFailure(kind="OutOfRange")]


def test_a_wrong_number_of_results_is_a_failure_of_each_case() -> None:
    class Short(Fragile):
        def score(self, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
            return []

    assert run_scorer(Short(), [case("a"), case("b")]) == [ScorerFailure(kind="WrongNumberOfResults")] * 2


def test_a_misspelt_kind_or_option_is_answered_with_the_right_one() -> None:
    with pytest.raises(registry.UnknownScorer, match="did you mean 'agreement'"):
        registry.build("agrement")
    with pytest.raises(registry.UnknownScorer, match="no option 'similarty'; did you mean 'similarity'"):
        registry.build("agreement", {"similarty": "off"})
    with pytest.raises(registry.UnknownScorer, match="pattern"):
        registry.build("regex", {"pattern": "("})


def test_options_are_part_of_the_version() -> None:
    loose, strict = registry.build("exact"), registry.build("exact", {"mode": "exact"})

    assert loose.version != strict.version
    assert strict.version == registry.build("exact", {"mode": "exact"}).version


def test_every_listed_kind_has_a_module_with_the_convention() -> None:
    import importlib

    for kind, info in registry.available().items():
        module = importlib.import_module(f"scorers.{registry._BUILT_IN[kind][0]}")
        assert callable(module.build)
        assert module.SETTINGS.model_config["extra"] == "forbid"
        assert info.summary


def test_a_yaml_off_is_the_word_off() -> None:
    assert registry.settings_of("agreement", {"similarity": False}) == registry.settings_of(
        "agreement", {"similarity": "off"}
    )


def test_building_a_light_scorer_does_not_load_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from scorers import registry; registry.available(); registry.build('agreement', {'similarity': 'off'});"
        "registry.build('exact'); assert 'torch' not in sys.modules, 'torch was loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
