"""How a counterexample ends, what it says where it cannot be shown, and how a replay finds its subject."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch

import gdprops
from gdprops.clauses import catalogue
from gdprops.cli import main
from gdprops.errors import SubjectTimeout, UsageError
from gdprops.model.evidence import violation
from gdprops.model.item import Item
from gdprops.model.verdict import About, Counterexample, Status, Verdict
from gdprops.report.terminal import outcome_text
from gdprops.runner.counterexamples.counterexample import counterexample_of
from gdprops.runner.counterexamples.encoding import decode
from gdprops.runner.counterexamples.saved_file import save
from gdprops.runner.items import examiner
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.script_lines import heading, package_of

HERE = __name__


class NeedsAClosure(torch.optim.SGD):
    """Steps with a closure only, and raises in its second step."""

    def step(self, closure: Any) -> Any:  # type: ignore[override]
        self.taken = getattr(self, "taken", 0) + 1
        if self.taken > 1:
            raise ArithmeticError("the second step")
        return super().step(closure)


class Doubles(torch.optim.SGD):
    """Steps twice as far."""

    def step(self, closure: Any = None) -> Any:
        super().step()
        return super().step(closure)


def violated(subject: Any, clause: str, folder: Path | None = None) -> Verdict:
    settings = Settings(seed=0, examples=20, counterexamples=None if folder is None else str(folder))
    (found,) = (
        v for v in check_subject(subject, clauses=clause, settings=settings).verdicts if v.status is Status.VIOLATED
    )
    return found


def example_of(found: Verdict) -> Counterexample:
    assert found.counterexample is not None
    return found.counterexample


def test_a_closure_driven_subject_crashes_in_the_last_line() -> None:
    script = example_of(violated(gdprops.optimizer(NeedsAClosure, lr=0.5), "optimizer.storage")).python
    assert script.splitlines()[0].endswith("float64: the last line raises ArithmeticError")
    assert script.splitlines()[-1] == "returned = optimizer.step(closure)"
    with pytest.raises(ArithmeticError, match="the second step"):
        exec(compile(script, "script", "exec"), {})


def test_a_script_names_the_package_and_its_version() -> None:
    told = heading("torch.optim:Adam(lr=0.5)", "torch.optim:Adam", "float64", "step.plain")
    package = f"torch {metadata.version('torch')}"
    assert told == f"# torch.optim:Adam(lr=0.5) ({package}), float64: the last line asserts what step.plain demands"
    assert package_of("train.py") == package_of("__main__") == package_of("tests.samples") == ""
    assert package_of("yaml").startswith("PyYAML ")


def test_a_class_that_cannot_be_imported_is_to_be_defined_above() -> None:
    class Local(Doubles):
        pass

    found = example_of(violated(gdprops.optimizer(Local, lr=0.5, rule="sgd", name="mine"), "step.plain"))
    assert f"\n# define Local here: {Local.__qualname__} of {HERE} cannot be imported\n" in found.python
    with pytest.raises(AssertionError, match=r"expected 0\.5"):
        exec(compile(found.python, "script", "exec"), {"Local": Local})


def test_a_case_that_does_not_show_it_again_has_no_script_and_says_so() -> None:
    faulty, right = (gdprops.optimizer(made, lr=0.5, rule="sgd") for made in (Doubles, torch.optim.SGD))
    data = example_of(violated(faulty, "step.plain")).case
    item = Item(catalogue()["step.plain"], About.SUBJECT)
    found = counterexample_of(item, right, decode(data["case"]), violation("it moved"), Settings(seed=0), examiner)
    assert found.python == ""
    assert found.doubt == (
        "run once more from its saved form, the case does not show it: the subject is not deterministic"
    )


def test_a_case_that_takes_too_long_when_it_runs_again_has_no_script_and_says_so() -> None:
    faulty = gdprops.optimizer(Doubles, lr=0.5, rule="sgd")
    data = example_of(violated(faulty, "step.plain")).case
    item = Item(catalogue()["step.plain"], About.SUBJECT)

    def slow(item: object, subject: object) -> Any:
        def examine(case: object) -> Any:
            raise SubjectTimeout("the subject used more than its 10 s")

        return examine

    found = counterexample_of(item, faulty, decode(data["case"]), violation("it moved"), Settings(seed=0), slow)
    assert (found.python, found.doubt) == (
        "",
        "run once more from its saved form, the case did not come to its end: the subject used more than its 10 s",
    )


def test_the_folder_of_saved_cases_keeps_itself_out_of_git(tmp_path: Path) -> None:
    data = {"subject": "s", "clause": "step.once"}
    assert save(data, str(tmp_path / ".gdprops")) == str(tmp_path / ".gdprops" / "s-step.once.json")
    assert (tmp_path / ".gdprops" / ".gitignore").read_text(encoding="utf-8").splitlines()[-1] == "*"
    save(data, str(tmp_path / "mine"))
    assert not (tmp_path / "mine" / ".gitignore").exists()


def test_a_report_says_in_one_line_why_it_shows_no_script() -> None:
    subject = gdprops.optimizer("torch.optim:SGD", lr=0.5, traits={"lr_response": "ignored"})
    outcome = check_subject(subject, clauses="optimizer.traits-as-declared", settings=Settings(seed=0, examples=5))
    (found,) = (v for v in outcome.verdicts if v.status is Status.VIOLATED)
    assert example_of(found).python == ""
    assert "\nNote: no script is printed: only the replay shows it\n" in outcome_text(outcome)


def test_a_replay_takes_name_and_traits_from_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subject = gdprops.optimizer(Doubles, lr=0.5, rule="sgd", name="my sgd", traits={"randomness": "none"})
    example = example_of(violated(subject, "step.plain", tmp_path))
    assert example.path is not None
    assert example.replay == f"gdprops replay {example.path} {HERE}:Doubles -p lr=0.5 --rule sgd"
    stated = json.loads(Path(example.path).read_text(encoding="utf-8"))["declared"]
    assert stated == {
        "spec": f"{HERE}:Doubles",
        "kind": "optimizer",
        "rule": "sgd",
        "hyperparameters": {"lr": "0.5"},
        "traits": {"randomness": "none"},
    }
    assert main(example.replay.split()[1:]) == 1
    assert "VIOLATED step.plain" in capsys.readouterr().out


def test_python_replays_a_file_alone_or_on_a_subject(tmp_path: Path) -> None:
    subject = gdprops.optimizer(Doubles, lr=0.5, rule="sgd", name="my sgd")
    path = example_of(violated(subject, "step.plain", tmp_path)).path
    assert path is not None
    for given in (None, subject):
        (again,) = gdprops.replay(path, given).verdicts
        assert (again.clause, again.status) == ("step.plain", Status.VIOLATED)
    other = gdprops.optimizer("torch.optim:SGD", lr=0.5)
    with pytest.raises(UsageError, match=r"is about my sgd, not about torch.optim:SGD\(lr=0.5\)$"):
        gdprops.replay(path, other)


def test_a_subject_that_no_command_names_is_replayed_in_python(tmp_path: Path) -> None:
    class Local(Doubles):
        pass

    subject = gdprops.optimizer(Local, lr=0.5, rule="sgd", name="mine")
    example = example_of(violated(subject, "step.plain", tmp_path))
    assert example.path is not None
    assert example.replay == f"gdprops.replay({example.path!r}, subject)"
    (again,) = eval(example.replay, {"gdprops": gdprops, "subject": subject}).verdicts
    assert again.status is Status.VIOLATED
    with pytest.raises(UsageError, match=r"does not name its subject \(mine\): give it as the second argument$"):
        gdprops.replay(example.path)


def test_rates_saving_and_loading_are_code() -> None:
    from gdprops.faults.optimizers.optimizer_state_faults import ClockKeptOnSelf

    script = example_of(violated(gdprops.optimizer(ClockKeptOnSelf, lr=0.5), "optimizer.resume")).python
    assert 'group["lr"] = group["lr"] * 0.5' in script
    assert "state = copy.deepcopy(optimizer.state_dict())" in script
    assert "optimizer.load_state_dict(state)" in script
    with pytest.raises(AssertionError, match=r"^w1\[0\] is "):
        exec(compile(script, "script", "exec"), {})
