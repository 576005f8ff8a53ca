"""What `trains=` and `frozen=` say of a parameter, and what they may not say."""

from __future__ import annotations

from typing import Any

import pytest

from gdprops.errors import UsageError
from gdprops.model.declared_parameters import Role, declared_parameters, unwrapped

NAMES = [("body.weight",), ("body.bias",), ("head.weight", "body.tied"), ("module.scale",)]


def role(name: str, *, trains: Any = None, frozen: Any = None, given_frozen: bool = False) -> Role | None:
    return declared_parameters(trains, frozen).role((name,), given_frozen=given_frozen)


def resting(found: Role | None) -> list[int]:
    assert found is not None
    return [step for step in range(1, 7) if found.rests_at(step)]


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ({"frozen": "body.*"}, [1, 2, 3, 4, 5, 6]),
        ({"frozen": ["head.*", "body.weight"]}, [1, 2, 3, 4, 5, 6]),
        ({"trains": "*"}, []),
        ({"trains": "*", "frozen": {"body.*": range(1, 4)}}, [1, 2, 3]),
        ({"frozen": {"*": range(1, 3), "body.*": [2, 4]}}, [1, 2, 4]),
        ({"trains": {"body.*": range(1, 100, 2)}}, [2, 4, 6]),
        ({"trains": "head.*", "given_frozen": True}, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_parameter_rests_at_the_stated_steps(given: dict[str, Any], steps: list[int]) -> None:
    assert resting(role("body.weight", **given)) == steps


@pytest.mark.parametrize("given", [{"trains": "head.*"}, {"frozen": "body"}, {"given_frozen": True}])
def test_of_what_no_pattern_names_nothing_is_declared(given: dict[str, Any]) -> None:
    assert role("body.weight", **given) is None


def test_what_is_declared_to_train_outweighs_what_build_is_given() -> None:
    assert resting(role("body.weight", trains="body.*", given_frozen=True)) == []


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("module.body.weight", "body.weight"),
        ("_orig_mod.module.body.0.bias", "body.0.bias"),
        ("body._fsdp_wrapped_module.weight", "body.weight"),
        ("weight", "weight"),
    ],
)
def test_wrappers_prefixes_are_no_part_of_a_name(name: str, plain: str) -> None:
    assert unwrapped(name) == plain
    assert resting(role(name, frozen=plain))[0] == 1


@pytest.mark.parametrize("pattern", ["module.scale", "scale", "body.tied", "head.*"])
def test_a_parameter_has_every_name_by_which_it_is_reached(pattern: str) -> None:
    declared_parameters(pattern, None).require_matches(NAMES)


@pytest.mark.parametrize(
    ("trains", "frozen", "said"),
    [
        ("haed.*", None, "trains='haed.*' matches the name of no parameter of the model; did you mean 'head.*'"),
        (None, ["body.*", "x"], "frozen='x' matches the name of no parameter of the model"),
        ("*", "body.*", "trains='*' and frozen='body.*' both name body.weight; expected patterns that name it once"),
    ],
)
def test_a_pattern_that_names_nothing_or_twice_is_refused(trains: Any, frozen: Any, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        declared_parameters(trains, frozen).require_matches(NAMES)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


PATTERNS = (
    'expected patterns of parameter names, such as "body.*" or ["body.*", "head.bias"], or steps by pattern, counted '
    'from 1: {"body.*": range(1, 4)}'
)
STEPS = "expected steps, counted from 1, such as range(1, 4)"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, f"frozen=3; {PATTERNS}"),
        ([], f"frozen=[]; {PATTERNS}"),
        ("", f"frozen=''; {PATTERNS}"),
        ([3], f"frozen=[3]; {PATTERNS}"),
        ({"body.*": 3}, f"frozen={{'body.*': 3}}; {STEPS}"),
        ({"body.*": range(3)}, f"frozen={{'body.*': range(0, 3)}}; {STEPS}"),
        ({"body.*": []}, f"frozen={{'body.*': []}}; {STEPS}"),
        ({"body.*": [1.5]}, f"frozen={{'body.*': [1.5]}}; {STEPS}"),
    ],
)
def test_what_is_no_pattern_and_no_steps_is_refused(given: Any, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        declared_parameters(None, given)
    assert str(refused.value) == said


def test_an_empty_pattern_in_a_dictionary_is_refused() -> None:
    with pytest.raises(UsageError, match="expected patterns of parameter names"):
        declared_parameters({"": range(1, 2)}, None)


def test_what_is_declared_is_plain_data() -> None:
    found = declared_parameters("head.*", {"body.*": range(1, 4), "head.bias": {3, 1}})
    assert found.parts == {"trains": {"head.*": None}, "frozen": {"body.*": "range(1, 4)", "head.bias": [1, 3]}}


@pytest.mark.parametrize(
    ("frozen", "steps"),
    [
        (None, 1),
        ("body.*", 1),
        ({"*": range(1, 4)}, 4),
        ({"*": range(2, 9, 2)}, 2),
        ({"*": [5, 6], "a": [1]}, 5),
        ({"*": range(1, 10**12)}, 12),
    ],
)
def test_a_loop_is_long_enough_for_what_changes_within_twelve_steps(frozen: Any, steps: int) -> None:
    assert declared_parameters(None, frozen).shown_after(12) == steps
