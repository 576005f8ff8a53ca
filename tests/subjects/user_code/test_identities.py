"""One identity of a subject, whichever way it is named; distinct subjects have distinct ones."""

from __future__ import annotations

import importlib
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gdprops
from gdprops.kinds.resolve import resolve
from gdprops.model.subject import Subject
from gdprops.subjects.user_code.canonical_text import NAMELESS, canonical

TRAIN = """
import gdprops
import torch
from odd_helpers import made


def plain(model, loss_fn):
    def step(x, y):
        model.zero_grad()
        loss_fn(model(x), y).backward()
        with torch.no_grad():
            for p in model.parameters():
                if p.grad is not None:
                    p -= 0.125 * p.grad
    return step


def sgd(params):
    return torch.optim.SGD(params, lr=0.125)


class Mine(torch.optim.SGD):
    pass


def halves(params, grads, state, lr=0.5):
    return {name: w - lr * grads[name] if name in grads else w for name, w in params.items()}, state


bound = gdprops.training_step(plain, lr=0.125)
by_rule = gdprops.training_step(plain, rule=sgd)


@gdprops.training_step(rule=lambda params: torch.optim.SGD(params, lr=0.125))
def decorated(model, loss_fn):
    return plain(model, loss_fn)


also = decorated
closure = made(plain)
of_closure = gdprops.training_step(made(plain), lr=0.125)
named = gdprops.training_step(made(plain), lr=0.125, name="mine")


def __getattr__(name):
    if name == "fresh":
        return made(plain)
    raise AttributeError(name)
"""
HELPERS = """
def made(plain):
    def build(model, loss_fn):
        return plain(model, loss_fn)
    return build
"""


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a project's module; the project is the working folder, and has a link to the module's file."""
    (tmp_path / "odd_train.py").write_text(TRAIN, encoding="utf-8")
    (tmp_path / "odd_helpers.py").write_text(HELPERS, encoding="utf-8")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "link.py").symlink_to("../odd_train.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("odd_train")
    for name in ("odd_train", "odd_helpers"):
        sys.modules.pop(name, None)


WAYS = ("odd_train.py", "./odd_train.py", "links/link.py", "odd_train")
FEWER = ("links/link.py", "odd_train")


def typed(name: str, kind: str | None = None, /, **given: Any) -> list[Subject]:
    """Return the subjects that a name in the project's module is, whichever way the module is named."""
    paths = FEWER if kind == "training-step" else (*WAYS, str(Path("odd_train.py").resolve()))
    return [resolve(f"{where}:{name}", kind=kind, hyperparameters=given) for where in paths]


def key_of(subjects: list[Any]) -> str:
    """Return the one identity of some subjects."""
    (identity,) = {subject.identity for subject in subjects}
    assert identity.is_lasting
    return str(identity.key)


def test_a_class_of_torch() -> None:
    ways = [
        resolve("torch.optim:Adam", hyperparameters={"lr": 1e-2, "betas": [0.5, 0.75]}),
        resolve("torch.optim.adam:Adam", hyperparameters={"betas": (0.5, 0.75), "lr": 0.01}),
        gdprops.optimizer(torch.optim.Adam, betas=(0.5, 0.75), lr=0.01),
        gdprops.optimizer("torch.optim:Adam", lr=0.01, betas=(0.5, 0.75), name="for reports"),
    ]
    given = "{'betas': [0.5, 0.75], 'lr': 0.01}"
    assert key_of(ways) == f"optimizer {{factory: torch.optim.adam:Adam, hyperparameters: {given}}}"


def test_a_class_of_a_file(train: Any) -> None:
    ways = [*typed("Mine", lr=1), gdprops.optimizer(train.Mine, lr=1.0), gdprops.optimizer("odd_train.py:Mine", lr=1)]
    assert key_of(ways) == "optimizer {factory: odd_train:Mine, hyperparameters: {'lr': 1}}"


def test_an_update_rule(train: Any) -> None:
    ways = [*typed("halves", "update-rule", lr=0.5), gdprops.update_rule(train.halves, lr=0.5, name="for reports")]
    assert key_of(ways) == "update-rule {function: odd_train:halves, hyperparameters: {'lr': 0.5}}"


