"""What Shadow makes of the answers of vLLM's development routes."""

from urllib.parse import urlsplit

import pytest
from fakes.json_server import Canned, serving

from shadow.errors import ShadowError, UnreachableError
from shadow.replay.vllm_control import EngineControl


def ask(canned, what):
    with serving(canned) as url:
        return what(EngineControl(urlsplit(url).port))


def results(*workers):
    return {"results": list(workers)}


def test_an_engine_without_development_routes_is_named_with_the_remedy():
    with pytest.raises(UnreachableError, match="without VLLM_SERVER_DEV_MODE=1"):
        ask(Canned({}, status=404), lambda c: c.describe())


def test_an_engine_without_the_extension_is_named_with_the_remedy():
    with pytest.raises(UnreachableError, match=r"shadow_describe \(status 500\): the ablation extension is not loaded"):
        ask(Canned({}, status=500), lambda c: c.describe())


@pytest.mark.parametrize("reply", [{}, [], {"results": 3}, {"results": []}, {"results": [3]}])
def test_an_answer_of_something_else_is_no_traceback(reply):
    with pytest.raises(UnreachableError):
        ask(Canned(reply), lambda c: c.describe())


def test_what_the_extension_refuses_is_said_in_its_words():
    with pytest.raises(ShadowError, match="cannot be ablated: it is compiled"):
        ask(Canned(results({"error": "it is compiled"})), lambda c: c.ablate([(0, "mlp")], 0.0))


def test_nobody_listening_is_named():
    with serving(Canned({})) as url:
        port = urlsplit(url).port

    with pytest.raises(UnreachableError, match=f"does not answer on 127.0.0.1:{port}"):
        EngineControl(port).restore()


def test_parts_of_pipeline_stages_are_joined_and_calls_of_workers_added():
    stages = results({"model": "M", "layers": 2, "parts": [["mlp"], []]}, {"layers": 2, "parts": [[], ["attn", "mlp"]]})
    calls = results({"calls": {"0.mlp": 2}}, {"calls": {"0.mlp": 3, "1.mlp": 1}})

    assert ask(Canned(stages), lambda c: c.describe())["parts"] == [["mlp"], ["attn", "mlp"]]
    assert ask(Canned(calls), lambda c: c.restore()) == {"0.mlp": 5, "1.mlp": 1}


def test_a_part_that_no_worker_holds_is_named():
    canned = Canned(results({"ablated": ["0.mlp"]}, {"ablated": []}))

    with pytest.raises(ShadowError, match=r"has no 0\.attn to ablate"):
        ask(canned, lambda c: c.ablate([(0, "mlp"), (0, "attn")], 0.0))


def test_every_change_of_the_model_empties_the_prefix_cache():
    ablated, restored = Canned(results({"ablated": ["0.mlp"]})), Canned(results({"calls": {}}))
    ask(ablated, lambda c: c.ablate([(0, "mlp")], 0.5))
    ask(restored, lambda c: c.restore())

    assert ablated.requests[0] == {"method": "shadow_ablate", "args": [[[0, "mlp"]], 0.5]}
    assert ablated.paths == restored.paths == ["/collective_rpc", "/reset_prefix_cache"]
