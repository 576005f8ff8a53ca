"""A framework's own gradients: equal to the reference's, whatever their order and grouping, and caught where wrong."""

from __future__ import annotations

from contextlib import nullcontext
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import gdprops
from gdprops.clauses import catalogue
from gdprops.kinds.resolve import resolve
from gdprops.model.case import LookCase, Regime
from gdprops.model.clause import View
from gdprops.model.network import Batch, Layer, Network, Point
from gdprops.numerics import decisions
from gdprops.numerics.numpy_system import NumpySystem
from gdprops.subjects.frameworks.registry import gradients_by
from tests.numerics.random_points import Recipe, multiples, points

RECIPE = Recipe(multiples(1, 2), ("identity", "relu", "square"), least_depth=2, depth=3, width=3, rows=3)
INSTALLED = [name for name in ("tensorflow", "jax") if find_spec(name)]
GRADIENT_DESCENT = {"tensorflow": "tensorflow.compat.v1.train:GradientDescentOptimizer", "jax": "optax:sgd"}
pytestmark = pytest.mark.skipif(not INSTALLED, reason="no framework is installed")


def plain_descent(framework: str) -> Any:
    return resolve(GRADIENT_DESCENT[framework], rule="sgd", hyperparameters={"learning_rate": 0.125})


JAX_AT_NIGHT = [pytest.param(f, marks=[pytest.mark.nightly] * (f == "jax")) for f in INSTALLED]
"""What JAX compiles for a minute, or for ten seconds."""


@pytest.mark.parametrize("framework", JAX_AT_NIGHT)
def test_the_framework_looks_and_its_optimizer_moves(framework: str) -> None:
    report = gdprops.check(
        plain_descent(framework), clauses=["gradient.*", "sequential.*"], examples=10, seed=0, timeout=600
    )
    about_it = {v.clause: v.status for v in report.verdicts if v.about == "subject"}
    looking = {c.id for c in catalogue() if c.view is View.SYSTEM and not c.needs.reference_only}
    assert report.exit_code == 0, str(report)
    assert about_it.pop("sequential.layerwise-rate") == "not-applicable", "a rule has one rate"
    assert about_it == dict.fromkeys(looking - {"sequential.layerwise-rate"}, "held")


@pytest.mark.parametrize("framework", JAX_AT_NIGHT)
def test_another_rule_is_looked_at_too_and_does_not_sweep(framework: str) -> None:
    spec = {"tensorflow": "tensorflow.compat.v1.train:AdamOptimizer", "jax": "optax:adam"}[framework]
    adam = resolve(spec, hyperparameters={"learning_rate": 0.125})
    report = gdprops.check(adam, clauses=["gradient.complete", "sequential.*"], examples=3, seed=0, timeout=600)
    assert [v.clause for v in report.verdicts if v.about == "subject"] == ["gradient.complete"]


@pytest.mark.parametrize("framework", INSTALLED)
def test_its_gradients_are_those_of_the_reference_to_the_last_bit(framework: str) -> None:
    theirs, ours = gradients_by(framework), NumpySystem()
    for point in points(RECIPE, 10, seed=81):
        assert theirs.loss(point) == ours.loss(point)
        for seen, expected in zip(theirs.gradient(point), ours.gradient(point), strict=True):
            nothing = seen is None or not seen.any()
            assert nothing if expected is None else np.array_equal(seen, expected)  # type: ignore[arg-type] # not None


def _functions(framework: str) -> list[tuple[Any, Any]]:
    if framework == "tensorflow":
        import tensorflow as tf

        return [(tf.tanh, np.tanh), (tf.sigmoid, _sigmoid)]
    import jax

    return [(jax.numpy.tanh, np.tanh), (jax.nn.sigmoid, _sigmoid)]


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize("framework", INSTALLED)
@pytest.mark.parametrize("width", [np.float64, np.float32])
def test_its_elementary_functions_are_as_accurate_as_the_bound_assumes(framework: str, width: Any) -> None:
    from gdprops.subjects.frameworks.jax_precision import in_double

    z = np.concatenate([np.linspace(-20, 20, 4001), np.linspace(-0.7, 0.7, 2000)]).astype(width)
    z = z[z != 0]
    with in_double() if framework == "jax" else nullcontext():
        for theirs, exact in _functions(framework):
            right = exact(z.astype(np.longdouble))
            off = np.abs((np.asarray(theirs(z)).astype(np.longdouble) - right) / right).max()
            assert off <= decisions.ELEMENTARY * np.finfo(width).eps / 2


