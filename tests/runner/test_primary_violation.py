"""Which violation a report puts first."""

from __future__ import annotations

from gdprops.model.clause import Level
from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner.primary_violation import with_also


def broken(clause: str, explained_as: str = "", reason: str = "") -> Verdict:
    red = Status.VIOLATED
    return Verdict(clause, About.SUBJECT, Level.REQUIRED, red, "A sentence.", explained_as=explained_as, reason=reason)


def primary(*verdicts: Verdict) -> tuple[str, tuple[str, ...]]:
    (first,) = (verdict for verdict in with_also(verdicts) if verdict.also)
    return first.clause, first.also


def test_the_most_specific_clause_comes_first() -> None:
    assert primary(broken("step.simultaneous"), broken("step.once")) == ("step.once", ("step.simultaneous",))


def test_the_clause_that_an_explanation_names_comes_before_it() -> None:
    found = primary(broken("step.moves-all"), broken("step.clipping", "step.accumulation"), broken("step.accumulation"))
    assert found == ("step.accumulation", ("step.moves-all", "step.clipping"))


def test_what_raises_whatever_is_checked_is_about_no_clause_in_particular() -> None:
    names = ("step.frozen-untouched", "step.simultaneous", "step.once")
    found = primary(*(broken(name, reason="step(inputs, targets) raised ValueError: no") for name in names))
    assert found == ("step.simultaneous", ("step.frozen-untouched", "step.once"))
    assert primary(*(broken(name, reason=f"{name} is broken") for name in names))[0] == "step.frozen-untouched"


def test_one_violation_has_no_others() -> None:
    (only,) = with_also([broken("step.once", "step.once")])
    assert only.also == ()
