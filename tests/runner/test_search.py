"""What only the whole run can show: names that changed nothing in any of enough examples."""

from __future__ import annotations

from hypothesis import strategies as st

from gdprops.model.evidence import Evidence, unanswered, vacuous
from gdprops.runner.search import Finding, search

CASES = st.integers(0, 9)


def searched(examine: object, examples: int = 30) -> Finding:
    return search(examine, CASES, examples=examples, seed=0)  # type: ignore[arg-type] # any function of a number


def test_a_name_that_is_silent_in_every_example_is_a_violation_of_the_run() -> None:
    finding = searched(lambda case: unanswered(["eps", "momentum"] if case % 2 else ["momentum"]))
    assert finding.evidence is not None
    assert finding.evidence.violated
    assert finding.evidence.reason == "changing momentum changes nothing, in any of 10 examples"
    assert finding.case is not None


def test_a_name_that_acts_once_is_not_silent() -> None:
    def examine(case: int) -> Evidence:
        return unanswered([] if case == 3 else ["momentum"])

    assert searched(examine).evidence is None


def test_a_name_that_acts_in_a_longer_run_is_not_silent() -> None:
    asked = list[str]()

    def acts_later(name: str) -> bool:
        asked.append(name)
        return name == "beta"

    finding = searched(lambda case: unanswered(["beta", "momentum"], acts_later))
    assert finding.evidence is not None
    assert finding.evidence.reason == "changing momentum changes nothing, in any of 10 examples"
    assert asked == ["beta", "momentum"]
    assert searched(lambda case: unanswered(["beta"], acts_later)).evidence is None


def test_too_few_decisive_examples_say_nothing_of_the_run() -> None:
    assert searched(lambda case: unanswered(["momentum"]), examples=9).evidence is None
    finding = searched(lambda case: unanswered(["momentum"]) if case < 4 else vacuous("nothing moves"))
    assert finding.evidence is None
    assert finding.decisive == 4
