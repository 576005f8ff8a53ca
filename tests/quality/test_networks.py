"""The networks, loops and sweeps reach every situation that some real bug needed, and are what they are said to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gdprops.model.arrays import Array
from gdprops.model.case import LookCase, Regime, TrainCase
from gdprops.model.domain import Domain
from gdprops.model.network import Layer, Network, Point
from gdprops.numerics.activations import ACTIVATIONS
from gdprops.numerics.certificate import certify_look, certify_sweep, is_exact_update
from gdprops.numerics.flat import flat_gradient, flat_weights
from gdprops.numerics.network_pass import gradient_at
from gdprops.numerics.rational import rational_point
from gdprops.numerics.second_order_law import lower_hessian_times_gradient
from gdprops.numerics.updates import ordered
from gdprops.strategies import gradient_points as look_strategies
from gdprops.strategies.gradient_points import (
    decoupled,
    granular_sweeps,
    linear_regressions,
    looks,
    smooth_sweeps,
    sweeps,
)
from gdprops.strategies.loop import Loop
from gdprops.strategies.networks import Style
from gdprops.strategies.training_loops import loops
from tests.quality.drawing import EXAMPLES, SEEDS, minimal, sampler

DOMAIN = Domain(options={"momentum": 0.5, "weight_decay": 0.25, "maximize": True})
LOOKS = sampler(lambda: looks(DOMAIN))
RAGGED = sampler(lambda: looks(DOMAIN, style=look_strategies.RAGGED))
KINK_FREE = sampler(lambda: looks(DOMAIN, style=look_strategies.KINK_FREE))
LOOPS = sampler(lambda: loops(DOMAIN, Loop(options=True)))
SWEEPS = sampler(lambda: sweeps(DOMAIN))


def preactivations(point: Point) -> list[tuple[Layer, Array]]:
    """Return every layer's z = h Wᵀ + b."""
    found = []
    for tower in point.network.towers:
        h = point.batch.inputs
        for layer in tower:
            z = h @ point.tensors[layer.weight].T
            z = z if layer.bias is None else z + point.tensors[layer.bias]
            found.append((layer, z))
            out = ACTIVATIONS[layer.activation].value(z)
            h = out + h if layer.residual else out
    return found


def is_kinked(point: Point) -> bool:
    return any(ACTIVATIONS[layer.activation].kinked and (z == 0).any() for layer, z in preactivations(point))


def is_tied(network: Network) -> bool:
    return len({layer.weight for layer in network.layers}) < len(network.layers)


def activations(network: Network) -> set[str]:
    return {layer.activation for layer in network.layers}


Situation = Callable[[Any], bool]

OF_A_NETWORK: dict[str, tuple[int, Callable[[Network], bool]]] = {
    "three layers": (10, lambda network: len(network.layers) == 3),
    "at least three tensors": (40, lambda network: len(network.names) >= 3),
    "tied weights": (3, is_tied),
    "a residual connection": (3, lambda network: any(layer.residual for layer in network.layers)),
    "a 0-d scale": (2, lambda network: network.scale is not None),
    "an unused parameter": (1, lambda network: len(network.used) < len(network.names)),
    "a frozen parameter": (5, lambda network: not all(network.trainable)),
    "a bias": (30, lambda network: any(layer.bias is not None for layer in network.layers)),
    "no bias": (10, lambda network: all(layer.bias is None for layer in network.layers)),
}


@pytest.mark.parametrize("situation", OF_A_NETWORK)
@pytest.mark.parametrize("kind", ["looks", "loops"])
def test_every_network_comes_up_within_a_hundred_examples(kind: str, situation: str) -> None:
    least, holds = OF_A_NETWORK[situation]
    drawn = [case.network for seed in SEEDS for case in LOOPS(seed)]
    if kind == "looks":
        drawn = [case.point.network for seed in SEEDS for case in LOOKS(seed)]
    assert sum(map(holds, drawn)) >= least * len(SEEDS)


