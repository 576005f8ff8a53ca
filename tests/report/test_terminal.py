"""The text of a run: complete, ordered, and readable at any width."""

from __future__ import annotations

import pytest

from gdprops.model.clause import Level
from gdprops.model.outcome import Outcome
from gdprops.model.verdict import Status
from gdprops.report.consoles import to_text
from gdprops.report.terminal import in_full, outcome_text, print_outcome
from tests.report import verdicts


def text_of(outcome: Outcome, *, width: int = 100, quiet: bool = False, verbose: bool = False) -> str:
    return to_text(lambda console: print_outcome(console, outcome, quiet=quiet, verbose=verbose), width=width)


def flat(text: str) -> str:
    return " ".join(text.split())


def test_a_held_clause_shows_its_statement_examples_and_exactness() -> None:
    text = text_of(verdicts.outcome(verdicts.held()))
    assert "step.simultaneous" in text
    assert verdicts.SIMULTANEOUS in flat(text_of(verdicts.outcome(verdicts.held()), width=200))
    assert "96/100" in text
    assert "exact" in text
    assert flat(text).endswith("mypkg:MySGD(lr=0.5): of 1 clause, 1 held, 0 violated.")


def test_a_ratio_is_shown_where_rounding_was_allowed() -> None:
    assert "0.0123" in text_of(verdicts.outcome(verdicts.held(worst_ratio=0.012345)))


def test_the_title_says_profile_and_seed() -> None:
    assert text_of(verdicts.outcome(verdicts.held())).startswith("mypkg:MySGD(lr=0.5) (profile dev, no seed)")
    assert "(profile ci, seed 0, strict)" in text_of(
        verdicts.outcome(verdicts.held(), profile="ci", seed=0, strict=True)
    )


def test_a_violation_is_shown_in_full() -> None:
    text = text_of(verdicts.outcome(verdicts.violated()))
    for line in (
        "VIOLATED step.simultaneous",
        "subject     mypkg:MySGD(lr=0.5)",
        "where       layer1.weight, index (0, 1), step 1",
        "seen        0.75",
        "expected    0.5",
        "difference  0.25, 0.5 of the displacement",
        "allowed     0 (exact case: equality)",
        "wrong       layer1.weight, layer1.bias (first at step 1)",
        "found       after 7 examples",
        "A layer-by-layer update, last layer first, reproduces the weights seen.",
        "The shrunk case, as runnable Python:",
        "Replay it: gdprops replay .gdprops/case.json mypkg:MySGD",
    ):
        assert line in text
    assert verdicts.CODE in text + "\n"


def test_an_unseeded_failure_says_how_to_reproduce_it() -> None:
    assert "No seed was given." in text_of(verdicts.outcome(verdicts.violated()))
    assert "No seed was given." not in text_of(verdicts.outcome(verdicts.violated(), seed=3))
    assert "No seed was given." not in text_of(verdicts.outcome(verdicts.held()))


def test_the_primary_violation_comes_first() -> None:
    other = verdicts.violated(clause="step.plain")
    primary = verdicts.violated(also=("step.plain",), same_fault=("step.plain",))
    assert in_full(verdicts.outcome(other, primary)) == [primary, other]
    assert "also        step.plain (violated too, likely by the same fault)" in text_of(
        verdicts.outcome(other, primary)
    )


def test_a_violation_that_the_explanation_does_not_reproduce_is_not_said_to_be_of_the_same_fault() -> None:
    primary = verdicts.violated(also=("step.plain", "step.once"), same_fault=("step.plain",))
    told = "also        step.plain (violated too, likely by the same fault); step.once (violated too)"
    assert told in text_of(verdicts.outcome(primary))


def test_what_follows_from_the_primary_violation_shows_its_case_only_when_verbose() -> None:
    run = verdicts.outcome(verdicts.violated(also=("step.plain",)), verdicts.violated(clause="step.plain"))
    assert text_of(run).count(verdicts.CODE.strip()) == 1
    assert text_of(run, verbose=True).count(verdicts.CODE.strip()) == 2
    assert text_of(run).count("Replay it: ") == 2


def test_a_bug_of_ours_shows_its_traceback_as_it_is() -> None:
    trace = "Traceback (most recent call last):\n  File x\n      " + "y" * 120 + "\nKeyError: 'z'"
    text = text_of(verdicts.outcome(verdicts.held(status=Status.ERROR, reason=trace)))
    assert trace in text
    assert "error: KeyError: 'z'" in text


def test_skips_never_read_as_passes() -> None:
    text = flat(text_of(verdicts.outcome(verdicts.held(), verdicts.vacuous(), verdicts.not_applicable()), width=160))
    assert "not decided: the loss was not finite in 97 examples" in text
    assert "does not apply: not plain gradient descent" in text
    assert (
        "of 3 clauses, 1 held, 0 violated, 1 vacuous (the loss was not finite in 97 examples), "
        "1 did not apply (not plain gradient descent)." in text
    )


