"""Accepted violations: the file, what becomes of each entry, and the engine that replays the pinned case."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import gdprops
from gdprops.clauses import catalogue
from gdprops.cli import main
from gdprops.errors import UsageError
from gdprops.model.identity import Identity
from gdprops.model.verdict import Status
from gdprops.runner.project import accepted
from gdprops.runner.project.accepted import Accepted
from gdprops.runner.project.terms import Terms, terms_from
from tests.report import verdicts

ENTRY = Accepted("a:B", "step.plain", 1, "see #12", {"pinned": 1})
AGAIN = "remove the entry, or run gdprops accept again"


def write(folder: Path, data: Any) -> Path:
    path = folder / accepted.FILE
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


def entry(**changes: Any) -> dict[str, Any]:
    return {"subject": "a:B", "clause": "step.plain", "revision": 1, "reason": "see #12", "case": None, **changes}


def named(name: str, identity: str = "") -> Any:
    return SimpleNamespace(name=name, identity=Identity(identity))


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    other = replace(ENTRY, clause="step.once", case=None)
    accepted.save(tmp_path / accepted.FILE, [ENTRY, other])
    assert accepted.near(tmp_path) == (other, ENTRY)
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert accepted.near(inner) == (other, ENTRY)
    assert accepted.near(tmp_path.parent / "nowhere") == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{", r"is not JSON: Expecting"),
        ("[" * 100_000, r"is not JSON: "),
        ([], r'expected \{"gdprops": 1, "accepted": \[…\]\}, as gdprops accept writes it'),
        ({"gdprops": 2, "accepted": []}, r'expected \{"gdprops": 1'),
        ({"gdprops": 1, "accepted": [3]}, r"expected entries with the keys subject, clause, revision, reason, case"),
        ({"gdprops": 1, "accepted": [entry(why="x")]}, r"unknown key 'why'"),
        ({"gdprops": 1, "accepted": [entry(reason=" ")]}, r"step\.plain: reason is required, a text that is not empty"),
        ({"gdprops": 1, "accepted": [entry(revision="1")]}, r"step\.plain: revision is required, a whole number"),
        ({"gdprops": 1, "accepted": [entry(clause="step.plane")]}, r"no clause is named 'step\.plane'; did you mean"),
        ({"gdprops": 1, "accepted": [entry(), entry()]}, r"step\.plain of a:B is accepted twice"),
    ],
)
def test_a_malformed_file_is_one_line(tmp_path: Path, data: Any, message: str) -> None:
    write(tmp_path, data)
    with pytest.raises(UsageError, match=rf"gdprops-accepted\.json:? {message}") as caught:
        accepted.near(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_written_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"^/no/such/f: cannot be written \(No such file or directory\)$"):
        accepted.save(Path("/no/such/f"), [])


def test_a_violation_is_accepted_with_its_reason() -> None:
    verdict = ENTRY.settle(verdicts.violated())
    assert (verdict.status, verdict.reason, verdict.stale) == (Status.ACCEPTED, "see #12", False)
    assert not verdict.failed
    assert not verdict.failed_strictly
    assert verdict.blame


@pytest.mark.parametrize(
    ("verdict", "case", "why"),
    [
        (verdicts.held(), {}, "the pinned case passes now"),
        (verdicts.held(), None, "it passes now"),
        (verdicts.vacuous(), {}, "the pinned case passes now"),
        (verdicts.not_applicable(), {}, "the clause does not apply (not plain gradient descent)"),
    ],
)
def test_what_is_there_no_more_is_red(verdict: verdicts.Verdict, case: Any, why: str) -> None:
    stale = replace(ENTRY, case=case).settle(verdict)
    assert (stale.status, stale.reason) == (Status.ACCEPTED, f"accepted (see #12), but {why}: {AGAIN}")
    assert stale.failed
    assert stale.failed_strictly
    assert verdicts.outcome(verdicts.held(), stale).exit_code == 1


@pytest.mark.parametrize("verdict", [verdicts.held(status=Status.ABORTED), verdicts.held(status=Status.ERROR)])
def test_an_abortion_and_an_error_are_not_what_was_accepted(verdict: verdicts.Verdict) -> None:
    assert ENTRY.settle(verdict) is verdict
    searched = replace(ENTRY, case=None)
    assert searched.settle(verdicts.vacuous()).status is Status.VACUOUS


def test_terms_survive_the_journey() -> None:
    from dataclasses import asdict

    terms = Terms(1, ("step.*",), 3, "pyproject.toml", (ENTRY,))
    assert terms_from(json.loads(json.dumps(asdict(terms)))) == terms
    assert terms.accepts(named("a:B"), "step.plain") == ENTRY
    assert terms.accepts(named("a:C"), "step.plain") is None


def test_entries_that_match_nothing_are_named() -> None:
    assert accepted.unmatched([ENTRY], {("a:B", "step.plain")}) == []
    assert accepted.unmatched([ENTRY], {("a:C", "step.plain")}) == [
        "gdprops-accepted.json: the run did not contain step.plain of a:B: remove the entry"
    ]


@pytest.mark.parametrize(
    ("reasons", "message"),
    [
        ({"step.plane": "x"}, r"^accepted: no clause is named 'step\.plane'; did you mean 'step\.plain'"),
        ({"step.plain": ""}, r"^accepted\['step\.plain'\]=''; expected the reason, a text that is not empty"),
    ],
)
def test_reasons_from_python_are_checked(reasons: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        gdprops.check("torch.optim:SGD", "step.plain", accepted=reasons)


SUBJECT = """
import torch

