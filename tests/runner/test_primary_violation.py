"""Which violation a report puts first."""

from __future__ import annotations

from dataclasses import replace

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


def test_what_is_required_comes_before_what_is_recommended() -> None:
    advice = replace(broken("optimizer.complex"), level=Level.RECOMMENDED)
    assert primary(advice, broken("published.adam")) == ("published.adam", ("optimizer.complex",))
    assert primary(replace(advice, explained_as="optimizer.complex"), broken("published.adam"))[0] == advice.clause


def test_what_is_proved_comes_before_what_only_fails() -> None:
    named = replace(broken("published.adamw"), explanation="what it does instead: the decay is not multiplied")
    assert primary(broken("step.linear-in-lr"), named)[0] == "published.adamw"
    facts = replace(named, explanation="no known form of adamw does what was seen")
    assert primary(broken("step.linear-in-lr"), facts)[0] == "step.linear-in-lr"


def test_what_differs_from_run_to_run_is_told_before_what_it_breaks() -> None:
    assert primary(broken("step.simultaneous"), broken("optimizer.deterministic"))[0] == "optimizer.deterministic"


def test_what_raises_whatever_is_checked_is_about_no_clause_in_particular() -> None:
    names = ("step.frozen-untouched", "step.simultaneous", "step.once")
    found = primary(*(broken(name, reason="step(inputs, targets) raised ValueError: no") for name in names))
    assert found == ("step.simultaneous", ("step.frozen-untouched", "step.once"))
    assert primary(*(broken(name, reason=f"{name} is broken") for name in names))[0] == "step.frozen-untouched"


def test_one_violation_has_no_others() -> None:
    (only,) = with_also([broken("step.once", "step.once")])
    assert only.also == ()


def of_one_fault(*explanations: str | None) -> tuple[str, ...]:
    names = ("step.once", "step.simultaneous", "step.trains")
    told = [replace(broken(name), explanation=text) for name, text in zip(names, explanations, strict=True)]
    (first,) = (verdict for verdict in with_also(told) if verdict.also)
    assert first.also == names[1:]
    return first.same_fault


def test_only_what_the_explanation_reproduces_is_likely_of_the_same_fault() -> None:
    assert of_one_fault("applied twice", "applied twice", "the last step's gradient") == ("step.simultaneous",)


def test_where_no_cause_is_proved_nothing_is_said_of_the_others() -> None:
    facts = "none of 90 hypotheses reproduces what was seen; first wrong at step 1"
    assert of_one_fault(facts, facts, facts) == ()
    assert of_one_fault(None, None, None) == ()


def test_what_raises_one_exception_is_of_one_fault() -> None:
    reason = "step(inputs, targets) raised ValueError: no"
    found = with_also([broken("step.simultaneous", reason=reason), broken("step.once", reason=reason)])
    assert found[0].same_fault == ("step.once",)