def test_a_training_step_by_its_function_and_by_the_name_that_it_is_bound_to(train: Any) -> None:
    ways = [*typed("plain", "training-step", lr=0.125), *typed("bound"), train.bound]
    assert key_of([*ways, gdprops.training_step(train.plain, lr=0.125)]) == (
        "training-step {build: odd_train:plain, lr: 0.125}"
    )


def test_what_a_training_step_declares_is_part_of_it(train: Any) -> None:
    ways = [*typed("by_rule"), train.by_rule, gdprops.training_step(train.plain, rule=train.sgd)]
    assert key_of(ways) == "training-step {build: odd_train:plain, rule: odd_train:sgd}"


def test_a_subject_with_a_lambda_is_the_name_that_it_is_bound_to(train: Any) -> None:
    ways = [*typed("decorated"), *typed("also"), train.decorated]
    assert key_of(ways) == (
        "training-step {build: odd_train:decorated, rule: ?odd_train:<lambda>} as odd_train:decorated"
    )


def test_a_closure_is_the_name_that_the_subject_is_bound_to_where_it_was_made(train: Any) -> None:
    ways = [*typed("of_closure"), train.of_closure]
    assert key_of(ways) == (
        "training-step {build: ?odd_helpers:made.<locals>.build, lr: 0.125} as odd_train:of_closure"
    )


def test_a_closure_with_a_name_of_its_own(train: Any) -> None:
    ways = [*typed("named"), train.named, gdprops.training_step(train.closure, lr=0.125, name="mine")]
    assert key_of(ways) == "training-step {build: ?odd_helpers:made.<locals>.build, lr: 0.125} as 'mine'"


def test_a_closure_that_is_typed(train: Any) -> None:
    assert key_of(typed("closure", "training-step", lr=0.125)) == "training-step {build: odd_train:closure, lr: 0.125}"


NETWORK = """
import gdprops

shapes = {"W": (2, 1)}


def loss(params, X, y):
    return float(((X @ params["W"] - y) ** 2).sum() / 2)


def step(params, X, y, lr):
    params["W"] -= lr * X.T @ (X @ params["W"] - y)
"""
BOUND = "network = gdprops.backprop(loss, step, shapes=lambda n_in, n_hidden, n_out: {'W': (n_in, n_out)})\n"


def test_hand_written_backprop(train: Any) -> None:
    Path("odd_network.py").write_text(NETWORK, encoding="utf-8")
    whole = [resolve(path, kind="backprop") for path in ("odd_network.py", str(Path("odd_network.py").resolve()))]
    network = importlib.import_module("odd_network")
    from_python = gdprops.backprop(network.loss, network.step, shapes=network.shapes, name="for reports")
    del sys.modules["odd_network"]
    assert key_of([*whole, from_python]) == (
        "backprop {loss: odd_network:loss, step: odd_network:step, shapes: {'W': [2, 1]}}"
    )


def test_hand_written_backprop_with_a_lambda(train: Any) -> None:
    Path("odd_network.py").write_text(NETWORK + BOUND, encoding="utf-8")
    ways = [
        resolve("odd_network.py", kind="backprop"),
        resolve("odd_network.py:network"),
        importlib.import_module("odd_network").network,
    ]
    assert key_of(ways) == (
        "backprop {loss: odd_network:loss, step: odd_network:step, shapes: ?odd_network:<lambda>} "
        "as odd_network:network"
    )
    del sys.modules["odd_network"]


@pytest.mark.parametrize(
    "made",
    [
        lambda train: gdprops.training_step(train.closure, lr=0.125),
        lambda train: gdprops.training_step(train.plain, rule=lambda params: torch.optim.SGD(params, lr=0.125)),
        lambda train: gdprops.optimizer(lambda params: train.Mine(params, lr=0.5)),
        lambda train: resolve("odd_train.py:fresh", kind="training-step", hyperparameters={"lr": 0.125}),
    ],
)
def test_what_no_name_finds_has_no_lasting_identity(made: Callable[[Any], Subject], train: Any) -> None:
    first, second = made(train), made(train)
    assert not first.identity.is_lasting
    assert first.identity == second.identity, "it has a seed nevertheless"


