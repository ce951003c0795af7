"""The collected oddities of real traffic, read in this process; skipped where the collection is not at hand."""

import base64
import importlib.util
import itertools
import json
import random
from pathlib import Path

import pytest

from shadow.cli.decode_lines import report
from shadow.wire.answers import AnswerReader

WILD = Path(__file__).parents[3] / ".." / "shared" / "data" / "wild"
KINDS = {"sse": "sse", "response": "response"}
CANARY = "EXAMPLE-NOT-A-KEY"

pytestmark = pytest.mark.skipif(not (WILD / "cases.jsonl").exists(), reason="the collection of wild cases is not here")


@pytest.fixture(scope="module")
def compare():
    spec = importlib.util.spec_from_file_location("wild_compare", WILD / "compare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cases():
    return [json.loads(line) for line in (WILD / "cases.jsonl").read_text(encoding="utf-8").splitlines()]


def lines_of(case, compare):
    values = compare.reads(case)
    if case["format"] == "sse":
        values = [b"".join(values)]
    kind = KINDS.get(case["format"], "record")
    packed = [b"" if v is None else base64.b64encode(v) for v in values]
    return [
        json.loads(report(n, p, kind=kind, format="auto", encoded=True, max_output_tokens=2048))
        for n, p in enumerate(packed)
    ]


def test_every_case_is_read_as_expected(cases, compare):
    wrong = {}
    for case in cases:
        calls = list(itertools.chain.from_iterable(line["calls"] for line in lines_of(case, compare)))
        unreported = dict.fromkeys(compare.SCALARS, 0)
        found = compare.check(case["expect"], calls, unreported)
        if found or any(unreported.values()):
            wrong[case["id"]] = found or unreported

    assert wrong == {}


def limit_of(body):
    return body.get("max_completion_tokens", body.get("max_tokens"))


def test_what_would_be_sent_is_as_expected(cases, compare):
    checked = 0
    for case in cases:
        want = case["expect"].get("send")
        if not want:
            continue
        (line,) = lines_of(case, compare)
        body = line["calls"][0].get("send")
        if body is None:
            assert "not_text_only" in want, case["id"]
            continue
        checked += 1
        assert set(want.get("keep", ())) <= body.keys(), case["id"]
        assert not set(want.get("drop", ())) & body.keys(), case["id"]
        assert want.get("limit", limit_of(body)) == limit_of(body), case["id"]
        assert want.get("tools_count", len(body.get("tools", ()))) == len(body.get("tools", ())), case["id"]

    assert checked


def test_the_canary_is_in_no_reason_and_in_nothing_that_is_sent(cases, compare):
    for case in cases:
        for line in lines_of(case, compare):
            kept = [line["reason"], [(c.get("reason"), c.get("send")) for c in line["calls"]]]
            assert CANARY not in json.dumps(kept), case["id"]


def test_any_split_of_a_stream_gives_the_same_answer(cases, compare):
    rng = random.Random(7)
    for case in cases:
        if case["format"] != "sse":
            continue
        whole = b"".join(compare.reads(case))[:20_000]
        splits = [[whole], [whole[i : i + 1] for i in range(len(whole))]]
        for _ in range(20):
            at = rng.randrange(len(whole) + 1)
            splits.append([whole[:at], whole[at:]])
        results = []
        for pieces in splits:
            reader = AnswerReader(200, {"content-type": "text/event-stream"})
            for piece in pieces:
                reader.feed(piece)
            answer = reader.finish()
            results.append((answer, reader.first_output_event, reader.first_answer_event))
        assert all(result == results[0] for result in results), case["id"]
