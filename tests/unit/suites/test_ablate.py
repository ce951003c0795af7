"""Which layers and parts an ablation visits."""

import pytest

from shadow.errors import ConfigurationError
from shadow.suites.ablate import chosen_layers, chosen_parts, planned


def test_ranges_are_joined_ascending_and_each_layer_once() -> None:
    assert chosen_layers("5, 1,4-7", count=8) == (1, 4, 5, 6, 7)


def test_all_is_every_layer() -> None:
    assert chosen_layers("all", count=3) == (0, 1, 2)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "1,4-7"),
        ("x", "1,4-7"),
        ("1-", "1,4-7"),
        ("-1", "1,4-7"),
        ("3-2", "write 2-3"),
        ("4", "0 to 3"),
        ("0-9", "0 to 3"),
    ],
)
def test_a_bad_range_names_the_option_and_the_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError, match="--layers") as caught:
        chosen_layers(text, count=4)

    assert remedy in str(caught.value)


@pytest.mark.parametrize("text", ["x", "3-2", "1,,2"])
def test_a_bad_range_is_refused_before_the_model_is_known(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--layers"):
        chosen_layers(text, count=None)

    assert chosen_layers("0-2", count=None) == (0, 1, 2)


def test_parts_come_in_their_order_in_the_layer() -> None:
    assert chosen_parts("mlp, attn") == ("attn", "mlp")


def test_an_unknown_part_is_refused_with_the_remedy() -> None:
    with pytest.raises(
        ConfigurationError, match="--parts: 'head' is no part of a layer; write one or more of attn, mlp, layer"
    ):
        chosen_parts("mlp,head")


def test_each_layer_and_part_is_an_ablation_of_its_own_and_layer_means_both() -> None:
    found = planned((1, 2), ("mlp", "layer"), together=False)

    assert [one.name for one in found] == ["1.mlp", "1.layer", "2.mlp", "2.layer"]
    assert found[1].targets == ((1, "attn"), (1, "mlp"))


def test_together_is_one_ablation_of_everything() -> None:
    (one,) = planned((0, 1, 2, 5), ("attn", "layer"), together=True)

    assert one.name == "0-2,5.attn+mlp"
    assert len(one.targets) == 8
    assert one.layers == (0, 1, 2, 5)
