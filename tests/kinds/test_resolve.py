"""From a name to a subject; every wrong one gets one line that says what was expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch

import gdprops
from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.model.subject import FedSubject
from gdprops.model.traits import RULES
from gdprops.subjects.torch_optimizer.subject import TorchOptimizer, optimizer
from gdprops.subjects.update_rule.subject import UpdateRule, update_rule
from gdprops.subjects.user_code.importing import import_name, label
from tests.subjects import odd_optimizers

HERE = "tests.subjects.odd_optimizers"


def message_of(*arguments: Any, **more: Any) -> str:
    with pytest.raises(UsageError) as raised:
        resolve(*arguments, **more)
    said = str(raised.value)
    assert "\n" not in said
    return said


def test_a_dotted_path_is_taken_where_it_is_unambiguous() -> None:
    found = cast("TorchOptimizer", resolve("torch.optim.SGD", hyperparameters={"lr": 0.1}))
    assert found.factory is torch.optim.SGD


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("torch.optim", "subject='torch.optim'; expected package.module:Name or path/to/file.py:name"),
        ("SGD", "subject='SGD'; expected package.module:Name or path/to/file.py:name; did you mean torch.optim:SGD?"),
        (":SGD", "subject=':SGD'; expected package.module:Name or path/to/file.py:name"),
        ("torch.optim:", "subject='torch.optim:'; expected package.module:Name or path/to/file.py:name"),
        ("", "subject=''; expected package.module:Name or path/to/file.py:name"),
        ("nosuchmodule_xyz:SGD", "no module is named 'nosuchmodule_xyz'"),
        ("torch.optmi:SGD", "no module is named 'torch.optmi'; did you mean 'torch.optim' or "),
        ("torch.optim:SDG", "torch.optim has no 'SDG'; did you mean 'SGD'"),
        ("torch.optim:SGD.stepp", "torch.optim has no 'stepp'; did you mean 'step'"),
        ("no/such/file.py:SGD", "no such file: no/such/file.py"),
    ],
)
def test_a_name_that_leads_nowhere(spec: str, said: str) -> None:
    assert message_of(spec).startswith(said)


@pytest.mark.parametrize(
    ("name", "kind", "given", "said"),
    [
        (
            "Rule",
            "optimiser",
            {},
            "as='optimiser'; expected one of optimizer, training-step, distributed-step, backprop, update-rule, "
            "lightning, transformers, accelerate, fabric, ignite, skorch, keras, sklearn; "
            "did you mean 'optimizer'?",
        ),
        (
            "picky",
            None,
            {},
            f"{HERE}:picky is a function, not an optimizer class; expected a subclass of torch.optim.Optimizer, "
            "or say what it is with --as optimizer|training-step|distributed-step|backprop|update-rule|"
            "lightning|transformers|accelerate|fabric|ignite|skorch|keras|sklearn",
        ),
        (
            "CONSTANT",
            None,
            {},
            f"{HERE}:CONSTANT is an int, not an optimizer class; expected a subclass of torch.optim.Optimizer, "
            "or say what it is with --as optimizer|training-step|distributed-step|backprop|update-rule|"
            "lightning|transformers|accelerate|fabric|ignite|skorch|keras|sklearn",
        ),
        (
            "CONSTANT",
            "optimizer",
            {},
            f"{HERE}:CONSTANT is an int; expected a class or function that returns an optimizer",
        ),
        (
            "CONSTANT",
            "update-rule",
            {},
            f"{HERE}:CONSTANT is an int; expected an update rule, a function of (params, grads, state)",
        ),
        (
            "not_an_optimizer",
            "optimizer",
            {},
            f"{HERE}:not_an_optimizer returned a list; expected a torch.optim.Optimizer",
        ),
        (
            "raises",
            "optimizer",
            {},
            f"{HERE}:raises cannot be built: ValueError: the first line and the second",
        ),
        (
            "picky",
            "optimizer",
            {},
            f"{HERE}:picky cannot be built: TypeError: picky() missing 1 required keyword-only argument: 'lr'",
        ),
        (
            "picky",
            "optimizer",
            {"lr": 0.1, "momentun": 0.9},
            f"{HERE}:picky(lr=0.1, momentun=0.9) takes no hyperparameter 'momentun'; did you mean 'momentum'? "
            "(it takes lr, momentum, weight_decay)",
        ),
        ("Rule", None, {"lr": -0.1}, "lr=-0.1; expected a finite number of at least 0"),
        ("Rule", None, {"lr": float("nan")}, "lr=nan; expected a finite number of at least 0"),
        ("Rule", None, {"lr": float("inf")}, "lr=inf; expected a finite number of at least 0"),
        ("Rule", None, {"lr": "fast"}, "lr='fast'; expected a number"),
        ("Rule", None, {"lr": [0.1]}, "lr=[0.1]; expected a number"),
    ],
)
def test_something_that_is_no_such_subject(name: str, kind: str | None, given: dict[str, Any], said: str) -> None:
    assert message_of(f"{HERE}:{name}", kind=kind, hyperparameters=given) == said


def test_torchs_own_complaint_is_shown() -> None:
    said = message_of("torch.optim:SGD", hyperparameters={"lr": 0.1, "momentum": -1.0})
    assert said == "torch.optim:SGD(lr=0.1, momentum=-1.0) cannot be built: ValueError: Invalid momentum value: -1.0"


def test_an_unknown_rule_is_told_the_known_ones() -> None:
    known = ", ".join(RULES)
    assert message_of("torch.optim:SGD", rule="sdg") == f"rule='sdg'; expected one of {known}; did you mean 'sgd'?"


def write(tmp_path: Path, text: str, name: str = "mine.py") -> str:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


MINE = """
import torch
class Mine(torch.optim.SGD):
    class Inner(torch.optim.SGD):
        pass
