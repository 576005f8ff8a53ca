"""The contract of an update rule: what keeps another one is refused in one line, and what is merely wrong is not."""

from __future__ import annotations

from collections import UserDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gdprops
from gdprops.cli import main
from gdprops.errors import UsageError
from gdprops.kinds import kind_of
from gdprops.model.measurement import Measurement
from gdprops.subjects.update_rule.contract import EXAMPLE, require_contract
from gdprops.subjects.update_rule.subject import update_rule

RIGHT = "{k: w - lr * grads[k] if k in grads else w for k, w in params.items()}"
GIVEN = "(params, grads, state, lr=0.1)"


def made(source: str, **given: Any) -> Any:
    """Return the rule ``f`` of a source as a subject."""
    scope: dict[str, Any] = {"np": np}
    exec(source, scope)
    return update_rule(scope["f"], name="mine", **given)


def returns(what: str) -> str:
    return f"def f{GIVEN}: return {what}"


def refusal(subject: Any) -> str:
    """Return what is said of a rule that is refused, without what was expected."""
    with pytest.raises(UsageError) as refused:
        require_contract(subject)
    said, expected = str(refused.value).split("; expected ")
    assert expected == f"(params, grads, state) -> (params, state), as in {EXAMPLE}"
    assert "\n" not in str(refused.value)
    return said.removeprefix("mine ")


RETURNED = {
    "None": "returned nothing",
    "[params.update({k: params[k] - lr * g}) for k, g in grads.items()] and None": (
        "returned nothing and changed params in place"
    ),
    RIGHT: "returned a dict instead of the pair (params, state)",
    "np.zeros((2, 2))": "returned a ndarray instead of the pair (params, state)",
    f"({RIGHT}, state, lr)": "returned a tuple of 3 values instead of the pair (params, state)",
    f"({RIGHT},)": "returned a tuple of 1 value instead of the pair (params, state)",
    "lr": "returned a float instead of the pair (params, state)",
    f"state, {RIGHT}": "returned the state before params",
    f"[*{RIGHT}.values()], state": "returned a list for params, which are a dict by name",
    "None, state": "returned None for params, which are a dict by name",
    "{}, state": "returned params without 'w0'",
    "{'W': params['w0']}, state": "returned params without 'w0' but with 'W'",
    "{'w0': params['w0'] - lr}, state": "returned params without 'w1' but with 'w0'",
    "{k: 'x' for k in params}, state": "returned a str for params['w0'], which is an array",
    "{k: np.array(None) for k in params}, state": "returned an array of object for params['w0'], which is an array",
    "{k: None for k in params}, state": "returned None for params['w0'], which is an array",
    "{k: (w - lr).ravel() for k, w in params.items()}, state": (
        "returned params['w0'] with shape (6,), given with shape (2, 3)"
    ),
    "{k: -lr * grads[k] if k in grads else w for k, w in params.items()}, state": (
        "returned params that do not depend on the given ones: displacements are not new params"
    ),
    "{k: w if grads[k] is None else w - lr * grads[k] for k, w in params.items()}, state": (
        "asks for grads['w0'] where there is none: a missing gradient is left out of grads, and not None"
    ),
}


@pytest.mark.parametrize("what", RETURNED)
def test_what_a_rule_returns_instead_of_the_pair_is_said(what: str) -> None:
    assert refusal(made(returns(what))) == RETURNED[what]


CALLED = {
    "def f(): pass": "takes ()",
    "def f(params, grads): pass": "takes (params, grads)",
    "def f(*, params, grads, state): pass": "takes (*, params, grads, state)",
    "def f(params, grads, state, lr): pass": (
        "needs values of its own (-p lr=… on the command line, a keyword in Python)"
    ),
    "class f: pass": "is a class, not a function",
    f"def f{GIVEN}: yield params, state": (
        "is a coroutine or generator function, and returns before it has moved anything"
    ),
    f"async def f{GIVEN}: return params, state": (
        "is a coroutine or generator function, and returns before it has moved anything"
    ),
    "def f(grads, state, params, lr=0.1): return params, state": "takes grads, state, params in this order",
    f"def f(params, grads, lr=0.1): return {RIGHT}": "takes no state as its third argument",
    "def f(params, grads, lr=0.1):\n    for k in grads: params[k] -= lr * grads[k]": (
        "takes no state as its third argument"
    ),
    f"def f{GIVEN}: state['t'] = 1; return {RIGHT}, state": "needs a dict as its first state, where that is None",
    f"def f{GIVEN}: return [w - lr * g for w, g in zip(params, grads)], state": (
        "takes lists of arrays, not dicts by name"
    ),
    f"def f{GIVEN}:\n    for w, g in zip(params, grads): w -= lr * g": "takes lists of arrays, not dicts by name",
    "def f(params, grads, lr=0.1): return [w - lr * g for w, g in zip(params, grads)]": (
        "takes lists of arrays, not dicts by name"
    ),
    f"def f{GIVEN}: return params - lr * grads, state": "takes one array, not a dict of all of them",
    "def f(w, g, lr=0.1): return w - lr * g": "takes one array, not a dict of all of them",
    f"import torch\ndef f{GIVEN}: return {{k: torch.ones(2, 3, requires_grad=True) for k in params}}, state": (
        "returned a Tensor for params['w0'], which is an array"
    ),
    f"import torch\ndef f{GIVEN}:\n    for k in grads: params[k].add_(grads[k], alpha=-lr)\n    return params, state": (
        "takes torch tensors, not NumPy arrays"
    ),
    f"def f{GIVEN}: params['W1'] = params['W1'] - lr * grads['W1']; return params, state": (
        "asks for a parameter 'W1': names differ from case to case (w0, w1, …), loop over params"
    ),
}


