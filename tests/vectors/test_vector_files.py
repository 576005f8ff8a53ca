"""`gdprops vectors`: exact, told apart, passed by torch's own optimizers, and described by their schema."""

from __future__ import annotations

import json
import struct
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gdprops.cli import main
from gdprops.numerics.published.table import PUBLISHED
from gdprops.vectors.feeds import Feed, default_feed, dyadic_feed
from gdprops.vectors.trajectories import Trajectory, blurred, trajectories
from gdprops.vectors.vector_files import TIES, VectorFile, schema_text, vector_files

TORCH: dict[str, Any] = {
    "sgd": torch.optim.SGD,
    "momentum": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adadelta": torch.optim.Adadelta,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "amsgrad": lambda params, **given: torch.optim.Adam(params, amsgrad=True, **given),
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rprop": torch.optim.Rprop,
    "adafactor": torch.optim.Adafactor,
    "muon": torch.optim.Muon,
}


def walked(optimizer: Any, feed: Feed) -> list[list[np.ndarray[Any, Any]]]:
    """Return the weights after each step of a torch optimizer that runs freely."""
    parameters = [torch.tensor(w).requires_grad_() for w in feed.weights]
    unknown = {"threshold"}
    running = optimizer(parameters, lr=feed.rates[0], **{k: v for k, v in feed.settings.items() if k not in unknown})
    seen = []
    for gradients, rate in zip(feed.gradients, feed.rates, strict=True):
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = torch.tensor(gradient)
        running.param_groups[0]["lr"] = rate
        running.step()
        seen.append([p.detach().numpy().copy() for p in parameters])
    return seen


def matched(seen: list[list[np.ndarray[Any, Any]]], found: tuple[Trajectory, ...]) -> list[str]:
    """Return the keys of the forms that were followed at every step."""
    return [
        t.form.key
        for t in found
        if all(
            (np.abs(a.astype(float) - e) <= b).all()
            for step, expected, bounds in zip(seen, t.weights, t.bounds, strict=True)
            for a, e, b in zip(step, expected, bounds, strict=True)
        )
    ]


@cache
def files(name: str) -> tuple[VectorFile, ...]:
    """Return a rule's required files, computed once for all tests."""
    return tuple(islice(vector_files(PUBLISHED[name]), 2))


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_form_is_told_from_every_other_in_the_required_files(name: str) -> None:
    found = files(name)
    assert [f.name for f in found] == [f"{name}.{kind}.json" for kind in ("float64", "float32")]
    assert all(f.required for f in found)
    ties = {(name, *pair) for file in found for pair in blurred(file.forms)}
    assert ties == {tie for tie in TIES if tie[0] == name}
    assert all(f.forms[0].result == "valid" for f in found)


@pytest.mark.parametrize("name", TORCH)
def test_torchs_own_class_follows_the_rules_own_form_and_no_other(name: str) -> None:
    assert [file.feed.dtype for file in files(name)] == [np.float64, np.float32]
    for file in files(name):
        assert matched(walked(TORCH[name], file.feed), file.forms) == [""]


@pytest.mark.nightly
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_file_at_the_defaults_is_there_and_not_required(name: str) -> None:
    *_, last = vector_files(PUBLISHED[name])
    assert (last.name, last.required) == (f"{name}.defaults.json", False)


def test_torchs_adam_with_decoupled_decay_follows_that_dialect() -> None:
    feed = dyadic_feed(PUBLISHED["adam"], np.float64)
    seen = walked(lambda params, **given: torch.optim.Adam(params, decoupled_weight_decay=True, **given), feed)
    assert matched(seen, trajectories(PUBLISHED["adam"], feed)) == ["decoupled"]


def test_a_beta_kept_in_float32_costs_nothing_at_a_binary_fraction_and_too_much_at_the_defaults() -> None:
    rule = PUBLISHED["adam"]

    def careless(params: Any, **given: Any) -> torch.optim.Optimizer:
        betas = tuple(float(np.float32(beta)) for beta in given.pop("betas"))
        return torch.optim.Adam(params, betas=betas, **given)  # type: ignore[arg-type]

    dyadic, default = dyadic_feed(rule, np.float64), default_feed(rule, np.float64)
    assert matched(walked(careless, dyadic), trajectories(rule, dyadic)) == [""]
    assert matched(walked(careless, default), trajectories(rule, default)) == []


def test_one_step_of_gradient_descent_is_what_fractions_say() -> None:
    feed = dyadic_feed(PUBLISHED["sgd"], np.float64)
    (own, *_) = trajectories(PUBLISHED["sgd"], feed)
    w, g = feed.weights[0], feed.gradients[0][0]
    assert (own.weights[0][0] == w - 0.125 * (g + 0.25 * w)).all()  # short binary fractions: nothing is rounded here


def test_files_have_bits_decimals_and_bounds_as_the_schema_says(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="the extra `test` is not installed")
    (tmp_path / "there").mkdir()
    assert main(["vectors", str(tmp_path / "there"), "--rule", "lion", "--rule", "sgd"]) == 0
    written = sorted((tmp_path / "there").iterdir())
    assert [p.name for p in written if p.name != "schema.json"] == [
        f"{rule}.{kind}.json" for rule in ("lion", "sgd") for kind in ("defaults", "float32", "float64")
    ]
    schema = json.loads(schema_text())
    for path in written:
        if path.name != "schema.json":
            jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), schema)
    found = json.loads((tmp_path / "there" / "lion.float32.json").read_text(encoding="utf-8"))
    for bits, decimal in zip(found["weights"]["bits"], found["weights"]["decimals"], strict=True):
        assert struct.unpack(">f", bytes.fromhex(bits))[0] == np.float32(decimal)
    assert [form["result"] for form in found["forms"]] == ["valid", "invalid", "acceptable", "invalid", "invalid"]
    assert found["settings"]["betas"]["decimals"] == [0.5, 0.75]


def test_a_folder_that_is_not_empty_asks_for_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    assert main(["vectors", str(tmp_path), "--rule", "sgd"]) == 2
    said = capsys.readouterr().err
    assert said == f"gdprops: error: {tmp_path} is not empty; --force writes the vectors into it all the same\n"
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    assert main(["vectors", str(tmp_path), "--rule", "sgd", "--force"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: 3 files of 1 rule written, and schema.json, which describes them\n"
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_an_unknown_rule_and_a_folder_that_cannot_be_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["vectors", str(tmp_path), "--rule", "adan"]) == 2
    assert capsys.readouterr().err.startswith(
        "gdprops: error: --rule 'adan': there is no such rule; did you mean 'adam'"
    )
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(["vectors", str(tmp_path / "file"), "--rule", "sgd"]) == 2
    assert "vectors cannot be written into" in capsys.readouterr().err
