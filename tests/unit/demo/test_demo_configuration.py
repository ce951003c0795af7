"""The configuration that the demo writes is an ordinary one, and its policy can decide everything."""

import pytest

from shadow.app.checking import scorer_kinds, validated
from shadow.demo.configuration_file import Places, write
from shadow.demo.roster import MODELS, PARTS, SERVED
from shadow.verdict.policy import evaluable, unheard


@pytest.fixture
def settings(tmp_path):
    places = Places(folder=tmp_path, bootstrap="127.0.0.1:9", models_url="http://127.0.0.1:8/v1", port=0)
    return validated(str(write(places))).settings


def test_it_validates_and_names_every_candidate(settings):
    assert [c.name for c in settings.candidates] == [p.name for p in PARTS]
    assert settings.baseline is not None
    assert settings.source.start == "earliest"


def test_every_gate_can_be_decided_with_it(settings):
    kinds = scorer_kinds(settings)

    assert evaluable(settings.policy, kinds, has_baseline=True, has_prices=True) == {}
    assert unheard(settings.policy, kinds) == []
    assert {p.gate for p in PARTS} - {None} <= {g.id for g in settings.policy.gates}


def test_the_thrifty_candidate_costs_a_third(settings):
    thrifty = next(c for c in settings.candidates if c.name == "thrifty")

    assert settings.incumbent.price.output_usd_per_million == 3 * thrifty.price.output_usd_per_million
    assert settings.incumbent.price.input_usd_per_million == 3 * thrifty.price.input_usd_per_million


def test_every_checkpoint_of_the_roster_is_part_of_the_package():
    for served in SERVED:
        folder = MODELS / served.checkpoint
        assert {f.name for f in folder.iterdir()} >= {"config.json", "model.safetensors", "tokenizer.json"}