@pytest.mark.parametrize("source", CALLED)
def test_how_a_rule_wants_to_be_called_instead_is_said(source: str) -> None:
    assert refusal(made(source)) == CALLED[source]


LET_THROUGH = {
    "right": returns(f"{RIGHT}, state"),
    "the example": EXAMPLE.replace("def sgd", "def f"),
    "a list of two": returns(f"[{RIGHT}, state]"),
    "an iterator over two": returns(f"iter(({RIGHT}, state))"),
    "lists of numbers": returns("{k: (w - lr * grads.get(k, 0 * w)).tolist() for k, w in params.items()}, state"),
    "in place, and returned": (
        f"def f{GIVEN}:\n    for k in grads: params[k] -= lr * grads[k]\n    return params, state"
    ),
    "single precision": returns("{k: (w - grads.get(k, 0 * w)).astype('f4') for k, w in params.items()}, state"),
    "climbs": returns("{k: w + lr * grads.get(k, 0 * w) for k, w in params.items()}, state"),
    "moves nothing": returns("params, state"),
    "gives NaN": returns("{k: w * np.nan for k, w in params.items()}, state"),
    "raises where a gradient is missing": returns("{k: w - lr * grads[k] for k, w in params.items()}, state"),
    "loses what has no gradient": returns("{k: params[k] - lr * g for k, g in grads.items()}, state"),
    "always raises": f"def f{GIVEN}: raise RuntimeError('broken')",
    "a name that is not there": returns("{k: w - lr * grad[k] for k, w in params.items()}, state"),
    "a key that is not in its state": f"def f{GIVEN}: return params, dict(state or {{}})['m']",
    "raises in single precision": (
        f"def f{GIVEN}:\n    assert all(w.dtype == 'f8' for w in params.values())\n    return {RIGHT}, state"
    ),
    "raises in double precision": (
        f"def f{GIVEN}:\n    assert all(w.dtype == 'f4' for w in params.values())\n    return {RIGHT}, state"
    ),
    "raises on vectors": f"def f{GIVEN}:\n    {{k: w[0, 0] for k, w in params.items()}}\n    return {RIGHT}, state",
    "raises at its third step": (
        f"def f{GIVEN}:\n    if state == 2: raise IndexError\n    return {RIGHT}, (state or 0) + 1"
    ),
}


@pytest.mark.parametrize("name", LET_THROUGH)
def test_what_is_right_or_merely_wrong_is_left_to_the_clauses(name: str) -> None:
    assert require_contract(made(LET_THROUGH[name])) == ()


def test_params_that_are_no_mapping_are_read_by_name() -> None:
    class Weights:
        def __init__(self, found: Any) -> None:
            self.found = found

        def __getitem__(self, name: str) -> Any:
            return self.found[name]

    def momentum(params: Any, grads: Any, state: Any, lr: float = 0.1) -> Any:
        velocity = {k: 0.9 * (state or {}).get(k, 0.0) + grads.get(k, 0.0) for k in params}
        return Weights({k: w - lr * velocity[k] for k, w in params.items()}), velocity

    assert require_contract(update_rule(momentum, name="mine")) == ()


def test_other_mappings_and_objects_that_can_be_called_are_taken() -> None:
    class Rule:
        def __call__(self, params: Any, grads: Any, state: Any, lr: float = 0.1) -> Any:
            return UserDict({k: w - lr * grads.get(k, 0.0) for k, w in params.items()}), state

    assert require_contract(update_rule(Rule(), name="mine")) == ()


def test_a_rate_without_a_default_is_taken_once_it_is_given() -> None:
    source = f"def f(params, grads, state, lr): return {RIGHT}, state"
    assert require_contract(made(source, lr=0.5)) == ()


def test_what_raises_only_for_a_while_is_not_refused_but_told_and_not_green() -> None:
    """It raises at its first calls, whatever their form: the form that happens to work later is not its contract."""
    calls = 0

    def warms_up(params: Any, grads: Any, state: Any, lr: float = 0.1) -> Any:
        nonlocal calls
        calls += 1
        if calls < 5:
            raise RuntimeError("warming up")
        return {k: w - lr * grads[k] if k in grads else w for k, w in params.items()}, state

    report = gdprops.check(update_rule(warms_up), clauses="step.simultaneous", examples=5, seed=0)
    (note,) = report.outcome.notes
    assert note.text.startswith("not every run is alike: the update rule raised RuntimeError at ")
    assert note.text.endswith(": warming up; taken again later, the same step did not raise")
    assert (report["step.simultaneous"].status, report.ok) == ("aborted", False)


def measured(source: str) -> Measurement:
    subject = made(source)
    found: Measurement = kind_of(subject).measure(subject)
    return found


def test_a_missing_gradient_is_judged_as_a_trait_where_none_helps_neither() -> None:
    found = measured(LET_THROUGH["raises where a gradient is missing"])
    assert found.traits["gradient_none"] == "rejects"


def test_the_command_refuses_in_one_line_with_an_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rules.py").write_text(f"def f(params, grads, state, lr=0.1): return {RIGHT}\n", encoding="utf-8")
    for command in ("check", "traits"):
        code = main([command, "rules.py:f", "--as", "update-rule", *["--in-process"] * (command == "check")])
        printed = capsys.readouterr()
        assert (code, printed.out) == (2, "")
        assert printed.err == (
            "gdprops: error: rules.py:f returned a dict instead of the pair (params, state); "
            f"expected (params, grads, state) -> (params, state), as in {EXAMPLE}\n"
        )


def test_the_example_is_right() -> None:
    report = gdprops.check(made(LET_THROUGH["the example"], rule="sgd"), clauses="step.*", examples=10, seed=0)
    assert report.ok
    assert report["step.plain"].status == "held"
