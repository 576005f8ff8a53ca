"""Made smaller, not rejected: ever simpler points until one certifies, and lively ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdprops.errors import Uncertified
from gdprops.model.domain import Domain
from gdprops.model.network import Batch, Layer, Network, Point
from gdprops.numerics.certificate import certify_look
from gdprops.numerics.network_pass import gradient_at
from gdprops.strategies.certified_cases import FILLINGS, Drawn, certified, is_lively, liven, simpler
from gdprops.strategies.gradient_points import KINK_FREE, LOOKING, SWEEPING
from gdprops.strategies.networks import Filling, Style, blueprint
from gdprops.strategies.optimizer_setups import RATES, plan
from gdprops.strategies.partitions import all_partitions, by_layer, partition
from gdprops.strategies.values import Deck, decks


def dealt(*cards: int) -> Any:
    """Return a draw function that deals the same card every time."""
    return lambda strategy: Deck(bytes(cards or (0,)) * 64)


def test_it_becomes_simpler_by_bits_then_squares_then_layers() -> None:
    ways = list(simpler(Style(("identity", "square"), most_depth=2)))
    assert [(w.most_depth, squares, f.bits, f.magnitude) for w, squares, f in ways] == [
        (2, True, 2, 2.0),
        (2, True, 1, 2.0),
        (2, True, 0, 2.0),
        (2, True, 0, 1.0),
        (2, False, 0, 2.0),
        (2, False, 0, 1.0),
        (1, True, 0, 2.0),
        (1, True, 0, 1.0),
        (1, False, 0, 2.0),
        (1, False, 0, 1.0),
        (1, False, 0, 1.0),
    ]
    assert ways[0][2] is FILLINGS[0]
    assert ways[-1][0].width == ways[-1][0].rows == 1


def test_the_first_point_that_certifies_is_taken_and_24_bits_fall_back_to_53() -> None:
    tried: list[int] = []

    def certify(point: Point, bits: int) -> None:
        tried.append(bits)
        if len(tried) < 20:
            raise Uncertified("not yet")

    point, precision = certified(Drawn(dealt(), LOOKING), 24, certify)
    assert precision == 53
    assert set(tried) == {24, 53}
    assert tried.index(53) == tried.count(24)
    assert point.tensors[0].dtype == np.float64


def test_what_never_certifies_says_why() -> None:
    def never(point: Point, bits: int) -> None:
        raise Uncertified("too fine")

    with pytest.raises(Uncertified, match="too fine"):
        certified(Drawn(dealt(), LOOKING), 53, never)


@given(st.binary(min_size=64, max_size=64), st.binary(min_size=64, max_size=64), st.sampled_from([53, 24]))
def test_every_look_ends_certified_at_its_precision_or_at_53(structure: bytes, numbers: bytes, bits: int) -> None:
    hands = iter([structure, numbers, numbers[::-1]])
    drawn = Drawn(lambda strategy: Deck(next(hands)), KINK_FREE)  # type: ignore[arg-type] # a dealer
    point, precision = certified(drawn, bits, certify_look)
    assert precision in (bits, 53)
    certify_look(point, precision)
    assert {w.dtype for w in point.tensors} == {np.dtype(np.float64 if precision == 53 else np.float32)}


def one_layer(w: float, b: float, x: float, y: float, activation: str = "relu") -> Point:
    network = Network(((Layer(0, 1, activation),),), ("W1", "b1"), (True, True), "half-sse")
    batch = Batch(np.array([[x]]), np.array([[y]]))
    return Point(network, (np.array([[w]]), np.array([b])), batch)


def test_a_lively_point_is_left_as_it_is() -> None:
    point = one_layer(1.0, 1.0, 1.0, 0.0)
    assert liven(point) is point


def test_a_residual_of_zero_gets_another_target() -> None:
    point = one_layer(1.0, 1.0, 1.0, 2.0)
    assert not is_lively(point)
    moved = liven(point)
    assert is_lively(moved)
    assert moved.network is point.network
    assert moved.batch.targets.tolist() == [[3.0]]


def test_a_dead_rectifier_gets_a_leak() -> None:
    point = one_layer(-1.0, -1.0, 1.0, 5.0)
    leaky = liven(point)
    assert is_lively(leaky)
    assert [layer.activation for layer in leaky.network.layers] == ["leaky-relu"]


@pytest.mark.parametrize(
    ("loss", "targets", "others"),
    [("cross-entropy", [1], [0]), ("cross-entropy", [2], [0]), ("bce", [[1.0, 0.0, 1.0]], [[0.0, 1.0, 0.0]])],
)
def test_labels_are_exchanged(loss: str, targets: list[Any], others: list[Any]) -> None:
    """At weights so large that the loss is flat, the other label is not at its target."""
    network = Network(((Layer(0, None, "identity"),),), ("W1",), (True,), loss)
    weights = np.array([[-2000.0], [-2000.0], [-2000.0]])
    weights[1 if targets == [1] else 2] = 2000.0
    if loss == "bce":
        weights = np.array([[2000.0], [-2000.0], [2000.0]])
    point = Point(network, (weights,), Batch(np.ones((1, 1)), np.array(targets)))
    assert not any(np.any(g) for g in gradient_at(point))
    assert liven(point).batch.targets.tolist() == others


def test_a_structure_is_refilled_from_the_same_cards() -> None:
    drawn = Drawn(dealt(3, 1, 4, 1, 5, 9, 2, 6), SWEEPING)
    rich, poor = (drawn.point(SWEEPING, filling, 53) for filling in (Filling(2, 2.0), Filling(0, 1.0)))
    assert [w.shape for w in rich.tensors] == [w.shape for w in poor.tensors]
    assert set(np.abs(np.concatenate([w.ravel() for w in poor.tensors if w.ndim > 1]))) <= {0.0, 1.0}
    assert (drawn.point(SWEEPING, Filling(2, 2.0), 53).tensors[0] == rich.tensors[0]).all()


def test_further_batches_have_the_same_form() -> None:
    drawn = Drawn(dealt(7, 30, 2, 200, 11), LOOKING)
    point = drawn.point(LOOKING, Filling(), 24)
    batches = drawn.batches(point, 3, Filling(), 24)
    assert batches[0] is point.batch
    assert len(batches) == 3
    forms = {(b.inputs.shape, b.inputs.dtype, b.targets.shape, b.targets.dtype) for b in batches}
    assert len(forms) == 1


def test_squares_can_be_left_out() -> None:
    style = Style(("square",), least_depth=3, most_depth=3)
    drawn = Drawn(dealt(), style)
    with_, without = (drawn.point(style, Filling(), 53, squares=squares).network for squares in (True, False))
    assert [layer.activation for layer in with_.layers] == ["square", "square", "identity"]
    assert [layer.activation for layer in without.layers] == ["identity"] * 3


@given(decks(), st.booleans())
def test_the_last_layer_is_linear_and_wide_enough_for_its_loss(deck: Deck, towers: bool) -> None:
    losses = ("half-sse",) if towers else ("half-sse", "mse", "bce", "cross-entropy")
    made = blueprint(deck, Style(losses=losses, towers=towers, extras=not towers))
    assert all(tower[-1].activation == "identity" for tower in made.towers)
    assert made.outputs == sum(made.shapes[tower[-1].weight][0] for tower in made.towers)
    if made.loss == "cross-entropy":
        assert made.outputs >= 2
    for tower in made.towers:
        width = made.inputs
        for layer in tower:
            rows, columns = made.shapes[layer.weight]
            assert columns == width
            assert layer.bias is None or made.shapes[layer.bias] == (rows,)
            assert not layer.residual or rows == columns
            width = rows


NETWORK = Network(
    ((Layer(0, 1, "relu"), Layer(2, None, "identity"), Layer(2, 4, "identity")),),
    ("W1", "b1", "W2", "frozen", "b3", "unused", "empty"),
    (True, True, True, False, True, True, True),
    "half-sse",
)
TENSORS = (np.ones((2, 1)), np.ones(2), np.ones((2, 2)), np.ones(3), np.ones(2), np.ones(1), np.ones(0))
POINT = Point(NETWORK, TENSORS, Batch(np.ones((1, 1)), np.ones((1, 2))))


def test_partitions_by_weight_tensor_and_layer() -> None:
    """A tied tensor belongs to the first layer that uses it; what no layer uses is a block of its own."""
    assert partition(POINT, "weight") == tuple((k,) for k in range(11))
    assert partition(POINT, "tensor") == ((0, 1), (2, 3), (4, 5, 6, 7), (8, 9), (10,))
    assert partition(POINT, "layer") == ((0, 1, 2, 3), (4, 5, 6, 7), (8, 9), (10,))
    assert by_layer(NETWORK, {0: (0,), 2: (1,)}) == ((0,), (1,))


def test_random_partitions_follow_their_labels_and_shrink_to_one_block() -> None:
    assert partition(POINT, "random", bytes([0])) == (tuple(range(11)),)
    assert partition(POINT, "random") == (tuple(range(11)),)
    assert partition(POINT, "random", bytes([0, 1])) == ((0, 2, 4, 6, 8, 10), (1, 3, 5, 7, 9))
    assert len(partition(POINT, "random", bytes([0, 1, 2]))) == 3
    assert list(all_partitions(POINT, b"\1\2")) == ["tensor", "layer", "weight", "random"]


@given(decks(), st.integers(1, 6), st.booleans(), st.booleans(), st.booleans())
def test_plans_hand_every_tensor_over_once(
    deck: Deck,
    tensors: int,
    groups: bool,
    options: bool,
    own_rate: bool,
) -> None:
    domain = Domain(options={"momentum": 0.5, "maximize": True})
    made = plan(deck, domain, tensors, groups=groups, options=options, own_rate=own_rate)
    assert made.indices == tuple(range(tensors))
    assert all(made.groups)
    assert len(made.groups) <= (2 if groups else 1)
    assert made.rates is None or (len(made.rates) == len(made.groups) and set(made.rates) <= set(RATES))
    assert own_rate or made.rates is not None
    assert set(made.options) <= (set(domain.options) if options else set())


def test_the_simplest_plan_is_one_group_at_one_half() -> None:
    made = plan(Deck(bytes(64)), Domain(options={"momentum": 0.5}), 3)
    assert (made.groups, made.rates, dict(made.options)) == (((0, 1, 2),), (0.5,), {})
