"""The text of a run: complete, ordered, and readable at any width."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gdprops.model.clause import Level
from gdprops.model.outcome import WATCHED, Outcome
from gdprops.model.verdict import Status
from gdprops.report.consoles import to_text
from gdprops.report.fault_block import in_full
from gdprops.report.headline import headline
from gdprops.report.subjects_table import found
from gdprops.report.terminal import outcome_text, print_outcome
from tests.report import verdicts


def text_of(outcome: Outcome, *, width: int = 100, quiet: bool = False, verbose: int = 0) -> str:
    return to_text(lambda console: print_outcome(console, outcome, quiet=quiet, verbose=verbose), width=width)


def flat(text: str) -> str:
    return " ".join(text.split())


def test_the_answer_is_the_first_and_the_last_line() -> None:
    lines = text_of(verdicts.outcome(verdicts.held())).splitlines()
    assert lines[0] == lines[-1] == "PASSED  mypkg:MySGD(lr=0.5): 1 clause held"


@pytest.mark.parametrize(
    ("outcome", "answer"),
    [
        (verdicts.outcome(verdicts.held(), timing={"seconds": 2.34}), "PASSED  {}: 1 clause held (2.3 s)"),
        (
            verdicts.outcome(verdicts.violated(), verdicts.held(clause="step.cost")),
            "FAILED  {}: 1 required clause fails",
        ),
        (
            verdicts.outcome(verdicts.violated(), verdicts.violated(clause="step.cost", level=Level.RECOMMENDED)),
            "FAILED  {}: 1 required clause fails, 1 recommended clause fails",
        ),
        (
            verdicts.outcome(verdicts.held(), verdicts.violated(clause="step.cost", level=Level.RECOMMENDED)),
            "PASSED  {}: 1 recommended clause fails, 1 clause held",
        ),
        (verdicts.outcome(verdicts.vacuous()), "NOT DECIDED  {}: 1 clause was not decided, 0 clauses held"),
        (
            verdicts.outcome(verdicts.held(), verdicts.vacuous(clause="step.cost"), strict=True),
            "FAILED  {}: 1 clause was not decided, 1 clause held",
        ),
        (verdicts.outcome(verdicts.held(status=Status.ABORTED, reason="x")), "FAILED  {}: 1 required clause fails"),
        (
            verdicts.outcome(verdicts.held(status=Status.ERROR, reason="KeyError")),
            "ERROR  {}: 1 clause ended in a bug of gdprops, 0 clauses held",
        ),
        (verdicts.outcome(verdicts.held(), interrupted=True, complete=False), "INTERRUPTED  {}: 1 clause held"),
        (
            verdicts.outcome(verdicts.held(status=Status.ACCEPTED, stale=True, reason="it no longer occurs")),
            "FAILED  {}: 1 accepted violation is out of date, 0 clauses held",
        ),
        (verdicts.outcome(refused="no class"), "REFUSED  {}: could not be used: no class"),
    ],
)
def test_the_answer(outcome: Outcome, answer: str) -> None:
    assert headline(outcome)[0] == answer.format("mypkg:MySGD(lr=0.5)")


def test_each_chapter_is_a_line_of_counts() -> None:
    run = verdicts.outcome(
        verdicts.held(),
        verdicts.held(clause="step.cost"),
        verdicts.violated(clause="step.plain"),
        verdicts.violated(clause="optimizer.in-place", level=Level.RECOMMENDED),
        verdicts.vacuous(clause="optimizer.resume"),
        verdicts.not_applicable(clause="optimizer.closure"),
        verdicts.not_applicable(clause="step.apply-order"),
        verdicts.not_applicable(clause="step.once"),
    )
    text = text_of(run)
    assert "\nstep       2 held · 1 violated · 2 do not apply\n" in text
    assert "\noptimizer  1 violated (recommended) · 1 not decided · 1 does not apply\n" in text


def test_v_lists_the_clauses_and_vv_their_statements() -> None:
    run = verdicts.outcome(verdicts.held())
    assert "96/100" not in text_of(run)
    assert "96/100" in text_of(run, verbose=1)
    assert "exact" in text_of(run, verbose=1)
    assert verdicts.SIMULTANEOUS not in flat(text_of(run, verbose=1, width=200))
    assert verdicts.SIMULTANEOUS in flat(text_of(run, verbose=2, width=200))


def test_a_ratio_is_shown_where_rounding_was_allowed() -> None:
    assert "0.0123" in text_of(verdicts.outcome(verdicts.held(worst_ratio=0.012345)), verbose=1)


def test_profile_and_seed_are_told() -> None:
    assert "\nprofile dev, no seed; -v lists the clauses\n" in text_of(verdicts.outcome(verdicts.held()))
    assert "\nprofile ci, seed 0, strict; -v lists the clauses\n" in text_of(
        verdicts.outcome(verdicts.held(), profile="ci", seed=0, strict=True)
    )


def test_a_violation_is_shown_in_full() -> None:
    text = text_of(verdicts.outcome(verdicts.violated()))
    for line in (
        "VIOLATED step.simultaneous",
        "where       layer1.weight, index (0, 1), step 1",
        "seen        0.75, expected 0.5",
        "difference  0.25, 0.5 of the displacement; 0 allowed (exact case: equality)",
        "wrong       layer1.weight, layer1.bias (first at step 1)",
        "found       after 7 examples",
        "instead     A layer-by-layer update, last layer first, reproduces the weights seen.",
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
    assert "violates    step.simultaneous, step.plain\n" in text_of(verdicts.outcome(other, primary))


def test_a_violation_that_the_explanation_does_not_reproduce_is_not_said_to_be_of_the_same_fault() -> None:
    primary = verdicts.violated(also=("step.plain", "step.once"), same_fault=("step.plain",))
    told = "violates step.simultaneous, step.plain; it does not explain step.once, which may be another fault"
    assert told in flat(text_of(verdicts.outcome(primary)))


def test_what_the_explanation_reproduces_too_is_named_and_shown_only_when_verbose() -> None:
    primary = verdicts.violated(also=("step.plain",), same_fault=("step.plain",))
    run = verdicts.outcome(primary, verdicts.violated(clause="step.plain"))
    assert "VIOLATED step.plain" not in text_of(run)
    assert text_of(run).count(verdicts.CODE.strip()) == 1
    assert "VIOLATED step.plain" in text_of(run, verbose=1)
    assert text_of(run, verbose=1).count(verdicts.CODE.strip()) == 2


def test_another_violation_is_shown_too() -> None:
    run = verdicts.outcome(verdicts.violated(also=("step.plain",)), verdicts.violated(clause="step.plain"))
    assert "VIOLATED step.plain" in text_of(run)


def test_facts_that_were_seen_alike_are_told_once() -> None:
    facts = "none of 90 hypotheses reproduces what was seen; first wrong at step 1"
    primary = verdicts.violated(also=("step.plain",), explanation=facts)
    other = verdicts.violated(clause="step.plain", explanation=facts)
    told = text_of(verdicts.outcome(primary, other))
    assert "VIOLATED step.plain" not in told
    assert "it does not explain step.plain, which may be another fault" in flat(told)
    seen = verdicts.violated(clause="step.plain", explanation=f"{facts} and 2")
    assert "VIOLATED step.plain" in text_of(verdicts.outcome(primary, seen))
    ended = [replace(v, explanation="not explained: out of time") for v in (primary, other)]
    assert "VIOLATED step.plain" in text_of(verdicts.outcome(*ended))


def test_a_bug_of_ours_shows_its_traceback_as_it_is() -> None:
    trace = "Traceback (most recent call last):\n  File x\n      " + "y" * 120 + "\nKeyError: 'z'"
    text = text_of(verdicts.outcome(verdicts.held(status=Status.ERROR, reason=trace)))
    assert trace in text


def test_skips_never_read_as_passes() -> None:
    run = verdicts.outcome(verdicts.held(), verdicts.vacuous(clause="step.cost"), verdicts.not_applicable())
    assert "step  1 held · 1 not decided · 1 does not apply" in text_of(run)
    text = flat(text_of(run, width=160, verbose=1))
    assert "not decided: the loss was not finite in 97 examples" in text
    assert "does not apply: not plain gradient descent" in text


def test_what_is_accepted_is_told() -> None:
    run = verdicts.outcome(
        verdicts.held(), verdicts.held(clause="step.cost", status=Status.ACCEPTED, reason="known, #3")
    )
    assert "step.cost is violated, and accepted: known, #3\n" in text_of(run)


def test_where_nothing_is_decided_the_reasons_are_told() -> None:
    many = [verdicts.vacuous(clause=f"step.{k}") for k in range(6)]
    text = text_of(verdicts.outcome(*many))
    assert "step.0 was not decided: the loss was not finite in 97 examples" in text
    assert "step.4 was not decided" not in text
    assert "and 2 clauses more: -v lists them" in text


def test_a_violated_recommendation_says_that_it_does_not_fail() -> None:
    text = flat(
        text_of(verdicts.outcome(verdicts.held(), verdicts.violated(level=Level.RECOMMENDED)), width=160, verbose=1)
    )
    assert "recommended: fails only with --strict" in text
    assert "VIOLATED step.simultaneous (recommended)" in text


def test_the_reference_is_one_line_and_a_table_when_verbose() -> None:
    run = verdicts.outcome(verdicts.held(), verdicts.reference(), verdicts.reference(clause="gradient.complete"))
    assert "\nreference: 2 of 2 held\n" in text_of(run)
    assert "gradient.pure" not in text_of(run)
    assert "gradient.pure" in text_of(run, verbose=1)


def test_a_reference_that_was_kept_says_so() -> None:
    run = verdicts.outcome(verdicts.held(), verdicts.reference(seconds=0.0))
    assert "reference: 1 of 1 held, kept from an earlier run with the same versions (--fresh runs it)" in text_of(run)


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


def test_quiet_shows_the_answer_and_what_fails_only() -> None:
    run = verdicts.outcome(verdicts.violated(), verdicts.held(clause="step.cost"), verdicts.reference(), seed=1)
    text = text_of(run, quiet=True)
    assert text.startswith("FAILED  mypkg:MySGD(lr=0.5): 1 required clause fails\n\nVIOLATED step.simultaneous")
    assert "step.cost" not in text
    assert "reference" not in text
    passed = verdicts.outcome(verdicts.held())
    assert text_of(passed, quiet=True) == "PASSED  mypkg:MySGD(lr=0.5): 1 clause held"


def test_nothing_held_is_said() -> None:
    assert "No clause held: nothing was shown about this subject." in text_of(
        verdicts.outcome(verdicts.not_applicable())
    )


def test_why_no_clause_could_be_examined_is_said_even_in_few_words() -> None:
    why = "no verdict: none of the losses that were tried fits"
    run = verdicts.outcome(*(verdicts.not_applicable(clause=c, reason=why) for c in ("step.plain", "step.cost")))
    assert "No clause held: none of the losses that were tried fits." in flat(text_of(run, quiet=True))


def test_a_climb_that_nothing_decides_is_said() -> None:
    climbing = verdicts.violated(clause="optimizer.descends-by-default", level=verdicts.Level.RECOMMENDED)
    text = flat(text_of(verdicts.outcome(verdicts.held(), climbing)))
    assert (
        "It climbs, and no clause has decided whether it is meant to. --rule sgd, or the rule that it is, holds it to "
        "descending; a hyperparameter maximize=True declares that it climbs." in text
    )
    assert found(verdicts.outcome(verdicts.held(), climbing)).startswith("It climbs, and no clause has decided")


def test_aborted_and_error_say_why() -> None:
    aborted = verdicts.held(status=Status.ABORTED, reason="60 s used up")
    broken = verdicts.held(status=Status.ERROR, reason="KeyError: 'x'", clause="step.cost")
    text = text_of(verdicts.outcome(aborted, broken), width=160)
    assert "ABORTED step.simultaneous" in text
    assert "reason  60 s used up" in text
    assert "ERROR step.cost" in text
    assert "reason    KeyError: 'x'" in text
    assert "step  1 aborted · 1 error" in text


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    run = verdicts.outcome(
        verdicts.held(clause="optimizer.resume-low-precision"), verdicts.vacuous(), verdicts.not_applicable()
    )
    assert max(map(len, text_of(run, width=width, verbose=2).splitlines())) <= width


@pytest.mark.parametrize("width", [60, 80])
def test_ids_survive_a_narrow_terminal_unbroken(width: int) -> None:
    assert "optimizer.resume-low-precision" in text_of(
        verdicts.outcome(verdicts.held(clause="optimizer.resume-low-precision")), width=width, verbose=1
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
    assert "difference  1; 0.5 allowed\n" in text


def test_a_watched_run_is_not_told_of_an_option_that_watch_has_not() -> None:
    text = text_of(verdicts.outcome(verdicts.violated(clause="live.once"), profile=WATCHED))
    assert "\nwatched run; gdprops show CLAUSE explains one\n" in text
    assert "\nwatched run\n" in text_of(verdicts.outcome(verdicts.held(clause="live.once"), profile=WATCHED))
    failed = text_of(verdicts.outcome(verdicts.violated(), seed=0))
    assert "\nprofile dev, seed 0; -v lists the clauses, gdprops show CLAUSE explains one\n" in failed


def test_what_ended_its_process_or_was_interrupted_says_what_to_do() -> None:
    crashed = verdicts.held(status=Status.ABORTED, reason="ended by a crash of native code (SIGSEGV), at crash.py:13")
    assert "gdprops check --in-process runs it in the process of gdprops, for a debugger." in flat(
        text_of(verdicts.outcome(crashed))
    )
    ended = flat(text_of(verdicts.outcome(verdicts.held(), interrupted=True, complete=False)))
    assert "It was interrupted: the other clauses were not run, and nothing is known of them." in ended


def test_the_way_to_replay_stands_above_the_case() -> None:
    text = text_of(verdicts.outcome(verdicts.violated()))
    assert text.index("Replay it: gdprops replay") < text.index("The shrunk case, as runnable Python:")


def test_a_violated_recommendation_comes_after_what_fails() -> None:
    advised = verdicts.violated(clause="step.cost", level=Level.RECOMMENDED)
    run = verdicts.outcome(advised, verdicts.violated(clause="step.plain"))
    assert [verdict.clause for verdict in in_full(run)] == ["step.plain", "step.cost"]