OF_A_LOOK: dict[str, tuple[int, Callable[[LookCase], bool]]] = {
    "exact": (20, lambda case: case.regime is Regime.EXACT),
    "rounded": (12, lambda case: case.regime is Regime.ROUNDED),
    "float32, exact": (1, lambda case: case.precision == 24 and case.regime is Regime.EXACT),
    "float32, rounded": (5, lambda case: case.precision == 24 and case.regime is Regime.ROUNDED),
    "squares": (1, lambda case: "square" in activations(case.point.network)),
    "rectifiers": (15, lambda case: bool({"relu", "leaky-relu"} & activations(case.point.network))),
    "smooth activations": (3, lambda case: bool({"tanh", "sigmoid"} & activations(case.point.network))),
    "cross-entropy": (3, lambda case: case.point.network.loss == "cross-entropy"),
    "binary cross-entropy": (1, lambda case: case.point.network.loss == "bce"),
    "a mean of squares": (1, lambda case: case.point.network.loss == "mse"),
    "several rows": (30, lambda case: len(case.point.batch.inputs) > 1),
    "three random blocks": (20, lambda case: len(case.partitions["random"]) == 3),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("situation", OF_A_LOOK)
def test_every_look_comes_up_within_a_hundred_examples(situation: str, seed: int) -> None:
    least, holds = OF_A_LOOK[situation]
    assert sum(map(holds, LOOKS(seed))) >= least


def _differ(a: Array, b: Array) -> bool:
    return bool((a != b).any())


def _dyadic(case: TrainCase) -> bool:
    return not any((w * 4 % 1).any() for w in case.tensors)


def _first_step_is_exact(case: TrainCase) -> bool:
    found = gradient_at(Point(case.network, case.tensors, case.batches[0]))
    pairs = zip(case.tensors, found, strict=True)
    return all(g is None or is_exact_update(w, np.asarray(g), 0.25, case.precision) for w, g in pairs)


OF_A_LOOP: dict[str, tuple[int, Callable[[TrainCase], bool]]] = {
    "two steps": (15, lambda case: len(case.batches) == 2),
    "four steps": (10, lambda case: len(case.batches) == 4),
    "batches that differ": (60, lambda case: _differ(case.batches[0].inputs, case.batches[1].inputs)),
    "two groups": (8, lambda case: len(case.plan.groups) == 2),
    "two groups with different rates": (3, lambda case: len(set(case.plan.rates or ())) == 2),
    "a rate of 1": (3, lambda case: 1.0 in (case.plan.rates or ())),
    "the user's own rate": (5, lambda case: case.plan.rates is None),
    "momentum": (8, lambda case: "momentum" in case.plan.options),
    "weight decay": (8, lambda case: "weight_decay" in case.plan.options),
    "maximize": (8, lambda case: "maximize" in case.plan.options),
    "float32": (6, lambda case: case.precision == 24),
    "dyadic numbers": (20, _dyadic),
    "decimals": (20, lambda case: not _dyadic(case)),
    "a first step that is exact": (15, _first_step_is_exact),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("situation", OF_A_LOOP)
def test_every_loop_comes_up_within_a_hundred_examples(situation: str, seed: int) -> None:
    least, holds = OF_A_LOOP[situation]
    assert sum(map(holds, LOOPS(seed))) >= least


def test_kinked_points_come_up_within_three_hundred_examples() -> None:
    """Clauses that compare one implementation with itself keep them: 1 to 6 in a hundred."""
    assert sum(is_kinked(case.point) for seed in SEEDS for case in LOOKS(seed)) >= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_ragged_micro_batches_cover_the_rows_and_are_mostly_of_different_sizes(seed: int) -> None:
    ragged = 0
    for case in RAGGED(seed):
        assert sum(case.chunks) == len(case.point.batch.inputs) >= 3
        assert 1 in case.chunks
        ragged += len(set(case.chunks)) > 1
    assert ragged >= 0.9 * EXAMPLES


@pytest.mark.parametrize("sample", [LOOKS, RAGGED, KINK_FREE], ids=["looks", "ragged", "kink-free"])
def test_exact_looks_certify_again(sample: Callable[[int], list[LookCase]]) -> None:
    exact = [case for seed in SEEDS for case in sample(seed) if case.regime is Regime.EXACT]
    assert len(exact) > EXAMPLES / 2
    for case in exact:
        certify_look(case.point, case.precision)


@pytest.mark.parametrize("seed", SEEDS)
def test_exact_sweeps_certify_again_in_their_order_and_in_reverse(seed: int) -> None:
    for case in SWEEPS(seed):
        (blocks,) = case.partitions.values()
        visited = ordered(blocks, case.order)
        for order in (visited, visited[::-1]):
            certify_sweep(case.point, order, case.rate, case.precision)


@pytest.mark.parametrize("sample", [KINK_FREE, SWEEPS], ids=["looks", "sweeps"])
def test_exact_kink_free_cases_have_no_rectifier_at_zero(sample: Callable[[int], list[LookCase]]) -> None:
    rectified = 0
    for case in (case for seed in SEEDS for case in sample(seed) if case.regime is Regime.EXACT):
        rectified += bool({"relu", "leaky-relu"} & activations(case.point.network))
        assert not is_kinked(rational_point(case.point)), case.point
    assert rectified > 10


@pytest.mark.parametrize("seed", SEEDS)
def test_sweeps_are_of_every_kind_and_mostly_coupled(seed: int) -> None:
    cases = SWEEPS(seed)
    assert {kind for case in cases for kind in case.partitions} == {"layer", "tensor", "random", "weight"}
    coupled = 0
    for case in cases:
        (blocks,) = case.partitions.values()
        visited = ordered(blocks, case.order)
        coupled += bool(lower_hessian_times_gradient(rational_point(case.point), visited).any())
        assert all(blocks)
        assert sorted(k for block in blocks for k in block) == list(range(flat_weights(case.point).size))
    assert coupled > 0.6 * EXAMPLES


def is_lively(point: Point) -> bool:
    g = gradient_at(point)
    return all(part is None or np.any(part) for part in g)


@pytest.mark.parametrize("seed", SEEDS)
def test_most_gradients_are_not_zero(seed: int) -> None:
    points = [case.point for case in LOOKS(seed)]
    points += [Point(case.network, case.tensors, case.batches[-1]) for case in LOOPS(seed)]
    assert sum(map(is_lively, points)) > 0.9 * len(points)


@pytest.mark.parametrize("seed", SEEDS)
def test_partitions_cover_every_trainable_weight_once(seed: int) -> None:
    for case in LOOKS(seed):
        every = list(range(flat_weights(case.point).size))
        assert set(case.partitions) == {"tensor", "layer", "weight", "random"}
        for blocks in case.partitions.values():
            assert sorted(k for block in blocks for k in block) == every


@pytest.mark.parametrize("seed", SEEDS)
def test_decoupled_blocks_do_not_meet_and_stationary_points_stand_still(seed: int) -> None:
    cases = sampler(lambda: decoupled(DOMAIN))(seed)
    assert {case.claim for case in cases} == {"towers", "single block", "stationary"}
    for case in cases:
        (blocks,) = case.partitions.values()
        exact = rational_point(case.point)
        assert not lower_hessian_times_gradient(exact, blocks).any()
        if case.claim == "towers":
            assert len(blocks) == 2
        if case.claim == "stationary":
            assert not flat_gradient(exact, gradient_at(exact)).any()
        certify_sweep(case.point, blocks, case.rate, case.precision)


@pytest.mark.parametrize("seed", SEEDS)
def test_regressions_are_quadratic_with_a_power_of_two_on_the_diagonal(seed: int) -> None:
    for case in sampler(lambda: linear_regressions(DOMAIN))(seed):
        X = case.point.batch.inputs
        assert (np.diag(X.T @ X) == len(X)).all()
        assert case.rate == 1 / len(X)
        assert len(X) in (2, 4)


@pytest.mark.parametrize("seed", SEEDS)
def test_granular_sweeps_have_partitions_that_differ(seed: int) -> None:
    cases = sampler(lambda: granular_sweeps(DOMAIN))(seed)
    distinct = sum(len(set(case.partitions.values())) > 1 for case in cases)
    assert distinct > 0.8 * len(cases)
    for case in cases:
        for blocks in case.partitions.values():
            certify_sweep(case.point, ordered(blocks, case.order), case.rate, case.precision)


@pytest.mark.parametrize("seed", SEEDS)
def test_smooth_sweeps_are_smooth(seed: int) -> None:
    for case in sampler(lambda: smooth_sweeps(DOMAIN))(seed):
        assert not any(ACTIVATIONS[name].kinked for name in activations(case.point.network))
        assert case.point.network.loss in ("half-sse", "mse")
        assert case.precision == 53


@pytest.mark.parametrize(
    ("domain", "holds"),
    [
        (Domain(precisions=(24,)), lambda case: case.precision == 24 and case.tensors[0].dtype == np.float32),
        (Domain(precisions=(53,)), lambda case: case.precision == 53),
        (Domain(dimensions=frozenset({2})), lambda case: all(w.ndim == 2 for w in case.tensors)),
        (Domain(rate=False), lambda case: case.plan.rates is None),
        (Domain(groups=False), lambda case: len(case.plan.groups) == 1),
    ],
)
def test_a_loop_stays_within_its_domain(domain: Domain, holds: Situation) -> None:
    assert all(map(holds, sampler(lambda: loops(domain))(1)))


@pytest.mark.parametrize(
    ("loop", "holds"),
    [
        (Loop(least_steps=1, most_steps=1), lambda case: len(case.batches) == 1),
        (Loop(same_batch=True), lambda case: len({id(batch) for batch in case.batches}) == 1),
        (Loop(double=True), lambda case: case.precision == 53),
        (Loop(frozen=True), lambda case: bool(case.plan.frozen) or len(case.network.used) == 1),
        (Loop(), lambda case: not case.plan.options and len(case.network.layers) >= 2),
        (Loop(own_rate=False), lambda case: case.plan.rates is not None),
    ],
)
def test_a_loop_is_what_it_was_asked_to_be(loop: Loop, holds: Situation) -> None:
    assert all(map(holds, sampler(lambda: loops(DOMAIN, loop))(1)))


def test_frozen_tensors_of_the_network_are_frozen_in_the_plan() -> None:
    for case in LOOPS(1):
        assert case.plan.frozen == {i for i, trains in enumerate(case.network.trainable) if not trains}


# What each strategy shrinks towards: the exercise that its docstring promises.


def numbers(point: Point) -> list[Any]:
    return [*(w.tolist() for w in point.tensors), point.batch.inputs.tolist(), point.batch.targets.tolist()]


def test_the_simplest_look_is_one_weight() -> None:
    case = minimal(looks(DOMAIN))
    assert numbers(case.point) == [[[1.0]], [[1.0]], [[0.0]]]
    assert (case.regime, case.precision, case.point.network.loss) == (Regime.EXACT, 53, "half-sse")


@pytest.mark.parametrize("strategy", [sweeps(DOMAIN), smooth_sweeps(DOMAIN)], ids=["exact sweeps", "smooth sweeps"])
def test_the_simplest_sweep_is_two_layers_of_one_weight_front_to_back(strategy: Any) -> None:
    case = minimal(strategy)
    assert numbers(case.point) == [[[1.0]], [[1.0]], [[1.0]], [[0.0]]]
    assert list(case.partitions) == ["layer"]
    assert ordered(case.partitions["layer"], case.order) == ((0,), (1,))


def test_the_simplest_sweep_steps_at_one_half() -> None:
    assert minimal(sweeps(DOMAIN)).rate == 0.5


def test_the_simplest_loop_is_two_layers_of_one_weight() -> None:
    case = minimal(loops(DOMAIN))
    assert [w.tolist() for w in case.tensors] == [[[1.0]], [[1.0]]]
    assert [(b.inputs.tolist(), b.targets.tolist()) for b in case.batches] == [([[1.0]], [[0.0]])] * 2
    assert (case.plan.groups, case.plan.rates) == (((0, 1),), (0.5,))


def test_the_simplest_decoupled_case_is_two_towers_of_one_weight() -> None:
    case = minimal(decoupled(DOMAIN))
    assert case.claim == "towers"
    assert [w.tolist() for w in case.point.tensors] == [[[1.0]], [[1.0]]]
    assert case.partitions == {"towers": ((0,), (1,))}


def test_the_simplest_granular_sweep_has_two_weights_in_its_first_layer() -> None:
    case = minimal(granular_sweeps(DOMAIN), lambda case: len(set(case.partitions.values())) > 1)
    assert case.point.tensors[0].tolist() == [[1.0, 1.0]]
    assert len(case.point.network.layers) == 2
    assert case.rate == 0.5


def test_the_simplest_regression_has_two_weights() -> None:
    case = minimal(linear_regressions(DOMAIN))
    assert numbers(case.point) == [[[1.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]], [[0.0], [0.0]]]


@pytest.mark.parametrize(
    ("condition", "tensors"),
    [
        (lambda case: is_tied(case.point.network), [[[1.0]]]),
        (lambda case: case.point.network.scale is not None, [[[1.0]], 1.0]),
    ],
    ids=["tied", "scaled"],
)
def test_particular_networks_shrink_to_the_smallest_of_their_kind(
    condition: Callable[[LookCase], bool], tensors: list[Any]
) -> None:
    case = minimal(looks(DOMAIN), condition)
    assert [w.tolist() for w in case.point.tensors] == tensors


def test_a_style_says_what_a_blueprint_may_contain() -> None:
    narrow = Style(least_depth=2, most_depth=2, width=1, rows=1, extras=False, activations=("identity",))
    for case in sampler(lambda: looks(DOMAIN, style=narrow, regimes=(Regime.EXACT,)))(1):
        assert len(case.point.network.layers) == 2
        assert {w.size for w in case.point.tensors} == {1}
        assert not is_tied(case.point.network)