def test_reasons_are_counted() -> None:
    several = [
        verdicts.not_applicable(),
        verdicts.not_applicable(clause="step.cost"),
        verdicts.not_applicable(reason="a closure"),
    ]
    assert "3 did not apply (2 × not plain gradient descent; a closure)." in flat(text_of(verdicts.outcome(*several)))


def test_a_violated_recommendation_says_that_it_does_not_fail() -> None:
    text = flat(text_of(verdicts.outcome(verdicts.held(), verdicts.violated(level=Level.RECOMMENDED)), width=160))
    assert "recommended: fails only with --strict" in text
    assert "VIOLATED step.simultaneous (recommended)" in text


def test_the_reference_is_one_line_and_a_table_when_verbose() -> None:
    run = verdicts.outcome(verdicts.held(), verdicts.reference(), verdicts.reference(clause="gradient.complete"))
    assert "reference: 2 of 2 held (what gdprops compares with; -v lists it)" in text_of(run)
    assert "gradient.pure" not in text_of(run)
    assert "gradient.pure" in text_of(run, verbose=True)
    assert "-v lists it" not in text_of(run, verbose=True)


def test_a_broken_reference_is_named_and_called_our_bug() -> None:
    run = verdicts.outcome(
        verdicts.held(),
        verdicts.reference(),
        verdicts.violated(about=verdicts.About.REFERENCE, clause="gradient.additive"),
    )
    text = flat(text_of(run))
    assert "reference: 1 of 2 held; not held: gradient.additive" in text
    assert "about the reference" in text
    assert "This is a bug of gdprops, not of the subject: please report it with the text above." in text


def test_quiet_shows_violations_and_the_summary_only() -> None:
    text = text_of(
        verdicts.outcome(verdicts.violated(), verdicts.held(clause="step.cost"), verdicts.reference()), quiet=True
    )
    assert text.startswith("VIOLATED step.simultaneous")
    assert "step.cost" not in text
    assert "reference" not in text
    assert "of 2 clauses, 1 held, 1 violated." in text
    assert (
        text_of(verdicts.outcome(verdicts.held()), quiet=True)
        == "mypkg:MySGD(lr=0.5): of 1 clause, 1 held, 0 violated."
    )


def test_nothing_held_is_said() -> None:
    assert "No clause held: nothing was shown about this subject." in text_of(
        verdicts.outcome(verdicts.not_applicable())
    )


def test_aborted_and_error_say_why() -> None:
    aborted = verdicts.held(status=Status.ABORTED, reason="60 s used up")
    broken = verdicts.held(status=Status.ERROR, reason="KeyError: 'x'", clause="step.cost")
    text = flat(text_of(verdicts.outcome(aborted, broken), width=160))
    assert "aborted: 60 s used up" in text
    assert "ERROR step.cost" in text
    assert "error: KeyError: 'x'" in text
    assert "1 aborted (60 s used up), 1 ended in an error of gdprops" in text


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    run = verdicts.outcome(
        verdicts.held(clause="optimizer.resume-low-precision"), verdicts.vacuous(), verdicts.not_applicable()
    )
    assert max(map(len, text_of(run, width=width).splitlines())) <= width


@pytest.mark.parametrize("width", [60, 80])
def test_ids_survive_a_narrow_terminal_unbroken(width: int) -> None:
    assert "optimizer.resume-low-precision" in text_of(
        verdicts.outcome(verdicts.held(clause="optimizer.resume-low-precision")), width=width
    )


def test_brackets_in_statements_and_code_are_not_markup() -> None:
    run = verdicts.outcome(verdicts.violated(statement="w[0] moves [bold]not[/bold] at all", reason="x[/]y :smile:"))
    text = flat(text_of(run))
    assert "w[0] moves [bold]not[/bold] at all" in text
    assert "x[/]y :smile:" in text


def test_long_code_lines_are_not_wrapped() -> None:
    line = "weights = [" + "0.125, " * 40 + "]"
    example = verdicts.Counterexample({}, line)
    assert line in text_of(verdicts.outcome(verdicts.violated(counterexample=example)), width=60)


def test_text_has_no_escape_codes() -> None:
    assert "\x1b" not in outcome_text(verdicts.outcome(verdicts.violated(), verdicts.reference()))


@pytest.mark.parametrize(
    ("index", "step", "words"),
    [
        ((), None, "w"),
        ((2,), 1, "w, index (2,), step 1"),
        ((0, 1), None, "w, index (0, 1)"),
    ],
)
def test_places(index: tuple[int, ...], step: int | None, words: str) -> None:
    location = verdicts.Location("w", index, step, "1", "2", 1.0, None, 0.5)
    text = text_of(verdicts.outcome(verdicts.violated(location=location)))
    assert f"where       {words}\n" in text
    assert "difference  1\n" in text
    assert "allowed     0.5\n" in text