def test_the_names_of_a_running_script_do_not_last(
    train: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "for subject in (bound, decorated, of_closure, named):\n    print(subject.identity)\n"
    (tmp_path / "script.py").write_text(TRAIN + told, encoding="utf-8")
    runpy.run_path("script.py", run_name="__main__")
    assert capsys.readouterr().out.splitlines() == [
        "Identity(key='training-step {build: script:plain, lr: 0.125}', is_lasting=True)",
        "Identity(key='training-step {build: script:decorated, rule: ?script:<lambda>} as script:decorated', "
        "is_lasting=False)",
        "Identity(key='training-step {build: ?odd_helpers:made.<locals>.build, lr: 0.125} as script:of_closure', "
        "is_lasting=False)",
        "Identity(key=\"training-step {build: ?odd_helpers:made.<locals>.build, lr: 0.125} as 'mine'\", "
        "is_lasting=True)",
    ]


def test_a_cell_of_a_notebook_has_no_lasting_identity() -> None:
    cell: dict[str, Any] = {"__name__": "__main__"}
    exec(TRAIN.partition("class Mine")[0].replace("from odd_helpers import made", ""), cell)
    found = gdprops.training_step(cell["plain"], lr=0.125).identity
    assert (found.key, found.is_lasting) == ("training-step {build: ??:plain, lr: 0.125}", False)
    found = gdprops.training_step(cell["plain"], lr=0.125, name="mine").identity
    assert (found.key, found.is_lasting) == ("training-step {build: ??:plain, lr: 0.125} as 'mine'", True)


OPTIMIZER = "import torch\n\n\nclass Mine(torch.optim.SGD):\n    pass\n"


@pytest.mark.parametrize(
    ("file", "home"),
    [
        ("flat.py", "flat"),
        ("pkg/flat.py", "pkg.flat"),
        ("pkg/__init__.py", "pkg"),
        ("src/pkg/flat.py", "pkg.flat"),
        ("homework-1/flat.py", "'homework-1/flat.py'"),
        ("v1.2.py", "'v1.2.py'"),
    ],
)
@pytest.mark.parametrize("folder", [".", "pkg", ".."])
def test_a_file_is_named_from_its_project_wherever_gdprops_runs(
    file: str, home: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "above" / "project"
    (project / file).parent.mkdir(parents=True)
    (project / "pkg").mkdir(exist_ok=True)
    (project / "pyproject.toml").touch()
    (project / file).write_text(OPTIMIZER, encoding="utf-8")
    monkeypatch.chdir(project / folder)
    found = resolve(f"{project / file}:Mine", hyperparameters={"lr": 0.5})
    assert found.identity.key == f"optimizer {{factory: {home}:Mine, hyperparameters: {{'lr': 0.5}}}}"


def test_src_is_left_out_only_where_nothing_else_has_the_name(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "pyproject.toml").touch()
    for file in ("flat.py", "src/flat.py"):
        (tmp_path / file).write_text(OPTIMIZER, encoding="utf-8")
    ways = [resolve(f"{tmp_path / file}:Mine", hyperparameters={"lr": 0.5}) for file in ("flat.py", "src/flat.py")]
    found = [way.identity.key.partition("Mine")[0] for way in ways]
    assert found == ["optimizer {factory: flat:", "optimizer {factory: src.flat:"]


def test_a_file_without_a_project_is_named_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "flat.py").write_text(OPTIMIZER, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "one")
    ways = [resolve(f"{where}:Mine", hyperparameters={"lr": 0.5}) for where in ("flat.py", "../two/flat.py")]
    keys = [way.identity.key for way in ways]
    assert [key.partition("Mine")[0] for key in keys] == [
        "optimizer {factory: flat:",
        "optimizer {factory: '../two/flat.py':",
    ]
    monkeypatch.chdir(tmp_path)
    assert [way.identity.key for way in ways] == keys, "a subject that changes the working folder keeps its identity"


def test_distinct_subjects_have_distinct_identities(train: Any) -> None:
    sgd, step = torch.optim.SGD, train.plain
    distinct = [
        gdprops.optimizer(sgd, lr=0.5),
        gdprops.optimizer(sgd, lr=0.25),
        gdprops.optimizer(sgd, lr=0.5, momentum=0.5),
        gdprops.optimizer(sgd, lr=0.5, rule="sgd"),
        gdprops.optimizer(sgd, lr=0.5, traits={"storage": "in-place"}),
        gdprops.optimizer(sgd, lr=0.5, traits={"storage": "replaced"}),
        gdprops.optimizer(train.Mine, lr=0.5),
        gdprops.update_rule(train.halves, lr=0.5),
        gdprops.training_step(step, lr=0.5),
        gdprops.training_step(step, lr=0.5, clip_norm=1.0),
        gdprops.training_step(step, lr=0.5, clip_value=1.0),
        gdprops.training_step(step, lr=0.5, accumulate=2),
        gdprops.training_step(step, lr=0.5, accumulate=2, micro="equal"),
        gdprops.training_step(train.closure, lr=0.5, name="mine"),
        gdprops.training_step(train.closure, lr=0.5, name="yours"),
    ]
    assert len({subject.identity.key for subject in distinct}) == len(distinct)


def test_losses_of_torch_are_told_apart_by_their_arguments() -> None:
    losses = [torch.nn.MSELoss(), torch.nn.MSELoss(reduction="sum"), torch.nn.CrossEntropyLoss()]
    weighted = [torch.nn.CrossEntropyLoss(weight=torch.tensor(w)) for w in ([1.0, 2.0], [1.0, 3.0])]
    texts = [canonical(loss) for loss in (*losses, *weighted)]
    assert len(set(texts)) == len(texts)
    assert all(NAMELESS not in text for text in texts)
    assert canonical(torch.nn.MSELoss()) == texts[0]


class Evil:
    """Raises whatever it is asked."""

    __hash__ = None  # type: ignore[assignment] # as a class with __eq__ alone

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")


def test_what_cannot_be_read_or_changes_is_not_told_from_others() -> None:
    for value in (np.zeros(10_001), torch.nn.Linear(2, 2), torch.Generator(), object(), Evil(), [Evil()]):
        assert NAMELESS in canonical(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1e-2, 0.01),
        (1, 1.0),
        (True, 1),
        (0.0, -0.0),
        (Fraction(1, 2), 0.5),
        (np.float64(0.1), 0.1),
        ((0.5, 0.75), [0.5, 0.75]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({3, 1, 2}, {2, 3, 1}),
        (np.array([1.0, 2.0]), np.array([1.0, 2.0])),
        (float("nan"), float("nan")),
    ],
)
def test_equal_values_have_one_text(one: Any, other: Any) -> None:
    assert canonical(one) == canonical(other)
    assert NAMELESS not in canonical(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, "1"),
        (None, "None"),
        (0.1, np.float32(0.1)),
        ([1, 2], [[1, 2]]),
        ([1, 2], {1, 2}),
        (torch.float32, torch.float64),
        (np.zeros(2), np.zeros(2, np.float32)),
        (torch.zeros(2), np.zeros(2, np.float32)),
        (Path("a"), "a"),
        (1j, 1),
        (10**400, float("inf")),
        (max, min),
        (torch.Tensor, np.ndarray),
    ],
)
def test_distinct_values_have_distinct_texts(one: Any, other: Any) -> None:
    assert canonical(one) != canonical(other)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=5,
)


@given(VALUES, VALUES)
def test_texts_are_equal_where_values_are(one: Any, other: Any) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


@given(st.dictionaries(st.text(max_size=2), VALUES, max_size=4), st.randoms())
def test_the_order_of_hyperparameters_does_not_matter(given_: Mapping[str, Any], random: Any) -> None:
    shuffled = list(given_.items())
    random.shuffle(shuffled)
    assert canonical(dict(shuffled)) == canonical(given_)
