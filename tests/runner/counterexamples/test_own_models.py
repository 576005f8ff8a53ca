"""Counterexamples on the user's own models: numbers in a file beside the case, a script that loads them, a replay."""

from __future__ import annotations

import io
import json
import pickle
import re
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from torch import nn

from gdprops.errors import UsageError
from gdprops.model.item import Item
from gdprops.model.verdict import Status, Verdict
from gdprops.runner.counterexamples import arrays_file
from gdprops.runner.counterexamples.encoding import decode
from gdprops.runner.counterexamples.saved_file import load
from gdprops.runner.replay import replay
from gdprops.runner.session import check_subject, run_case
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step
from tests.samples import own_models

pytestmark = pytest.mark.xdist_group("own models")
PAIRS: dict[str, Any] = {"models": own_models.Pair, "batches": own_models.pairs, "objective": own_models.pair_objective}
DRAWN: dict[str, Any] = {
    "models": st.integers(0, 9).map(lambda k: own_models.Pair()),
    "batches": st.integers(0, 3).map(own_models.drawn_twice),
    "objective": own_models.listed_objective,
}
sweeping = training_step(own_models.sweeps_pairs, name="sweeping", lr=0.1, **PAIRS)


def drawing() -> Any:
    return training_step(own_models.sweeps_pairs, name="drawing", lr=0.1, **DRAWN)


def violated(subject: Any, folder: Path) -> Verdict:
    settings = Settings(seed=0, examples=5, counterexamples=str(folder))
    (found,) = (
        v for v in check_subject(subject, clauses="step.simultaneous", settings=settings).verdicts if v.counterexample
    )
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(sweeping, tmp_path_factory.mktemp("made"))


@pytest.fixture
def kept(made: Path, tmp_path: Path) -> Path:
    """A saved case that may be spoiled."""
    shutil.copytree(made.parent, tmp_path / "cases")
    return tmp_path / "cases" / made.name


def saved(subject: Any, folder: Path) -> Path:
    example = violated(subject, folder).counterexample
    assert example is not None
    assert example.path is not None
    return Path(example.path)


@pytest.mark.parametrize("subject", [sweeping, drawing()], ids=["called", "drawn"])
def test_what_was_drawn_is_saved_as_numbers_and_replayed(subject: Any, tmp_path: Path) -> None:
    path = saved(subject, tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name, f"{path.stem}.npz"]
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as held:
        stated = load(str(path))["arrays"]
        assert sorted(held) == sorted(stated)
        assert held["model.left.weight"].shape == tuple(stated["model.left.weight"]["shape"]) == (3, 2)
    (again,) = (v for v in replay(str(path), subject, Settings(seed=0)).verdicts if v.status is Status.VIOLATED)
    first = violated(subject, tmp_path)
    assert (again.location, again.blame) == (first.location, first.blame)


def test_the_saved_numbers_count_and_not_those_of_today(kept: Path) -> None:
    """A replay sees the weights and batches of the file, whatever the functions give by now."""
    first = replay(str(kept), sweeping, Settings(seed=0)).verdicts[0]
    other = {**PAIRS, "batches": lambda index: own_models.pairs(index + 1)}
    subject = training_step(own_models.sweeps_pairs, name="sweeping", lr=0.1, **other)
    again = replay(str(kept), subject, Settings(seed=0)).verdicts[0]
    assert (again.status, again.location) == (Status.VIOLATED, first.location)


def test_the_script_loads_the_numbers_and_ends_at_the_seen_weights(tmp_path: Path) -> None:
    found = violated(sweeping, tmp_path)
    assert found.counterexample is not None
    assert found.location is not None
    script = found.counterexample.python
    assert "\nfrom tests.samples.own_models import Pair, pair_objective, sweeps_pairs\n" in script
    assert f"held = np.load({str(Path(str(found.counterexample.path)).with_suffix('.npz'))!r}, allow_pickle=False)" in (
        script
    )
    where = f"{found.location.parameter}{list(found.location.index)}"
    ending = f"{where} is {found.location.seen}, expected {found.location.expected}"
    with pytest.raises(AssertionError, match=f"^{re.escape(ending)}$"):
        exec(compile(script, "script", "exec"), {})


