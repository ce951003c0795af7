import pytest
from builders import a_call, a_delivery

from shadow.errors import DecodeError
from shadow.loops.intake import Intake
from shadow.sampling import Sampler
from shadow.settings import Filter, Sampling

NOW = 1_800_000_000_000


def intake(calls, *, rate=1.0, max_age_seconds=None, **filters):
    def decode(delivered):
        if isinstance(calls, Exception):
            raise calls
        return calls(delivered) if callable(calls) else calls

    return Intake(
        decode,
        Sampler(Sampling(rate=rate)),
        filters=Filter(**filters),
        max_age_seconds=max_age_seconds,
        now_unix_ms=lambda: NOW,
    )


def test_a_replayable_call_is_chosen_with_its_selection():
    judged = intake([a_call()]).judge(a_delivery())

    assert judged.disposition == "scored"
    assert judged.chosen[0].selection.counted
    assert judged.ids == ("call-1",)


def test_an_undecodable_record_keeps_its_reason():
    judged = intake(DecodeError("not_json")).judge(a_delivery())

    assert (judged.disposition, judged.reason, judged.chosen) == ("invalid", "not_json", ())


def test_a_record_that_is_too_large_is_not_even_decoded():
    judged = intake(AssertionError("decoded")).judge(a_delivery(value=None, oversized=True))

    assert judged.disposition == "oversized"


@pytest.mark.parametrize(
    ("call", "settings", "expected"),
    [
        (a_call(model="other"), {"model": ["prod"]}, "filtered"),
        (a_call(route="chat"), {"route": ["support"]}, "filtered"),
        (a_call(tags={"lang": "de"}), {"tag": {"lang": ["en"]}}, "filtered"),
        (a_call(ts_unix_ms=NOW - 7_200_000), {"max_age_seconds": 3600}, "expired"),
        (a_call(replayable=False, reason="token_ids"), {}, "not_replayable"),
    ],
)
def test_each_refusal_has_its_disposition(call, settings, expected):
    assert intake([call], **settings).judge(a_delivery()).disposition == expected


def test_age_and_filters_are_judged_before_sampling():
    judged = intake([a_call(ts_unix_ms=NOW - 9_000_000)], rate=1e-9, max_age_seconds=60).judge(a_delivery())

    assert judged.disposition == "expired"


def test_the_second_record_with_a_call_id_is_a_duplicate():
    i = intake([a_call()])

    assert i.judge(a_delivery(0)).disposition == "scored"
    assert (i.judge(a_delivery(1)).disposition, i.judge(a_delivery(1)).reason) == ("filtered", "duplicate")


def test_a_record_delivered_again_is_no_duplicate_of_itself():
    i = intake([a_call()])
    i.judge(a_delivery(0))

    assert i.judge(a_delivery(0)).disposition == "scored"


def test_a_chosen_call_is_paused_when_no_arm_may_be_asked():
    assert intake([a_call()]).judge(a_delivery(), may_ask=False).disposition == "paused"


def test_a_batch_with_one_chosen_call_counts_as_scored_and_keeps_only_that_call():
    calls = [a_call(id="a", index=0, replayable=False, reason="token_ids"), a_call(id="b", index=1)]

    judged = intake(calls).judge(a_delivery())

    assert judged.disposition == "scored"
    assert [c.call.id for c in judged.chosen] == ["b"]


def test_a_heartbeat_goes_through_and_no_arm_is_asked():
    judged = intake([a_call(heartbeat=True)]).judge(a_delivery())

    assert judged.disposition == "heartbeat"
    assert judged.chosen == ()
