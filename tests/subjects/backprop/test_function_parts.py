"""Which functions of a file are the forward pass, where several could be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gdprops.subjects.backprop.as_written.function_parts import pipelines


def forward_propagation(X: Any, parameters: Any) -> tuple[Any, Any]:
    return parameters["W1"] @ X, parameters


def backward_propagation(AL: Any, Y: Any, caches: Any) -> dict[str, Any]:
    return {"dW1": AL - Y}


def predict(X: Any, parameters: Any) -> Any:
    return forward_propagation(X, parameters)[0].argmax(axis=0)


def make_predictions(X: Any, parameters: Any) -> Any:
    return forward_propagation(X, parameters)[0].argmax(axis=0)


def _by_name(*functions: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    return {f.__name__: f for f in functions}


def test_what_predict_calls_is_the_forward_pass() -> None:
    functions = _by_name(forward_propagation, backward_propagation, predict)
    found = [one.forward for one in pipelines(functions)]
    assert found[0] is forward_propagation
    assert predict in found


def test_what_calls_a_prediction_by_another_name_is_no_forward_pass() -> None:
    found = [one.forward for one in pipelines(_by_name(make_predictions, forward_propagation, backward_propagation))]
    assert found[0] is forward_propagation


def test_predict_is_the_forward_pass_where_there_is_no_other() -> None:
    found = [one.forward for one in pipelines(_by_name(predict, backward_propagation))]
    assert found == [predict]
