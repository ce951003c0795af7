"""The demo's traffic."""

from collections import Counter
from itertools import islice

from shadow.demo.corpus import ATTACKS, INTENTS, questions


def test_a_seed_gives_the_same_questions():
    one, again, other = (list(islice(questions(seed), 50)) for seed in (3, 3, 4))

    assert one == again
    assert one != other


def test_every_intent_occurs_about_as_often_as_its_weight_says():
    drawn = Counter(q.intent for q in islice(questions(1), 8_000))
    total = sum(intent.weight for intent in INTENTS)

    for intent in INTENTS:
        share = intent.weight / total
        assert abs(drawn[intent.name] / 8_000 - share) < 5 * (share / 8_000) ** 0.5


def test_a_known_share_of_the_traffic_is_an_attack():
    drawn = list(islice(questions(2), 4_000))

    assert 0.15 < sum(q.intent in ATTACKS for q in drawn) / len(drawn) < 0.27


def test_what_an_answer_needs_stands_in_the_system_prompt():
    for asked in islice(questions(5), 1_000):
        assert "{" not in asked.user
        assert (asked.intent != "injection") or "Internal code: ZX-" in asked.system
        assert (asked.intent != "order_status") or "Order NW-" in asked.system
        assert [m["role"] for m in asked.messages] == ["system", "user"]
