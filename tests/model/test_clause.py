"""What a clause needs of a subject, and what is said where the subject does not have it."""

from __future__ import annotations

import pytest

from gdprops.model.clause import Level, Needs
from gdprops.model.domain import Domain
from gdprops.model.traits import Measured, Traits
from tests.model.clauses import a_clause


def traits(plain: str = "no", **values: str) -> Traits:
    return Traits({key: Measured(value, "seen") for key, value in values.items()}, plain)


UNKNOWN, WIDE = Traits(), Domain()


def unmet(needs: Needs, held: Traits = UNKNOWN, domain: Domain = WIDE, rule: str | None = None) -> str | None:
    return needs.unmet(held, domain, rule=rule)


SEPARABLE = Needs(traits=(("separability", ("element", "tensor")),))


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (traits(separability="element"), None),
        (traits(separability="all"), "separability is all, not element or tensor"),
        (traits(), None),
    ],
)
def test_a_trait_that_is_known_and_not_allowed_switches_a_clause_off(held: Traits, reason: str | None) -> None:
    assert unmet(SEPARABLE, held) == reason


def test_a_trait_that_lists_several_values_is_met_by_any_of_them() -> None:
    needs = Needs(traits=(("dtypes", ("float64",)),))
    assert unmet(needs, traits(dtypes="float64+float32")) is None
    assert unmet(needs, traits(dtypes="float32+bfloat16")) == "dtypes is float32+bfloat16, not float64"


def test_a_clause_about_declarations_needs_one() -> None:
    stated = Traits({"clock": Measured("tensor", "declared", declared=True)})
    assert unmet(Needs(declared=True), stated) is None


def test_some_traits_switch_off_only_where_their_owner_declares_them() -> None:
    needs = Needs(unless_declared=(("randomness", "private"),))
    measured = Traits({"randomness": Measured("private", "seen")})
    stated = Traits({"randomness": Measured("private", "declared", declared=True)})
    assert unmet(needs, measured) is None
    assert unmet(needs, stated) == "randomness is declared private"


@pytest.mark.parametrize(
    ("needs", "domain", "reason"),
    [
        (
            Needs(torch=True),
            Domain(without_objects="an update rule has no parameter objects, closures or autograd gradients"),
            "an update rule has no parameter objects, closures or autograd gradients",
        ),
        (Needs(torch=True), Domain(), None),
        (Needs(groups=True), Domain(groups=False), "refuses several parameter groups"),
        (Needs(groups=True), Domain(), None),
        (Needs(frozen=True), Domain(frozen=False), "refuses parameters with requires_grad=False"),
        (Needs(frozen=True), Domain(), None),
        (Needs(rate=True), Domain(rate=False), "has no learning rate that can be set"),
        (Needs(rate=True), Domain(), None),
        (Needs(option="maximize"), Domain(), "does not accept maximize"),
        (Needs(option="maximize"), Domain(options={"maximize": True}), None),
        (Needs(feature="closure"), Domain(), "does not support closure"),
        (Needs(feature="closure"), Domain(features=frozenset({"closure"})), None),
        (Needs(declared=True), Domain(), "the user declares no trait"),
        (Needs(groups=True), Domain(groups=False, unmeasured="not measured: it raises"), "not measured: it raises"),
        (Needs(groups=True), Domain(unmeasured="not measured: it raises"), None),
    ],
)
def test_what_a_subject_is_not(needs: Needs, domain: Domain, reason: str | None) -> None:
    assert unmet(needs, domain=domain) == reason


NOT_PLAIN = "not plain gradient descent (if it is meant to be, declare it: --rule sgd)"
TOO_PLAIN = "plain gradient descent: the stronger clause step.trains applies"


@pytest.mark.parametrize(
    ("plain", "seen", "rule", "reason"),
    [
        (True, "yes", None, None),
        (True, "no", "sgd", None),
        (True, "no", None, NOT_PLAIN),
        (True, "not measured", None, "not measured"),
        (True, "not measured", "sgd", None),
        (False, "not measured", None, None),
        (True, "nearly: every displacement is 2 times -eta g", None, None),
        (False, "yes", None, TOO_PLAIN),
        (False, "no", "sgd", TOO_PLAIN),
        (False, "no", None, None),
        (None, "no", None, None),
    ],
)
def test_plain_descent_is_declared_or_probed(
    plain: bool | None, seen: str, rule: str | None, reason: str | None
) -> None:
    assert unmet(Needs(plain=plain), traits(seen), rule=rule) == reason


def test_a_near_miss_is_never_a_bare_not_applicable() -> None:
    """An SGD that moves by -2ηg must not become "not applicable"."""
    seen = traits("nearly: every displacement is 2 times -eta g")
    needs = Needs(plain=True)
    assert needs.near_miss(seen, rule=None) == f"{seen.plain}; declare --rule sgd to check it as plain gradient descent"
    assert needs.near_miss(seen, rule="sgd") is None
    assert needs.near_miss(traits("yes"), rule=None) is None
    assert Needs().near_miss(seen, rule=None) is None


def test_the_decorator_turns_a_check_into_data() -> None:
    made = a_clause("step.cost", level=Level.RECOMMENDED, needs=SEPARABLE)
    assert (made.id, made.level, made.needs, made.chapter) == ("step.cost", Level.RECOMMENDED, SEPARABLE, "step")
    assert not made.examine(None, None).violated
    assert (made.claim, made.since, made.revision) == (False, 1, 1)