class Mine(torch.optim.SGD):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for k, p in enumerate(group["params"]):
                if p.grad is not None:
                    p.add_(p.grad, alpha=-group["lr"] / (1 if k == 0 else DIVISOR))
"""
CHOSEN = ("-p", "lr=0.5", "--rule", "sgd", "--clauses", "step.plain", "--clauses", "step.apply-order")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text(SUBJECT.replace("DIVISOR", "2"), encoding="utf-8")
    (tmp_path / "sound.py").write_text(SUBJECT.replace("DIVISOR", "1"), encoding="utf-8")
    return tmp_path


def accept(*flags: str) -> int:
    return main(["accept", "broken.py:Mine", *CHOSEN, "--seed", "1", "--examples", "20", *flags])


def check(subject: str = "broken.py:Mine") -> gdprops.Report:
    chosen = gdprops.optimizer(subject, lr=0.5, rule="sgd")
    return gdprops.check(chosen, ["step.plain", "step.apply-order"], examples=20)


def test_what_fails_now_is_accepted_and_replayed_instead_of_a_search(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert accept("--reason", "halves, see #12") == 0
    name = "broken.py:Mine(lr=0.5)"
    said = capsys.readouterr().out
    assert said == f"gdprops-accepted.json: accepted of {name}: step.plain, step.apply-order.\n"
    report = check()
    assert {
        verdict.clause: (verdict.status, verdict.examples) for verdict in report.outcome.of(verdicts.About.SUBJECT)
    } == {
        "step.plain": (Status.ACCEPTED, 1),
        "step.apply-order": (Status.ACCEPTED, 1),
    }
    assert report["step.plain"].reason == "halves, see #12"
    assert report["step.plain"].blame
    assert not report.violations


def test_what_was_repaired_is_red_until_the_entry_is_gone(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    accept("--reason", "halves")
    (mine / "sound.py").write_text(SUBJECT.replace("DIVISOR", "1"), encoding="utf-8")
    entries = accepted.near(mine)
    of_sound = [replace(e, identity=e.identity.replace("broken:Mine", "sound:Mine")) for e in entries]
    accepted.save(mine / accepted.FILE, of_sound)
    report = check("sound.py:Mine")
    assert report.exit_code == 1
    assert report["step.plain"].stale
    line = f"step.plain: accepted (halves), but the pinned case passes now: {AGAIN}"
    assert line in " ".join(str(report).split())
    capsys.readouterr()
    assert main(["accept", "sound.py:Mine", *CHOSEN, "--examples", "5", "--reason", "x"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("gdprops-accepted.json: removed, because they do not fail any more: step.")
    assert accepted.near(mine) == ()


def test_another_revision_is_red_and_is_not_run(mine: Path) -> None:
    path = mine / accepted.FILE
    accepted.save(path, [Accepted("broken.py:Mine(lr=0.5)", "step.plain", 99, "old", {"type": "no case"})])
    verdict = check()["step.plain"]
    now = catalogue()["step.plain"].revision
    assert verdict.stale
    assert verdict.reason == f"accepted at revision 99 of step.plain, which is now {now}: {AGAIN}"


PLAN = {"type": "Plan", "groups": [[0]], "rates": [0.5], "options": {"map": {}}, "frozen": {"set": []}, "seed": 0}
VECTOR = {"array": [1.0], "dtype": "float64", "shape": [1], "order": "C"}


def update(**changes: Any) -> dict[str, Any]:
    whole = {"type": "UpdateCase", "tensors": [VECTOR], "gradients": [[VECTOR]], "plan": PLAN, "precision": 53}
    return {**whole, **changes}


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ({"type": "os.system"}, "is damaged: KeyError: 'os.system'"),
        ({"type": "Path", "args": ["x"]}, "is damaged: KeyError: 'Path'"),
        ({"array": [1], "dtype": "O"}, "is damaged: ValueError: dtype 'O'"),
        (update(precision=10**15), "is damaged: ValueError: precision 1000000000000000"),
        (update(order=[2**70]), "is damaged: ValueError: a whole number larger than any in a case"),
        (update(tensors=[{**VECTOR, "shape": [10**12]}]), "is damaged: ValueError: cannot reshape array of size 1"),
        (update(gradients=[3]), r"does not fit step\.plain \(AttributeError: "),
        (update(plan=None), r"does not fit step\.plain \(AttributeError: "),
        (VECTOR, r"does not fit step\.plain \(AttributeError: "),
    ],
)
def test_a_hostile_case_is_one_line(mine: Path, case: Any, message: str) -> None:
    now = catalogue()["step.plain"].revision
    accepted.save(mine / accepted.FILE, [Accepted("broken.py:Mine(lr=0.5)", "step.plain", now, "old", case)])
    with pytest.raises(UsageError, match=rf"^the saved case {message}") as caught:
        check()
    assert "\n" not in str(caught.value)


def test_only_the_reason_of_python_needs_no_case(mine: Path) -> None:
    chosen = gdprops.optimizer("broken.py:Mine", lr=0.5, rule="sgd")
    report = gdprops.check(chosen, "step.plain", examples=20, accepted=lambda subject: {"step.plain": subject.name})
    assert report["step.plain"].status is Status.ACCEPTED
    assert report["step.plain"].reason == "broken.py:Mine(lr=0.5)"
    sound = gdprops.optimizer("sound.py:Mine", lr=0.5, rule="sgd")
    report = gdprops.check(sound, "step.plain", examples=20, accepted={"step.plain": "known"})
    assert report["step.plain"].reason == f"accepted (known), but it passes now: {AGAIN}"
    assert report.exit_code == 1


def test_accept_refuses_an_empty_reason_and_says_where_nothing_fails(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert accept("--reason", " ") == 2
    assert "--reason: expected why the violations are accepted" in capsys.readouterr().err
    assert main(["accept", "sound.py:Mine", *CHOSEN, "--examples", "5", "--reason", "x"]) == 0
    assert capsys.readouterr().out == "sound.py:Mine(lr=0.5): nothing fails, hence there is nothing to accept.\n"
    assert not (mine / accepted.FILE).exists()


def test_an_entry_about_another_kind_of_subject_is_an_error(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "broken.py:Mine(lr=0.5)"
    accepted.save(mine / accepted.FILE, [Accepted(name, "gradient.pure", 1, "why")])
    assert main(["check", "broken.py:Mine", "-p", "lr=0.5"]) == 2
    message = f"gdprops-accepted.json: gradient.pure is not about subjects like {name}: remove the entry\n"
    assert capsys.readouterr().err.endswith(message)
