"""The table in pyproject.toml: what it says, and one line for everything that it cannot say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gdprops.clauses import catalogue
from gdprops.errors import UsageError
from gdprops.model.verdict import Status
from gdprops.runner.named_subjects import configured, in_terms, named
from gdprops.runner.project.configuration import find
from gdprops.runner.project.initialize import initialize
from gdprops.runner.project.terms import Terms
from gdprops.runner.settings import PROFILES
from tests.report import verdicts

WHOLE = """
[tool.gdprops]
specification = 1
exclude = ["step.loss-falls", "sequential.*"]
min-clauses = { mysgd = 12 }
examples = 40

[tool.gdprops.subjects]
mysgd = "mypkg.optim:MySGD"
train = "mypkg.train:build"

[tool.gdprops.params]
mysgd = { lr = 0.1, nesterov = true, betas = [0.9, 0.99] }

[tool.gdprops.rules]
mysgd = "sgd"

[tool.gdprops.kinds]
train = "training-step"

[tool.gdprops.traits.mysgd]
separability = "element"
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "pyproject.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_table_is_read_whole(tmp_path: Path) -> None:
    write(tmp_path, WHOLE)
    found = find(tmp_path)
    assert found is not None
    assert (found.folder, found.specification, found.examples) == (tmp_path.resolve(), 1, 40)
    mine, train = found.subjects
    assert (mine.name, mine.spec, mine.rule, mine.min_clauses) == ("mysgd", "mypkg.optim:MySGD", "sgd", 12)
    assert mine.parameters == {"lr": 0.1, "nesterov": True, "betas": [0.9, 0.99]}
    assert mine.traits == {"separability": "element"}
    assert (train.kind, train.rule, train.min_clauses) == ("training-step", None, 0)
    assert found.get("mypkg.optim:MySGD") is found.get("mysgd") is mine
    assert found.get("other:Thing") is None


def test_it_is_found_upward_past_files_without_it(tmp_path: Path) -> None:
    write(tmp_path, '[tool.gdprops]\nsubjects = ["a:B"]\n')
    inner = tmp_path / "package" / "inner"
    inner.mkdir(parents=True)
    write(inner, "[project]\nname = 'gdprops-user'\n")
    found = find(inner)
    assert found is not None
    assert found.folder == tmp_path.resolve()
    assert [(s.name, s.spec) for s in found.subjects] == [("a:B", "a:B")]
    assert find(tmp_path.parent / "nowhere") is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("specificaton = 1", r"unknown key 'specificaton'; did you mean 'specification'\?$"),
        ("specification = 99", r"specification = 99; this gdprops knows 1 to \d+: update it"),
        ("specification = true", r"specification: expected a whole number of at least 1, not True"),
        ("examples = 0", r"examples: expected a whole number of at least 1, not 0"),
        ("min-clauses = -1", r"min-clauses: expected a whole number of at least 0, not -1"),
        ("subjects = 3", r"subjects: expected subject strings, or a table of them by name, not 3"),
        ("subjects = { a = 'MySGD' }", r"subjects\.a: expected package\.module:Name, not 'MySGD'"),
        ("params = []", r"params: expected a table by subject, not \[\]"),
        ("params = { mysdg = { lr = 1 } }", r"params\.mysdg: no such subject; did you mean 'mysgd'\?"),
        ("params = { mysgd = { '-x' = 1 } }", r"params\.mysgd: expected names of hyperparameters, not '-x'"),
        ("params = { mysgd = { lr = {} } }", r"params\.mysgd\.lr: expected a number, a string or a list, not \{\}"),
        ("rules = { mysgd = 1 }", r"rules\.mysgd: expected a string, not 1"),
        ("traits = { mysgd = { x = 1 } }", r"traits\.mysgd\.x: expected a string, not 1"),
        ("exclude = 'step.*'", r"exclude: expected a list of patterns of clauses, not 'step\.\*'"),
        ("exclude = ['step.plane']", r"exclude: 'step\.plane' matches no clause; did you mean 'step\.plain'"),
    ],
)
def test_what_cannot_be_meant_is_one_line(tmp_path: Path, table: str, message: str) -> None:
    subjects = "" if "subjects" in table else '\nsubjects = { mysgd = "a:B" }'
    write(tmp_path, f"[tool.gdprops]\n{table}{subjects}\n")
    with pytest.raises(UsageError, match=rf"^\[tool\.gdprops\] in pyproject\.toml: {message}") as caught:
        find(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_toml_is_one_line(tmp_path: Path) -> None:
    write(tmp_path, "[tool.gdprops\n")
    with pytest.raises(UsageError, match=r"pyproject\.toml is not TOML: Expected '\]'"):
        find(tmp_path)
    (tmp_path / "pyproject.toml").write_bytes(b"[tool.gdprops]\n\xff")
    with pytest.raises(UsageError, match=r"pyproject\.toml cannot be read: 'utf-8' codec"):
        find(tmp_path)


def test_a_name_that_nothing_is_called_is_refused_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, WHOLE)
    with pytest.raises(UsageError, match=r"^no subject is named 'mysdg' in pyproject\.toml; did you mean 'mysgd'\?"):
        configured("mysdg", tmp_path)
    assert configured("other:Thing", tmp_path) is None


