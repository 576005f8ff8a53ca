"""Evidence: what one example showed, and how several comparisons become one."""

from __future__ import annotations

import pytest

from gdprops.model.evidence import Evidence, Location, combine, require, unanswered, vacuous, violation


def test_the_first_violation_wins() -> None:
    first, second = violation("first", blame=("a",)), violation("second")
    assert combine([Evidence(ratio=9.0), first, second]) is first


def test_the_whole_is_decisive_where_a_part_is_and_has_the_worst_ratio() -> None:
    joined = combine([vacuous("nothing moves"), Evidence(ratio=0.25), Evidence(ratio=0.5)])
    assert (joined.violated, joined.decisive, joined.ratio, joined.reason) == (False, True, 0.5, "")


def test_exact_parts_have_no_ratio() -> None:
    assert combine([Evidence(), Evidence()]).ratio is None


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([], "nothing was compared"),
        ([vacuous("")], "nothing was compared"),
        ([vacuous(""), vacuous("no gradient"), vacuous("other")], "no gradient"),
    ],
)
def test_what_is_not_decisive_says_why(parts: list[Evidence], reason: str) -> None:
    assert (combine(parts).decisive, combine(parts).reason) == (False, reason)


def test_a_requirement_is_a_decisive_agreement_or_a_violation_in_words() -> None:
    assert require(True, "unused") == Evidence()
    assert require(False, "two looks") == Evidence(violated=True, reason="two looks")


def test_as_if_everything_had_agreed() -> None:
    """For the meta-test: only the comparison is replaced, not what it was worth."""
    location = Location("w", (0,), 1, "1.0", "0.0", 1.0, None, 0.0)
    broken = Evidence(violated=True, ratio=3.0, location=location, blame=("w",), reason="x")
    assert broken.agreed() == Evidence(violated=False, decisive=True, ratio=3.0, reason="x")


def test_what_changed_nothing_is_decisive_and_no_violation_yet() -> None:
    evidence = unanswered(["momentum"])
    assert evidence.decisive
    assert not evidence.violated
    assert evidence.silent == frozenset({"momentum"})
    assert evidence.agreed().silent is None