def test_a_subject_that_is_bound_is_found_by_its_name(tmp_path: Path) -> None:
    found = violated(sweeping, tmp_path).counterexample
    assert found is not None
    assert found.replay is not None
    assert found.replay == f"gdprops.replay({found.path!r}, subject)"
    own_models.__dict__["bound"] = sweeping
    try:
        bound = violated(sweeping, tmp_path).counterexample
    finally:
        del own_models.__dict__["bound"]
    assert bound is not None
    assert bound.replay is not None
    assert bound.replay.endswith("tests.samples.own_models:bound --as training-step --rule sgd")


def test_no_script_is_printed_of_what_has_no_name(tmp_path: Path) -> None:
    subject = training_step(
        own_models.sweeps_pairs, name="nameless", lr=0.1, **{**PAIRS, "models": partial(own_models.Pair)}
    )
    found = violated(subject, tmp_path).counterexample
    assert found is not None
    assert found.python == ""
    assert found.doubt == "no script is printed: only the replay shows it"
    assert found.replay == f"gdprops.replay({found.path!r}, subject)"


def test_a_drawn_model_is_found_again_by_its_form(tmp_path: Path) -> None:
    path = saved(drawing(), tmp_path)
    held = json.loads(path.read_text(encoding="utf-8"))
    assert held["case"]["form"].startswith("Pair(\n  (left): Linear(in_features=2, out_features=3, bias=True)")
    held["case"]["form"] = "Other()"
    path.write_text(json.dumps(held), encoding="utf-8")
    with pytest.raises(UsageError, match=r"^models= draws nothing like the saved case, in 500 examples$"):
        replay(str(path), drawing(), Settings(seed=0))


def test_a_batch_of_a_foreign_kind_stays_an_index(tmp_path: Path) -> None:
    class Batch(dict[str, Any]):
        pass

    changed = {
        "batches": lambda index: (Batch(pair=own_models.pairs(index)[0]), own_models.pairs(index)[1]),
        "objective": lambda model, inputs, targets: own_models.pair_objective(model, inputs["pair"], targets),
    }
    subject = training_step(own_models.sweeps_pairs, name="foreign", lr=0.1, **{**PAIRS, **changed})
    path = saved(subject, tmp_path)
    assert isinstance(json.loads(path.read_text(encoding="utf-8"))["case"]["batches"][0][0], int)
    assert replay(str(path), subject, Settings(seed=0)).exit_code == 1


def test_few_drawn_numbers_can_be_pinned() -> None:
    """What `gdprops accept` writes down holds its numbers itself."""
    settings = Settings(seed=0, examples=5)
    subject = drawing()
    (found,) = (
        v for v in check_subject(subject, clauses="step.simultaneous", settings=settings).verdicts if v.counterexample
    )
    assert found.counterexample is not None
    assert found.counterexample.python == ""
    pinned = json.loads(json.dumps(found.counterexample.case["case"]))
    from gdprops.clauses import catalogue
    from gdprops.model.verdict import About

    again = run_case(subject, Item(catalogue()["step.simultaneous"], About.SUBJECT), decode(pinned), settings)
    assert (again.status, again.location) == (Status.VIOLATED, found.location)


def test_what_is_too_large_is_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(sweeping, tmp_path)
    monkeypatch.setattr(arrays_file, "LARGEST", 100)
    assert saved(sweeping, tmp_path) == path
    assert not path.with_suffix(".npz").exists()
    assert "arrays" not in load(str(path))
    assert replay(str(path), sweeping, Settings(seed=0)).exit_code == 1


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("harmed"),))


def rewrite(
    path: Path, change: Callable[[dict[str, bytes]], dict[str, bytes]], packed: int = zipfile.ZIP_STORED
) -> None:
    with zipfile.ZipFile(path) as held:
        members = {name: held.read(name) for name in held.namelist()}
    with zipfile.ZipFile(path, "w", packed) as held:
        for name, data in change(members).items():
            held.writestr(name, data)


