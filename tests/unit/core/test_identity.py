from builders import an_outcome

from shadow.loops.identity import SAME_IN_A_ROW, IncumbentWatch
from shadow.records import Answer


def answered(model, fingerprint=None, **changes):
    return an_outcome(
        "incumbent", "incumbent", answer=Answer(text="x", model=model, system_fingerprint=fingerprint), **changes
    )


def said(watch, outcomes):
    return [sentence for o in outcomes if (sentence := watch.see(o)) is not None]


def test_the_first_identity_is_learned_without_a_word():
    watch = IncumbentWatch(None)

    assert said(watch, [answered("m-1")] * SAME_IN_A_ROW) == [""]
    assert watch.known == "m-1"


def test_a_swapped_model_is_said_once_with_both_names():
    watch = IncumbentWatch("m-1")

    (sentence,) = said(watch, [answered("m-2")] * (2 * SAME_IN_A_ROW))

    assert "m-2" in sentence
    assert "m-1" in sentence


def test_a_new_fingerprint_is_another_incumbent():
    watch = IncumbentWatch("m-1 (fp_a)")

    assert len(said(watch, [answered("m-1", "fp_b")] * SAME_IN_A_ROW)) == 1


def test_traffic_of_several_models_is_no_swap():
    watch = IncumbentWatch("m-1")

    assert said(watch, [answered("m-1"), answered("m-2"), answered("m-3")] * SAME_IN_A_ROW) == []


def test_failures_and_nameless_answers_say_nothing():
    watch = IncumbentWatch("m-1")

    assert said(watch, [answered("m-2", failure="timeout"), answered(None)] * SAME_IN_A_ROW) == []
