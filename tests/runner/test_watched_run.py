"""The outcome of a watched run: one verdict for each clause of the chapter live, and what is told beside them."""

from __future__ import annotations

from pathlib import Path

from gdprops.model.ledger import Optimizer
from gdprops.model.outcome import Outcome
from gdprops.report.terminal import outcome_text
from gdprops.runner.project.terms import Terms
from gdprops.runner.watched_run import judged
from tests.clauses.live.ledgers import line, look, run, step, usual

WRONG = run(look(1, {1: 0, 2: 1}), step(1, {1: 0, 2: 1}, {1: 2, 2: 3}), step(2, {1: 2, 2: 3}, {1: 4, 2: 5}, at=13))
SHRUNK = run(*usual(1), look(2, {1: 10, 2: 11}), step(2, {1: 5, 2: 11}, {1: 6, 2: 7}, shrunk=frozenset({1})))


def statuses(outcome: Outcome) -> dict[str, str]:
    return {verdict.clause: verdict.status.value for verdict in outcome.verdicts}


def test_a_right_run_holds_what_it_could_break() -> None:
    outcome = judged("train.py", [run(*usual())])
    found = statuses(outcome)
    assert (found["live.once"], found["live.clipping"]) == ("held", "not-applicable")
    assert outcome.exit_code == 0
    assert [note.text for note in outcome.notes] == ["4 steps of optimizers watched"]


def test_a_wrong_thread_is_a_wrong_run() -> None:
    outcome = judged("train.py", [run(*usual()), WRONG])
    assert statuses(outcome)["live.fresh-gradient"] == "violated"
    assert outcome.exit_code == 1
    assert outcome.notes[0].text == "6 steps of optimizers watched in 2 threads, each judged by itself"
    text = outcome_text(outcome)
    assert text.startswith("FAILED  train.py: 1 required clause fails\n")
    assert "the step at train.py:13 uses the gradients of train.py:11 again for a and b" in " ".join(text.split())
    assert "No seed was given" not in text


def test_a_note_of_a_required_clause_fails_only_strictly() -> None:
    assert judged("train.py", [SHRUNK]).exit_code == 0
    strict = judged("train.py", [SHRUNK], strict=True)
    (verdict,) = [one for one in strict.verdicts if one.clause == "live.frozen-weights"]
    assert (verdict.level, strict.exit_code) == ("recommended", 1)


def test_a_run_without_a_step_decides_nothing() -> None:
    outcome = judged("train.py", [run()])
    assert set(statuses(outcome).values()) == {"vacuous"}
    assert outcome.exit_code == 5


def test_an_error_of_ours_is_told_as_one() -> None:
    outcome = judged("train.py", [run(*usual())], error="Traceback …\nLookupError: of ours\n")
    assert (outcome.verdicts[0].status, outcome.exit_code) == ("error", 3)
    assert "LookupError: of ours" in outcome_text(outcome)


def test_terms_of_a_project_exclude_and_accept() -> None:
    excluded = judged("train.py", [WRONG], terms=Terms(exclude=("live.fresh*",), source="pyproject.toml"))
    (verdict,) = [one for one in excluded.verdicts if one.clause == "live.fresh-gradient"]
    assert (verdict.status, verdict.reason) == ("not-applicable", "excluded by 'live.fresh*' in pyproject.toml")
    assert judged("train.py", [WRONG], terms=Terms(specification=2, source="pyproject.toml")).exit_code == 0


def test_what_watching_cannot_decide_is_handed_to_check() -> None:
    (told,) = [note for note in judged("train.py", [SHRUNK]).notes if "gdprops check" in note.text]
    assert told.sentence.endswith(
        "compares it with one simultaneous step; gdprops watch --record DIR keeps the weights and batches of a step "
        "for it (train.py:11)"
    )
    kept = judged("train.py", [WRONG], kept=Path("kept/step.py")).notes[-1]
    assert kept.text == (
        "the weights and batches of step 1 are in kept: write the step in kept/step.py, and gdprops check "
        "kept/step.py:subject compares it with one simultaneous step"
    )
    assert not [note for note in judged("train.py", [WRONG]).notes if "gdprops check" in note.text]


def test_a_run_whose_optimizer_never_steps_says_what_it_did_instead() -> None:
    made = {1: Optimizer("Adam", made_at=line(3))}
    assert judged("train.py", [run(look(1, {1: 0}), look(2, {1: 0}), optimizers=made)]).notes[-1].text == (
        "backward was called 2 times at train.py:11, and Adam, made at train.py:3, was not seen to step"
    )
    alone = judged("train.py", [run(look(1, {1: 0}), optimizers={})])
    assert alone.notes[-1].text == (
        "backward was called 1 time at train.py:11, and no optimizer of torch was made: what a script moves by itself "
        "is not judged by watching; as build(model, loss_fn) -> step it is, by gdprops check FILE:build --as "
        "training-step"
    )
    assert "Nothing was decided: no optimizer stepped.\n" in outcome_text(alone)
