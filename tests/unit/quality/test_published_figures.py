"""What docs/scorers/measured.md says of the frozen rules is what they do, and no later change of a rule can improve it."""

from pathlib import Path

import pytest

from bench.labelled import frozen, pairs
from bench.labelled.figures import auc, mean, share

PAGE = Path(__file__).parents[3] / "docs" / "scorers" / "measured.md"


@pytest.mark.parametrize("unseen", frozen.SETS, ids=[s.tag for s in frozen.SETS])
def test_the_page_holds_the_figures_of_the_frozen_rules(unseen: frozen.Unseen) -> None:
    why = frozen.absent(unseen)
    if why is not None:
        pytest.skip(why)
    name = "agreement, no model"
    kind, options = frozen.SCORERS[name]

    measured = frozen.measure(unseen, kind, options)
    row = pairs.line(unseen.name, f"{name}, at `{unseen.tag}`", pairs.load(unseen.path), measured)

    assert "| " + " | ".join(map(str, row[:-1])) + " |" in PAGE.read_text("utf-8")  # the cost moves, the rest may not


def test_a_perfect_and_a_reversed_ranking_are_one_and_nought() -> None:
    assert auc([0.9, 0.8], [0.1, 0.2]) == (1.0, 1.0, 1.0)
    assert auc([0.1], [0.9]) == (0.0, 0.0, 0.0)
    assert auc([0.5, 0.5], [0.5]).value == 0.5
    assert auc([], [0.5]).value is None


def test_intervals_hold_the_figure_and_are_the_same_twice() -> None:
    low, value, high = share(3, 30)
    assert low is not None
    assert value == 0.1
    assert high is not None
    assert (round(low, 4), round(high, 4)) == (0.0346, 0.2562)  # Wilson's, by hand
    assert share(0, 0).value is None
    assert mean([0.0, 1.0, 1.0]) == mean([0.0, 1.0, 1.0])
