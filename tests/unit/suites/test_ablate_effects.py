"""What the answers of an ablated engine amount to."""

from xml.etree import ElementTree

import pytest

from scorers.base import Score
from shadow.records import Answer, ArmOutcome, Call, Usage
from shadow.scoring import Entry
from shadow.suites.ablate_cases import AblationCase
from shadow.suites.ablate_effects import Measured, findings, measured
from shadow.suites.ablate_report import picture


class Same:
    """1 where the judged answer is the untouched one's text."""

    name, version = "same", "1"

    def __init__(self, kind):
        self.kind = kind

    def score(self, cases):
        return [Score(value=float(c.candidate.text == c.incumbent.text), reason="compared") for c in cases]


def answered(text, tokens=2):
    answer = Answer(text=text, usage=Usage(output_tokens=tokens))
    return ArmOutcome(arm="a", role="candidate", answer=answer)


def failed(kind):
    return ArmOutcome(arm="a", role="candidate", answer=Answer(failure=kind), failure=kind)


def case(number):
    return AblationCase(call=Call(index=0, id=str(number), request={"messages": []}))


def one(untouched, again, ablated, kind="comparative"):
    entry = Entry(label="same", scorer=Same(kind))
    return measured("0.mlp", [case(0)], ([untouched], [again], [ablated]), [entry], 1.0)


def test_a_comparative_score_is_taken_against_what_asking_again_changes():
    assert one(answered("a"), answered("b"), answered("c")).scores["same"] == [(0.0, 0.0)]
    assert one(answered("a"), answered("a"), answered("c")).scores["same"] == [(0.0, 1.0)]


def test_an_absolute_score_is_taken_against_the_first_answer():
    assert one(answered("a"), answered("b"), answered("c"), "absolute").scores["same"] == [(0.0, 1.0)]


def test_an_answer_that_never_came_counts_nothing_and_is_counted_as_failure():
    found = one(answered("a"), answered("a"), failed("empty"))

    assert found.scores["same"] == [(0.0, 1.0)]
    assert found.failures == {"empty": 1}
    assert found.changed == [True]


def test_what_the_untouched_engine_failed_is_in_no_pair():
    found = one(failed("http_4xx"), failed("http_4xx"), answered("a"))

    assert (found.scores["same"], found.changed, found.failures) == ([None], [None], {})


def kept(name, pairs):
    return Measured(name=name, scores={"q": pairs}, changed=[a != b for a, b in pairs])


def verdicts(*every, margin=0.08):
    n = max(len(m.changed) for m in every)
    return findings(every, [str(i) for i in range(n)], quality="q", margin=margin, alpha=0.05)


def test_a_harmful_ablation_is_worse_a_redundant_one_is_not_and_few_cases_decide_nothing():
    harmful, redundant = kept("0.mlp", [(0.0, 1.0)] * 160), kept("1.mlp", [(1.0, 1.0)] * 160)
    few = kept("2.mlp", [(1.0, 1.0)] * 5)

    assert [f.state for f in verdicts(harmful, redundant, few)] == ["worse", "not_worse", "undecided"]


def test_a_drop_within_the_margin_is_not_worse():
    slight = kept("0.mlp", [(0.0, 1.0)] * 10 + [(1.0, 1.0)] * 990)

    (found,) = verdicts(slight)
    assert found.state == "not_worse"
    assert found.effects["q"].point == pytest.approx(-0.01)
    assert found.effects["q"].lower < -0.01 < found.effects["q"].upper


def test_many_harmless_ablations_raise_the_bar_for_one_that_looks_bad():
    borderline = kept("0.mlp", [(0.0, 1.0)] * 10 + [(1.0, 1.0)] * 4)
    many = [kept(f"{i}.mlp", [(1.0, 1.0)] * 14) for i in range(1, 60)]

    assert verdicts(borderline)[0].state == "worse"
    assert verdicts(borderline, *many)[0].state == "undecided"


def test_nothing_judged_has_no_state_and_no_numbers():
    (found,) = verdicts(Measured(name="0.mlp", scores={"q": [None, None]}, changed=[None, None]))

    assert found.state is None
    assert found.effects["q"].point is found.effects["q"].lower is None


def test_the_picture_draws_a_bar_with_its_words_for_each_and_stays_well_formed():
    found = verdicts(kept("0.mlp", [(0.0, 1.0)] * 40), kept("1.mlp", [(1.0, 1.0)] * 40))
    drawing = ElementTree.fromstring(picture(found, quality="q", margin=0.08, title='a <b> & "c"'))
    bars = [
        node.find("{*}rect").attrib
        for node in drawing.iter("{http://www.w3.org/2000/svg}g")
        if node.find("{*}rect") is not None
    ]

    assert len(bars) == 2
    assert float(bars[0]["height"]) > 20 * float(bars[1]["height"])
    assert "0.mlp: -1.000" in "".join(drawing.itertext())
