"""The demo's models: decoded in batches they say what transformers' own generation says, one by one."""

import asyncio
import json
from itertools import islice

import aiohttp
import pytest

torch = pytest.importorskip("torch", reason="the demo's models need torch (extra `demo`)")
pytest.importorskip("transformers", reason="the demo's models need transformers (extra `demo`)")

from aiohttp import web  # noqa: E402

from shadow.demo.corpus import questions  # noqa: E402
from shadow.demo.engine import Decoder, Generation, load_checkpoint, rounded  # noqa: E402
from shadow.demo.roster import MODELS, Served  # noqa: E402
from shadow.demo.serving import ModelServer, read_request  # noqa: E402

pytestmark = pytest.mark.semantic


@pytest.fixture(scope="module")
def incumbent():
    torch.set_num_threads(1)
    return load_checkpoint(MODELS / "incumbent")


def prompts(tokenizer, count, seed=3):
    asked = [read_request({"model": "m", "messages": q.messages}).prompt for q in islice(questions(seed), count)]
    return [tokenizer.encode(text, add_special_tokens=False) for text in asked]


def decoded(decoder, generations, at_once):
    waiting, done = list(generations), []
    while waiting or decoder.busy:
        if decoder.busy:
            done += [g for g in decoder.step() if g.finish]
        news = [waiting.pop(0) for _ in range(min(len(waiting), decoder.free, at_once))]
        if news:
            done += [g for g in decoder.admit(news) if g.finish]
    assert len(done) == len(generations)
    return [g.out for g in generations]


def test_the_prompt_is_what_the_chat_template_gives(incumbent):
    _, tokenizer = incumbent
    for asked in islice(questions(9), 5):
        wanted = tokenizer.apply_chat_template(asked.messages, add_generation_prompt=True, tokenize=False)
        assert read_request({"model": "m", "messages": asked.messages}).prompt == wanted


@pytest.mark.parametrize("at_once", [1, 3, 10])
def test_greedy_answers_equal_those_of_plain_generation_however_they_are_batched(incumbent, at_once):
    model, tokenizer = incumbent
    ids = prompts(tokenizer, 10)
    plain = []
    for one in ids:
        out = model.generate(
            torch.tensor([one]), attention_mask=torch.ones(1, len(one), dtype=torch.long), max_new_tokens=64,
            do_sample=False, pad_token_id=0,
        )  # fmt: skip
        plain.append([t for t in out[0, len(one) :].tolist() if t != model.config.eos_token_id])

    assert decoded(Decoder(model, rows=4), [Generation(ids=i, max_new=64) for i in ids], at_once) == plain


def test_a_seed_gives_the_same_sample_whoever_is_beside_it(incumbent):
    model, tokenizer = incumbent
    ids = prompts(tokenizer, 6)

    def sampled(seeds):
        seeded = [
            Generation(ids=i, max_new=40, temperature=1.0, generator=torch.Generator().manual_seed(s))
            for i, s in zip(ids, seeds, strict=True)
        ]
        return decoded(Decoder(model, rows=8), seeded, 6)

    first, again = sampled([5, 5, 5, 5, 5, 5]), sampled([5, 9, 9, 9, 9, 9])
    assert first[0] == again[0]
    assert first[1:] != again[1:]


def test_an_answer_ends_at_its_limit(incumbent):
    model, tokenizer = incumbent
    generation = Generation(ids=prompts(tokenizer, 1)[0], max_new=3)

    (out,) = decoded(Decoder(model), [generation], 1)

    assert len(out) == 3
    assert generation.finish == "length"


def test_eight_bits_keep_nearly_every_answer(incumbent):
    model, tokenizer = incumbent
    eight, _ = load_checkpoint(MODELS / "incumbent", 8)
    ids = prompts(tokenizer, 40)
    full, less = (decoded(Decoder(m), [Generation(ids=i, max_new=64) for i in ids], 20) for m in (model, eight))

    assert sum(a == b for a, b in zip(full, less, strict=True)) >= 36


def test_rounding_has_so_many_levels_and_keeps_the_largest_weight():
    weight = torch.tensor([[0.5, -1.0, 0.013], [0.0, 0.0, 0.0]])

    less = rounded(weight, 4)

    assert torch.allclose(less[0] * 7, (less[0] * 7).round())
    assert less[0, 1] == -1.0
    assert (less[1] == 0).all()


async def served(work):
    server = ModelServer(
        (Served(name="good", checkpoint="small"), Served(name="flaky", checkpoint="small", fails_every=2))
    )
    runner = web.AppRunner(server.app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
            async with asyncio.timeout(60):
                await work(session)
    finally:
        await runner.cleanup()


def a_body(question, **changes):
    return {"model": "good", "messages": question.messages, "temperature": 0, "max_tokens": 64, **changes}


async def test_a_stream_has_role_text_finish_usage_and_done_and_says_what_one_body_says():
    (asked,) = islice(questions(4), 1)

    async def work(session):
        async with session.post("/v1/chat/completions", json=a_body(asked)) as whole:
            body = await whole.json()
        streamed = a_body(asked, stream=True, stream_options={"include_usage": True})
        async with session.post("/v1/chat/completions", json=streamed) as response:
            raw = (await response.text()).strip().split("\n\n")
        events = [json.loads(e.removeprefix("data: ")) for e in raw[:-1]]
        assert raw[-1] == "data: [DONE]"
        assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        assert events[-1]["choices"] == []
        assert events[-1]["usage"] == body["usage"]
        assert events[-2]["choices"][0]["finish_reason"] == body["choices"][0]["finish_reason"] == "stop"
        text = "".join(c["delta"].get("content", "") for e in events for c in e["choices"])
        assert text == body["choices"][0]["message"]["content"] != ""

    await served(work)


async def test_errors_have_their_status_and_faults_are_faults():
    asked = list(islice(questions(8), 8))

    async def work(session):
        async with session.post("/v1/chat/completions", data=b"{") as bad:
            assert bad.status == 400
        async with session.post("/v1/chat/completions", json=a_body(asked[0], model="nobody")) as unknown:
            assert unknown.status == 404
        async with session.post("/v1/chat/completions", json=a_body(asked[0], max_tokens=5000)) as long:
            assert long.status == 400
        async with session.get("/v1/models") as models:
            assert [m["id"] for m in (await models.json())["data"]] == ["good", "flaky"]
        seen = []
        for question in asked:
            try:
                async with session.post(
                    "/v1/chat/completions", json=a_body(question, model="flaky", stream=True)
                ) as response:
                    await response.read()
                    seen.append(response.status)
            except aiohttp.ClientError:
                seen.append("broken off")
        assert seen.count(200) == 4
        assert seen.count(500) == seen.count("broken off") == 2

    await served(work)
