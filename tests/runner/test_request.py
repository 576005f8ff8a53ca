"""A run as text: hyperparameters as they are typed, and the request that travels."""

from __future__ import annotations

import math

import pytest

from gdprops.errors import UsageError
from gdprops.model.typed_value import value_of
from gdprops.runner.request import RunRequest, from_json, hyperparameters
from gdprops.runner.settings import Settings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", 0.1),
        ("1e-3", 1e-3),
        ("-2", -2),
        ("true", True),
        ("True", True),
        ("false", False),
        ("none", None),
        ("None", None),
        ("(0.9, 0.99)", (0.9, 0.99)),
        ("[1, 2]", [1, 2]),
        ("'quoted'", "quoted"),
        ("inf", math.inf),
        ("cosine", "cosine"),
        ("a=b", "a=b"),
        ("__import__('os')", "__import__('os')"),
    ],
)
def test_values_are_literals_or_text(text: str, value: object) -> None:
    assert value_of(text) == value
    assert type(value_of(text)) is type(value)


def test_nan_is_a_number() -> None:
    assert math.isnan(hyperparameters(["lr=nan"])["lr"])  # type: ignore[arg-type]  # that is what is tested


def test_pairs_become_keyword_arguments() -> None:
    assert hyperparameters(["lr=0.1", "nesterov=true", "name=a=b"]) == {
        "lr": 0.1,
        "nesterov": True,
        "name": "a=b",
    }


@pytest.mark.parametrize("pair", ["lr", "=1", "lr=", "1r=2", "l r=2", ""])
def test_a_malformed_pair_is_refused(pair: str) -> None:
    with pytest.raises(UsageError, match=r"^-p .*: expected name=value, for instance -p lr=0\.1$"):
        hyperparameters([pair])


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^-p lr=2: lr was given before, as 0\.1$"):
        hyperparameters(["lr=0.1", "lr=2"])


def test_a_request_survives_the_journey() -> None:
    settings = Settings(examples=7, seed=3, strict=True, database=None)
    request = RunRequest("a:B", settings, "optimizer", "sgd", ("lr=(1, 2)",), ("step.*", "x"))
    assert from_json(request.to_json()) == request