def header(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": dtype, "fortran_order": False, "shape": shape})
    return out.getvalue()


ONE = "model.left.weight.npy"
PICKLED = header((1,), "|O") + pickle.dumps([Harmful()])
HOSTILE: list[tuple[Callable[[Path], object], str]] = [
    (lambda p: p.unlink(), "no such file: .*npz, which holds the numbers of the saved case"),
    (lambda p: p.write_bytes(b"PK"), "does not hold the arrays of the saved case: File is not a zip file"),
    (lambda p: p.write_bytes(p.read_bytes()[:-60]), "does not hold the arrays of the saved case: "),
    (lambda p: rewrite(p, lambda m: {**m, ONE: PICKLED}), "model.left.weight is not of the stated shape and dtype"),
    (lambda p: rewrite(p, lambda m: {**m, ONE: m[ONE] + bytes(20_000)}), "model.left.weight is not of the stated size"),
    (lambda p: rewrite(p, lambda m: {**m, ONE: header((10**9,)) + bytes(48)}), "is not of the stated shape and dtype"),
    (lambda p: rewrite(p, lambda m: {**m, "../../x.npy": b""}), "it holds other arrays"),
    (lambda p: rewrite(p, lambda m: m, zipfile.ZIP_DEFLATED), "model.left.weight is no array of plain numbers|larger"),
]


@pytest.mark.parametrize(("spoil", "message"), HOSTILE)
def test_a_hostile_file_of_arrays_is_one_line(
    spoil: Callable[[Path], object], message: str, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kept
    spoil(path.with_suffix(".npz"))
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=message) as found:
        replay(str(path), sweeping, Settings(seed=0))
    assert "\n" not in str(found.value)
    assert sorted(tmp_path.rglob("*")) == before


def huge(held: dict[str, Any]) -> None:
    held["arrays"]["model.left.weight"]["shape"] = [10**12, 10**12]


def negative(held: dict[str, Any]) -> None:
    held["arrays"]["model.left.weight"]["shape"] = [-3, -2]


def objects(held: dict[str, Any]) -> None:
    held["arrays"]["model.left.weight"]["dtype"] = "object"


def again_and_again(held: dict[str, Any]) -> None:
    held["case"]["batches"] *= 1000


def elsewhere(held: dict[str, Any]) -> None:
    held["arrays"] = ["../../../etc/passwd"]


def another_model(held: dict[str, Any]) -> None:
    held["arrays"]["model.left.weight"]["shape"] = [2, 3]


STATED: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (huge, "model.left.weight is not of the stated size"),
    (negative, "model.left.weight is not of the stated size"),
    (objects, "model.left.weight is no array of plain numbers"),
    (again_and_again, "the saved case is damaged: KeyError: 'step1.inputs.0'"),
    (elsewhere, "does not hold the arrays of the saved case: it holds other arrays"),
    (another_model, "model.left.weight is not of the stated shape and dtype"),
]


@pytest.mark.parametrize(("spoil", "message"), STATED)
def test_a_hostile_case_is_one_line(spoil: Callable[[dict[str, Any]], None], message: str, kept: Path) -> None:
    held = json.loads(kept.read_text(encoding="utf-8"))
    spoil(held)
    kept.write_text(json.dumps(held), encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        replay(str(kept), sweeping, Settings(seed=0))


def test_another_model_is_named(kept: Path) -> None:
    class Wider(own_models.Pair):
        def __init__(self) -> None:
            super().__init__()
            self.left = nn.Linear(2, 3, bias=False)

    subject = training_step(own_models.sweeps_pairs, name="sweeping", lr=0.1, **{**PAIRS, "models": Wider})
    with pytest.raises(UsageError, match=r"^the saved case is about another model: left.bias is in one of them only$"):
        replay(str(kept), subject, Settings(seed=0))
