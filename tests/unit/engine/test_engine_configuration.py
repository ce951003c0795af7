"""What `shadow check` says of budgets, governor and engines before anything runs."""

import json

import pytest

from shadow.app.checking import metrics_url, validated
from shadow.errors import ConfigurationError

ENGINE = {"name": "a", "backend": {"kind": "openai", "url": "http://127.0.0.1:1/v1", "model": "m"}}


def written(folder, **sections):
    path = folder / "shadow.yaml"
    path.write_text(
        json.dumps({"candidates": [ENGINE], "ledger": {"url": f"sqlite:///{folder}/shadow.db"}, **sections})
    )
    return str(path)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"governor": {}}, "governor.metrics_url"),
        ({"budget": {"usd_per_day": 5}}, "can never be reached: no candidate has a price"),
        ({"budget": {"gpu_seconds_per_day": 5}}, "gpu_usd_per_hour"),
        ({"candidates": [{"name": "a", "backend": {"kind": "vllm", "model": "/no/such"}}]}, "/no/such/config.json"),
    ],
)
def test_what_could_never_work_is_refused_with_its_place(tmp_path, sections, words):
    with pytest.raises(ConfigurationError, match=words.replace(".", r"\.")):
        validated(written(tmp_path, **sections))


@pytest.mark.parametrize("base", ["http://10.0.0.1:8000/v1", "http://10.0.0.1:8000/v1/", "http://10.0.0.1:8000"])
def test_without_an_address_the_governor_reads_the_baselines_server(tmp_path, base):
    document = validated(written(tmp_path, governor={}, baseline={"url": base, "model": "prod"}))

    assert metrics_url(document.settings) == "http://10.0.0.1:8000/metrics"


def test_tokens_can_be_limited_without_any_price(tmp_path):
    assert validated(written(tmp_path, budget={"tokens_per_day": 5})).settings.budget.tokens_per_day == 5