"""


def test_a_file_is_loaded_once_and_by_its_path(tmp_path: Path) -> None:
    path = write(tmp_path, MINE)
    subject = resolve(f"{path}:Mine", hyperparameters={"lr": 0.25})
    assert isinstance(subject, TorchOptimizer)
    assert subject.name == f"{path}:Mine(lr=0.25)"
    assert subject.spec == f"{path}:Mine"
    assert import_name(f"{path}:Mine") is subject.factory
    assert import_name(f"{path}:Mine.Inner").__name__ == "Inner"


def test_a_file_may_import_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path, "RATE = 0.5", "neighbour_of_mine.py")
    path = write(tmp_path, "from neighbour_of_mine import RATE\n" + MINE)
    assert cast("FedSubject", resolve(f"{path}:Mine", hyperparameters={"lr": 0.25})).own_rate == 0.25


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise ValueError('not\\ntoday')", "cannot be imported: ValueError: not today"),
        ("def f(:", "cannot be imported: SyntaxError: invalid syntax"),
        ("import nosuchmodule_xyz", "cannot be imported: ModuleNotFoundError: No module named 'nosuchmodule_xyz'"),
        ("import sys; sys.exit(4)", "cannot be imported: SystemExit: 4"),
    ],
)
def test_a_file_that_cannot_be_imported_says_why(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    assert message_of(f"{path}:Mine").startswith(f"{path} {said}")
    assert message_of(f"{path}:Mine").startswith(f"{path} {said}"), "a second attempt fails alike"


def test_a_file_nearby_is_offered(tmp_path: Path) -> None:
    write(tmp_path, MINE)
    missing = tmp_path / "mien.py"
    assert message_of(f"{missing}:Mine") == f"no such file: {missing}; did you mean 'mine.py'?"


def test_a_module_that_needs_one_that_is_missing_is_not_called_missing_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "import nosuchmodule_xyz", "needs_a_module.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    said = message_of("needs_a_module:Mine")
    assert said == "needs_a_module cannot be imported: it needs the module 'nosuchmodule_xyz', which is not installed"


BOUND = """
import gdprops, torch
mine = gdprops.optimizer(torch.optim.SGD, rule="sgd", lr=0.5)
def rule(params, grads, state, lr=0.25):
    return {k: params[k] - lr * grads.get(k, 0) for k in params}, state
written = gdprops.update_rule(rule)
@gdprops.training_step(lr=0.5)
def trained(model, loss_fn):
    return lambda inputs, targets: None
