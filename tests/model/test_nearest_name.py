"""The nearest names, and the data of networks and plans."""

from __future__ import annotations

import pytest

from gdprops.model.case import Plan
from gdprops.model.nearest_name import nearest
from gdprops.model.network import Layer, Network

KNOWN = ("momentum", "weight_decay", "dampening")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("momentun", "; did you mean 'momentum'?"),
        ("wieght_decay", "; did you mean 'weight_decay'?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_near_names_are_offered_and_far_ones_are_not(name: str, said: str) -> None:
    assert nearest(name, KNOWN) == said


def test_at_most_three_are_offered() -> None:
    assert nearest("adam", ["adam1", "adam2", "adam3", "adam4"]).count("or") == 2


def test_a_network_knows_what_moves_and_what_is_used() -> None:
    layers = (Layer(0, 1, "relu"), Layer(0, None, "identity"))
    network = Network(
        (layers, (Layer(4, None, "identity"),)), tuple("abcde"), (True, False, True, True, True), "mse", 3
    )
    assert network.layers == (*layers, Layer(4, None, "identity"))
    assert network.moving == (0, 2, 3, 4)
    assert network.used == {0, 1, 3, 4}


def test_a_plan_lists_its_tensors_in_the_order_of_its_groups() -> None:
    assert Plan(((2, 0), (1,))).indices == (2, 0, 1)
    assert (Plan(((0,),)).rates, Plan(((0,),)).seed, Plan(((0,),)).frozen) == (None, 0, frozenset())
