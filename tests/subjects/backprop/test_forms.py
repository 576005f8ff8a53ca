"""Where a step takes its learning rate, and what is taken for params in what it returns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gdprops.model.backprop_layout import Layout
from gdprops.subjects.backprop.forms import Container, RateAt, described, rate_at
from gdprops.subjects.backprop.shapes import guessed, layers_by_shape

W, B = np.ones((2, 3)), np.ones(3)
SHAPES = [W.shape, B.shape]
NAMED, LISTED = Container(("W", "b")), Container(None)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (lambda p, X, y, lr: None, RateAt(3)),
        (lambda p, X, y, something: None, RateAt(3)),
        (lambda p, X, y, Alpha=0.1: None, RateAt(3)),
        (lambda p, eta, X, y: None, RateAt(1)),
        (lambda *given: None, RateAt(3)),
        (lambda p, X, y, *, learning_rate: None, RateAt(None, "learning_rate")),
        (lambda p, X, y, *, size: None, RateAt(None, "size")),
        (lambda p, X, y, reg, lr=0.1: None, RateAt(None, "lr")),
        (lambda p, X, y: None, RateAt(None, None)),
    ],
)
def test_where_the_rate_stands(step: Any, expected: RateAt) -> None:
    assert rate_at(step) == expected
    assert expected.is_taken == (expected != RateAt(None, None))


def test_the_rate_is_handed_over_there_and_written_so() -> None:
    seen = list[Any]()
    RateAt(1).call(lambda *given: seen.append(given), "p", "X", "y", 0.5)
    RateAt(None, "lr").call(lambda *given, lr: seen.append((given, lr)), "p", "X", "y", 0.5)
    assert seen == [("p", 0.5, "X", "y"), (("p", "X", "y"), 0.5)]
    assert RateAt(1).written(["p", "X", "y"], 0.5) == "p, 0.5, X, y"
    assert RateAt(None, "lr").written(["p", "X", "y"], 0.5) == "p, X, y, lr=0.5"


@pytest.mark.parametrize(
    ("container", "value", "expression"),
    [
        (NAMED, {"W": W, "b": B}, "{}"),
        (NAMED, ({"W": W, "b": B}, 0.5), "{}[0]"),
        (NAMED, (0.5, {"W": W, "b": B}), "{}[1]"),
        (NAMED, (W, B), "dict(zip(['W', 'b'], {}))"),
        (LISTED, [W, B], "{}"),
        (LISTED, ([W, B], 0.5), "{}[0]"),
    ],
)
def test_params_in_what_came_back(container: Container, value: Any, expression: str) -> None:
    taken = container.taken(value, SHAPES)
    assert taken is not None
    assert taken.expression == expression
    found = [container.found(taken.params, name, k) for k, name in enumerate(("W", "b"))]
    assert found[0] is W
    assert found[1] is B


@pytest.mark.parametrize("value", [None, 0.5, {"V": W}, (W,), "params", {"dW": W}])
def test_what_is_no_params_object(value: Any) -> None:
    assert NAMED.taken(value, SHAPES) is None


def test_gradients_may_have_a_d_before_their_names() -> None:
    taken = NAMED.taken({"dW": W, "db": B}, SHAPES, gradients=True)
    assert taken is not None
    assert NAMED.found(taken.params, "W", 0) is W


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "None"),
        (W, "an array of shape (2, 3)"),
        ({"V": W}, "a dict with the keys V"),
        ((W, B), "a tuple of 2"),
        (lambda: 0, "a function"),
    ],
)
def test_what_came_back_in_words(value: Any, words: str) -> None:
    assert described(value) == words


def test_names_are_read_off_the_loss_and_shapes_are_the_usual_ones() -> None:
    def loss(p: Any, X: Any, y: Any) -> Any:
        return np.sum((np.tanh(X @ p["hidden"] + p["b_h"]) @ p["out"] - y) ** 2)

    offered = guessed(loss)
    assert {container.keys for container, _ in offered} == {("hidden", "b_h", "out")}
    shapes = [dict(shapes(2, 5, 11)) for _, shapes in offered]
    assert shapes[0] == {"hidden": (2, 5), "b_h": (5,), "out": (5, 11)}
    assert {"hidden": (5, 2), "b_h": (5, 1), "out": (11, 5)} in shapes


def test_lists_are_counted() -> None:
    def loss(p: Any, X: Any, y: Any) -> Any:
        (W1, b1, W2, b2) = p
        return np.sum((np.tanh(X @ W1 + b1) @ W2 + b2 - y) ** 2)

    offered = guessed(loss)
    assert {container.keys for container, _ in offered} == {None}
    assert next(list(shapes(2, 5, 11).values()) for _, shapes in offered) == [(2, 5), (5,), (5, 11), (11,)]


def test_a_bias_belongs_to_the_layer_before_it() -> None:
    names = ("params[0]", "params[1]", "params[2]", "params[3]")
    found = layers_by_shape(
        names, Layout(lambda i, h, o: dict(zip(names, [(h, i), (h, 1), (o, h), (o, 1)], strict=True)))
    )
    assert found == ((0, 1), (2, 3))
    assert layers_by_shape(("W", "b"), Layout(lambda i, h, o: {"W": (i, o), "b": (o,)})) == ((0,), (1,))
