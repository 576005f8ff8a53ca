"""The table of traits, and what a declaration may say."""

from __future__ import annotations

import pytest

from gdprops.errors import UsageError
from gdprops.model.traits import RULES, TRAITS, Measured, Traits, declared


def test_a_declaration_is_taken_as_it_stands() -> None:
    assert declared({"separability": "tensor", "shapes": "1+2"}) == {
        "separability": Measured("tensor", "declared", declared=True),
        "shapes": Measured("1+2", "declared", declared=True),
    }
    assert declared(None) == declared({}) == {}


@pytest.mark.parametrize("trait", TRAITS, ids=lambda trait: trait.key)
def test_every_value_of_the_table_can_be_declared(trait: object) -> None:
    from gdprops.model.traits import Trait

    assert isinstance(trait, Trait)
    for value in trait.values:
        assert declared({trait.key: value})[trait.key].value == value
    assert trait.meaning


@pytest.mark.parametrize(
    ("traits", "message"),
    [
        ({"separabilty": "element"}, "traits: unknown trait 'separabilty'; did you mean 'separability'?"),
        ({"xyz": "1"}, "traits: unknown trait 'xyz'"),
        (
            {"separability": "weight"},
            "traits: separability='weight'; expected one of element, tensor, group, all",
        ),
        (
            {"separability": "element+tensor"},
            "traits: separability='element+tensor'; expected one of element, tensor, group, all",
        ),
        (
            {"dtypes": "float64+int8"},
            "traits: dtypes='float64+int8'; expected one of float64, float32, bfloat16, float16",
        ),
        ({"shapes": ""}, "traits: shapes=''; expected one of any, 0, 1, 2, 3, 4"),
    ],
)
def test_a_wrong_declaration_is_told_what_was_expected(traits: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        declared(traits)
    assert str(raised.value) == message


def test_keys_and_values_are_unique_and_rules_stay_within_the_table() -> None:
    keys = [trait.key for trait in TRAITS]
    assert len(set(keys)) == len(keys)
    for trait in TRAITS:
        assert len(set(trait.values)) == len(trait.values)
    for claims in RULES.values():
        assert declared(claims)


@pytest.mark.parametrize(
    ("held", "value", "accepted"), [("any", "3", True), ("1+2", "2", True), ("1+2", "3", False), (None, "3", True)]
)
def test_a_list_accepts_what_it_names_and_an_unknown_one_everything(
    held: str | None, value: str, *, accepted: bool
) -> None:
    traits = Traits({} if held is None else {"shapes": Measured(held, "seen")})
    assert traits.accepts("shapes", value) is accepted


def test_what_was_neither_declared_nor_measured_is_unknown() -> None:
    traits = Traits({"clock": Measured("tensor", "seen")})
    assert traits["clock"] == "tensor"
    assert traits["separability"] == "unknown"
    assert dict(traits) == {"clock": Measured("tensor", "seen")}
    assert traits.plain == "no"