"""


def test_a_name_that_is_bound_to_a_subject_is_itself(tmp_path: Path) -> None:
    path = write(tmp_path, BOUND)
    subject = resolve(f"{path}:mine")
    assert isinstance(subject, TorchOptimizer)
    assert (subject.rule, subject.own_rate) == ("sgd", 0.5)
    assert resolve(f"{path}:mine", rule="sgd") is import_name(f"{path}:mine")
    assert isinstance(resolve(f"{path}:written"), UpdateRule)


def test_a_subject_in_a_file_is_called_as_it_was_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, BOUND)
    assert [resolve(f"{path}:{name}").name for name in ("written", "trained")] == [f"{path}:written", f"{path}:trained"]
    assert resolve(f"{path}:mine").name == "torch.optim.sgd:SGD(lr=0.5)"


def test_a_bound_subject_takes_no_further_hyperparameters_and_no_other_rule(tmp_path: Path) -> None:
    path = write(tmp_path, BOUND)
    assert message_of(f"{path}:mine", hyperparameters={"lr": 1.0}) == (
        f"{path}:mine is a subject with its own hyperparameters; -p does not apply to it"
    )
    assert message_of(f"{path}:written", rule="sgd") == (
        f"{path}:written is a subject that declares rule=None; --rule sgd does not apply to it"
    )


def test_a_function_is_an_update_rule_where_it_is_said_to_be(tmp_path: Path) -> None:
    path = write(tmp_path, BOUND)
    subject = resolve(f"{path}:rule", kind="update-rule", hyperparameters={"lr": 0.5})
    assert isinstance(subject, UpdateRule)
    assert (subject.name, subject.own_rate, subject.spec) == (f"{path}:rule(lr=0.5)", 0.5, f"{path}:rule")
    said = message_of(f"{path}:rule", kind="update-rule", hyperparameters={"rate": 0.5})
    assert said.startswith(f"{path.rsplit('/', 1)[0]}/mine.py:rule(rate=0.5) takes no hyperparameter 'rate'")


def test_the_public_functions_refuse_alike() -> None:
    with pytest.raises(UsageError) as raised:
        gdprops.optimizer(torch.optim.SGD, lr=0.1, momentom=0.9)
    assert str(raised.value).startswith(
        "torch.optim.sgd:SGD(lr=0.1, momentom=0.9) takes no hyperparameter 'momentom'; did you mean 'momentum'"
    )
    with pytest.raises(UsageError, match=r"^torch\.optim has no 'SDG'"):
        gdprops.optimizer("torch.optim:SDG")
    with pytest.raises(
        UsageError, match=r"^traits: unknown trait 'separabel'; did you mean 'separability' or 'storage'\?$"
    ):
        optimizer(torch.optim.SGD, traits={"separabel": "element"}, lr=0.1)
    with pytest.raises(UsageError, match=r"^update_rule: 3 is not callable; expected a function of"):
        update_rule(3)  # type: ignore[arg-type] # that is the test
    with pytest.raises(UsageError, match=r"^rule='adm'; expected one of sgd, momentum, .*; did you mean 'adam'"):
        optimizer(torch.optim.SGD, rule="adm", lr=0.1)


def test_names_say_where_something_is_defined_and_what_it_was_given() -> None:
    assert label(odd_optimizers.Rule, {}) == f"{HERE}:Rule"
    assert optimizer(odd_optimizers.Rule, lr=0.5).name == f"{HERE}:Rule(lr=0.5)"
    assert optimizer(odd_optimizers.Rule, name="mine", lr=0.5).name == "mine"
    assert resolve("torch.optim:SGD", hyperparameters={"lr": 0.5}).name == "torch.optim:SGD(lr=0.5)"


def test_building_a_subject_leaves_random_numbers_and_threads_as_they_were() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    optimizer(torch.optim.SGD, lr=0.1)
    assert (torch.get_rng_state() == before).all()
    assert torch.get_num_threads() == 1


def test_a_rule_that_a_training_step_cannot_be_held_to_from_here_is_not_ignored() -> None:
    assert message_of(f"{HERE}:Rule", kind="training-step", rule="adam", hyperparameters={"lr": 0.1}) == (
        "--rule adam: a training step declares its rule by the optimizer that build returns, or in Python: "
        "gdprops.training_step(build, rule=lambda params: torch.optim.Adam(params, lr=0.1))"
    )


def test_a_training_step_that_is_none_is_called_as_it_was_named(tmp_path: Path) -> None:
    spec = f"{write(tmp_path, 'def build(model, loss_fn): ...', 'steps.py')}:build"
    with pytest.raises(UsageError) as raised:
        resolve(spec, kind="training-step", hyperparameters={"lr": 0.25})
    assert str(raised.value).startswith(f"{spec}(lr=0.25) returned a NoneType; expected step(inputs, targets)")


@pytest.mark.parametrize(
    ("make", "key", "said"),
    [
        (gdprops.training_step, "clip", r"training_step\(\) takes no hyperparameter 'clip'; did you mean 'clip_\w+'"),
        (gdprops.distributed_step, "acumulate", r"distributed_step\(\) takes no .* did you mean 'accumulate'\?"),
        (gdprops.backprop, "lost", r"backprop\(\) takes no hyperparameter 'lost'; did you mean 'loss'"),
    ],
)
def test_a_keyword_that_no_subject_takes_is_one_line_in_python_too(make: Any, key: str, said: str) -> None:
    with pytest.raises(UsageError, match=f"^{said}") as raised:
        make(**{key: 1})
    assert "\n" not in str(raised.value)


def test_who_made_a_subject_is_the_users_module() -> None:
    made = gdprops.training_step(lambda model, loss_fn: lambda inputs, targets: None, lr=0.1)
    assert made.origin.module == __name__