def test_the_terms_of_a_subject_reach_the_settings(tmp_path: Path) -> None:
    write(tmp_path, WHOLE)
    dev = in_terms(PROFILES["dev"], "mysgd", folder=tmp_path)
    assert dev.examples == 40
    assert dev.terms == Terms(1, ("step.loss-falls", "sequential.*"), 12, "pyproject.toml")
    assert in_terms(PROFILES["dev"], "mysgd", folder=tmp_path, examples=100).examples == 100
    assert in_terms(PROFILES["nightly"], "mysgd", folder=tmp_path).examples == 1000
    assert in_terms(PROFILES["dev"], "other:Thing", folder=tmp_path) == PROFILES["dev"]


def test_how_many_must_hold_is_asked_of_whole_runs_only(tmp_path: Path) -> None:
    write(tmp_path, WHOLE)
    assert in_terms(PROFILES["dev"], "mysgd", folder=tmp_path, clauses="step.*").terms.min_clauses == 0
    first = replace(PROFILES["dev"], fail_fast=True)
    assert in_terms(first, "mysgd", folder=tmp_path).terms.min_clauses == 0


def test_a_later_clause_is_reported_but_does_not_fail() -> None:
    later = replace(catalogue()["step.plain"], since=2)
    terms = Terms(specification=1, source="pyproject.toml")
    judged = terms.judged(later, verdicts.violated(reason="2 instead of 1"), strict=False)
    assert judged.status is Status.ACCEPTED
    assert judged.reason == "violated: 2 instead of 1 (new in specification 2; pyproject.toml holds to 1)"
    assert not judged.failed
    assert not judged.failed_strictly
    assert judged.counterexample == verdicts.violated().counterexample
    assert terms.judged(later, verdicts.vacuous(), strict=True).status is Status.ACCEPTED
    for untouched in (verdicts.vacuous(), verdicts.held()):
        assert terms.judged(later, untouched, strict=False) is untouched
    assert terms.judged(catalogue()["step.plain"], verdicts.violated(), strict=True).status is Status.VIOLATED
    assert Terms().judged(later, verdicts.violated(), strict=True).status is Status.VIOLATED


def test_an_excluded_clause_says_who_left_it_out() -> None:
    terms = Terms(exclude=("step.p*",), source="pyproject.toml")
    assert terms.excluded(catalogue()["step.plain"]) == "excluded by 'step.p*' in pyproject.toml"
    assert terms.excluded(catalogue()["step.once"]) is None


