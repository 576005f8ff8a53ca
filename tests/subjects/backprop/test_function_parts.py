"""Which functions of a file are the forward pass, where several could be."""

from __future__ import annotations

from gdprops.subjects.backprop.as_written.function_parts import pipelines


def forward_propagation(X, parameters):  # type: ignore[no-untyped-def]
    return parameters["W1"] @ X, parameters


def backward_propagation(AL, Y, caches):  # type: ignore[no-untyped-def]
    return {"dW1": AL - Y}


def predict(X, parameters):  # type: ignore[no-untyped-def]
    return forward_propagation(X, parameters)[0].argmax(axis=0)


def test_what_predict_calls_is_the_forward_pass() -> None:
    functions = [forward_propagation, backward_propagation, predict]
    found = [one.forward for one in pipelines({f.__name__: f for f in functions})]
    assert found[0] is forward_propagation
    assert predict in found


def test_predict_is_the_forward_pass_where_there_is_no_other() -> None:
    found = [one.forward for one in pipelines({f.__name__: f for f in (predict, backward_propagation)})]
    assert found == [predict]
