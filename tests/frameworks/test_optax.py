"""optax as a subject: held, in few compilations, without a trace left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gdprops
from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")


@pytest.mark.parametrize(
    ("spec", "rule"), [("optax:sgd", "sgd"), pytest.param("optax:adam", "adam", marks=pytest.mark.nightly)]
)
def test_optax_holds(spec: str, rule: str) -> None:
    subject: Any = resolve(spec, rule=rule, hyperparameters={"learning_rate": 0.125})
    report = gdprops.check(subject, examples=5, seed=0, timeout=600)
    held = [v.clause for v in report.verdicts if v.about == "subject" and v.status == "held"]
    assert report.exit_code == 0, str(report)
    assert {f"published.{rule}", "step.simultaneous", "optimizer.resume"} <= set(held)
    assert subject.function.compilations <= 40, "a compilation costs a second"
    assert not jax.config.jax_enable_x64


def test_another_rule_is_named() -> None:
    subject = resolve("optax:rmsprop", rule="rmsprop", hyperparameters={"learning_rate": 0.125})
    (verdict,) = gdprops.check(subject, clauses="published.*", examples=5, seed=0, timeout=600).verdicts
    assert verdict.explanation == (
        "what it does instead: ε stands inside the square root and the learning rate inside the momentum "
        "(Keras, optax: --rule rmsprop:rate-inside); rmsprop knows no eps_in_sqrt=True"
    )


@pytest.mark.parametrize("name", ["adam", "lamb", "adafactor"])
def test_padding_changes_nothing_or_is_not_done(name: str) -> None:
    subject: Any = resolve(f"optax:{name}", hyperparameters={"learning_rate": 0.125})
    params = {"a": np.arange(6.0).reshape(2, 3) + 0.5, "b": np.ones(3)}
    grads = {"a": np.cos(params["a"]), "b": np.array([1.0, -2.0, 0.25])}
    seen, state = subject.function(params, grads, None, learning_rate=0.125)
    seen, _ = subject.function(seen, grads, state, learning_rate=0.125)
    with jax.enable_x64(True):
        plain = getattr(optax, name)(0.125)
        kept, expected = plain.init(params), params
        for _ in range(2):
            updates, kept = plain.update(grads, kept, expected)
            expected = optax.apply_updates(expected, updates)
    assert all(np.allclose(seen[n], expected[n], rtol=1e-12, atol=0) for n in params)
    assert all(seen[n].shape == params[n].shape for n in params)


@pytest.mark.parametrize(
    ("spec", "given", "message"),
    [
        ("optax:sgd", {}, r"optax:sgd cannot be built: TypeError: .*learning_rate"),
        ("optax:apply_updates", {}, r"optax:apply_updates cannot be built: TypeError"),
        ("optax:squared_error", {"predictions": 1.0}, r"returned a .*; expected an optax.GradientTransformation"),
        ("optax:adm", {}, r"optax:adm: optax has no 'adm'; did you mean 'adam'"),
    ],
)
def test_what_is_no_transformation_is_refused_in_one_line(spec: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(spec, hyperparameters=given)


def test_torch_and_optax_have_one_dialect_of_adam() -> None:
    from gdprops.runner.dialect_measurements import IMPLEMENTATIONS, OWN, dialects_of

    found = {name: dialects_of(*_of(IMPLEMENTATIONS[name]["adam"])) for name in ("torch", "optax")}
    assert found == {"torch": (OWN,), "optax": (OWN,)}
    assert dialects_of(*_of(IMPLEMENTATIONS["optax"]["amsgrad"], "amsgrad")) == ("of-corrected",)


def _of(implementation: Any, rule: str = "adam") -> tuple[Any, ...]:
    spec, given = implementation
    return spec, rule, given