def test_init_writes_what_can_be_read_again(tmp_path: Path) -> None:
    write(tmp_path, "[project]\nname = 'mypkg'\n")
    (tmp_path / "tests").mkdir()
    given = {"lr": 0.1, "eps": float("inf"), "nesterov": True, "betas": (0.9, 1), "mode": 'a"b', "n": 3}
    project, test = initialize(tmp_path, "mypkg.optim:MySGD", kind="optimizer", rule="sgd", parameters=given)
    assert project.read_text(encoding="utf-8").startswith("[project]\nname = 'mypkg'\n\n[tool.gdprops]\n")
    assert test == tmp_path / "tests" / "test_mysgd_specification.py"
    assert '@gdprops.parametrize(["mysgd"])' in test.read_text(encoding="utf-8")
    found = find(tmp_path)
    assert found is not None
    (entry,) = found.subjects
    assert (entry.name, entry.spec, entry.kind, entry.rule) == ("mysgd", "mypkg.optim:MySGD", "optimizer", "sgd")
    assert entry.parameters == {**given, "betas": [0.9, 1]}


def test_init_never_overwrites(tmp_path: Path) -> None:
    file = write(tmp_path, '[tool.gdprops]\nsubjects = ["a:B"]\n')
    with pytest.raises(UsageError, match=r'has \[tool\.gdprops\] already: add mysgd = "m:MySGD" to its subjects'):
        initialize(tmp_path, "m:MySGD", kind=None, rule=None, parameters={})
    file.write_text("# mine\n", encoding="utf-8")
    test = tmp_path / "tests" / "test_mysgd_specification.py"
    test.parent.mkdir()
    test.write_text("# mine too\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"is there already; gdprops init never overwrites"):
        initialize(tmp_path, "m:MySGD", kind=None, rule=None, parameters={})
    test.unlink()
    with pytest.raises(UsageError, match=r"^None cannot be written in TOML: leave it out"):
        initialize(tmp_path, "m:MySGD", kind=None, rule=None, parameters={"momentum": None})
    assert file.read_text(encoding="utf-8") == "# mine\n"
    assert not test.exists()


STEP = """
import torch

def build(model, loss_fn):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25)

    def step(inputs, targets):
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer
"""

REAL = """
[tool.gdprops]
subjects = { sgd = "torch.optim:SGD", step = "steps.py:build", rule = "rules.py:rule" }
params = { sgd = { lr = 0.5, momentum = 0.5 }, step = { lr = 0.25 } }
traits = { sgd = { separability = "element" }, rule = { clock = "optimizer" } }
kinds = { step = "training-step", rule = "update-rule" }
"""


def test_a_name_becomes_its_subject_with_all_that_is_said_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, REAL)
    (tmp_path / "steps.py").write_text(STEP, encoding="utf-8")
    (tmp_path / "rules.py").write_text("def rule(params, grads, state): ...\n", encoding="utf-8")
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    sgd = named("sgd")
    assert sgd.name == "torch.optim:SGD(lr=0.5, momentum=0.5)"
    assert sgd.declared["separability"].value == "element"
    assert named("sgd", hyperparameters={"lr": 0.25}).hyperparameters == {"lr": 0.25, "momentum": 0.5}
    assert named("step").kind == "training-step"
    assert (named("rule").kind, named("rule").declared["clock"].value) == ("update-rule", "optimizer")
    assert named("torch.optim:Adam").hyperparameters == {}


@pytest.mark.parametrize(
    ("traits", "message"),
    [
        ('sgd = { separabilty = "element" }', r"^traits: unknown trait 'separabilty'; did you mean 'separability'\?"),
        ('sgd = { separability = "no" }', r"^traits: separability='no'; expected one of element, tensor"),
        ('step = { clock = "tensor" }', r"^traits: .*steps\.py:build takes none; they are declared of optimizer"),
    ],
)
def test_traits_that_cannot_be_declared_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, traits: str, message: str
) -> None:
    write(tmp_path, REAL.replace('sgd = { separability = "element" }', traits))
    (tmp_path / "steps.py").write_text("def build(model, loss_fn): ...\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        named("step" if "step" in traits else "sgd")