@pytest.mark.parametrize("framework", INSTALLED)
def test_a_saturated_tanh_of_another_library_is_no_violation(framework: str) -> None:
    """TensorFlow's tanh is 7 units off near 1, and so is 1 - tanh²: seen at seed 1."""
    layers = (Layer(0, 1, "tanh", residual=True), Layer(0, None, "identity"))
    network = Network((layers,), ("W1", "b1"), (True, True), "cross-entropy")
    tensors = np.array([[2.0, -1.0], [1.0, 1.0]]), np.ones(2)
    point = Point(network, tensors, Batch(np.array([[1.2, -1.0], [1.0, -1.0]]), np.array([1, 0])))
    system = gradients_by(framework)
    case = LookCase(point, Regime.ROUNDED, 53, 0.25, {}, (0,))
    assert not catalogue()["gradient.matches-loss"].examine(system, case).violated


@pytest.mark.skipif("tensorflow" not in INSTALLED, reason="TensorFlow is not installed")
def test_a_wrong_derivative_of_tensorflow_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    def doubled(z: Any) -> Any:
        return tf.maximum(z, tf.zeros_like(z)), lambda up: 2 * up * tf.cast(z > 0, z.dtype)

    monkeypatch.setattr(tf.nn, "relu", tf.custom_gradient(doubled))
    assert_caught("tensorflow")


@pytest.mark.skipif("jax" not in INSTALLED, reason="JAX is not installed")
def test_a_wrong_derivative_of_jax_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    import jax

    from gdprops.subjects.frameworks import jax_gradients

    doubled = jax.custom_jvp(lambda z: jax.numpy.maximum(z, 0))
    doubled.defjvps(lambda t, out, z: 2 * t * (z > 0))
    jax_gradients._functions.cache_clear()
    monkeypatch.setattr(jax.nn, "relu", doubled)
    try:
        assert_caught("jax")
    finally:
        jax_gradients._functions.cache_clear()


def assert_caught(framework: str) -> None:
    report = gdprops.check(
        plain_descent(framework), clauses=["gradient.matches-loss"], examples=30, seed=0, timeout=600
    )
    (verdict,) = (v for v in report.verdicts if v.about == "subject")
    assert verdict.status == "violated", str(report)
    assert "The gradient is the derivative of the loss: g_i = ∂J/∂w_i." in str(report)
    assert verdict.blame
    assert verdict.counterexample is not None
    assert verdict.counterexample.doubt == "no script is printed: only the replay shows it"


@pytest.mark.nightly  # a minute
@pytest.mark.skipif("jax" not in INSTALLED, reason="JAX is not installed")
def test_jax_compiles_once_for_each_precision() -> None:
    from gdprops.subjects.frameworks.jax_gradients import TRACED, _functions

    _functions.cache_clear()
    TRACED.clear()
    for seed in (1, 2):
        gdprops.check(plain_descent("jax"), clauses=["gradient.*"], examples=3, seed=seed, timeout=600)
    assert TRACED["gradient"] == 2
    assert max(TRACED.values()) <= 2, f"another network was compiled again: {TRACED}"


@pytest.mark.nightly  # twenty seconds
@pytest.mark.skipif("jax" not in INSTALLED, reason="JAX is not installed")
def test_jax_says_the_same_operation_by_operation() -> None:
    from gdprops.subjects.frameworks.jax_gradients import JaxGradients

    for point in points(RECIPE, 1, seed=82):
        order = point.network.moving
        eagerly = JaxGradients(eager=True).block_by_block(point, order, retained=False)
        compiled = JaxGradients().gradient(point)
        assert all(np.array_equal(eagerly[i], compiled[i]) for i in order)  # type: ignore[arg-type] # these are trained
