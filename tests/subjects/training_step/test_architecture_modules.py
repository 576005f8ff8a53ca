"""Networks of other kinds: built as their data say, judged like all others, left out where a step cannot use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gdprops.clauses import catalogue
from gdprops.errors import Unsupported, UsageError
from gdprops.kinds import kind_of
from gdprops.model.architecture import KINDS, NOT_ADDITIVE, ArchitectureCase
from gdprops.model.case import OwnCase, Plan
from gdprops.model.evidence import Evidence
from gdprops.numerics.decisions import DOUBLE, SINGLE
from gdprops.runner.counterexamples.encoding import decode, encode
from gdprops.strategies.architecture_cases import architecture_case, drawn_architecture
from gdprops.strategies.values import Deck
from gdprops.subjects.training_step.architecture_modules import SelfAttention, architecture_module
from gdprops.subjects.training_step.script.steps import script_network
from gdprops.subjects.training_step.subject import training_step
from gdprops.subjects.training_step.trial_cases import architecture_trial
from tests.samples import training_steps

CARDS = bytes((53 * k + 17) % 256 for k in range(64))


def case_of(kind: str, rows: int = 4) -> ArchitectureCase:
    network = drawn_architecture(Deck(CARDS), (kind,))
    return architecture_case(network, Deck(CARDS[::-1]), Deck(CARDS[7:]), rows=rows, steps=2, precision=DOUBLE)


def judged(build: Any, case: Any, **declared: Any) -> Evidence:
    subject = training_step(build, name="mine", **declared)
    return kind_of(subject).examiner(subject, catalogue()["step.simultaneous"])(case)


@pytest.mark.parametrize("kind", KINDS)
def test_a_correct_step_agrees_and_a_sweep_does_not(kind: str) -> None:
    found = judged(training_steps.ordinary, case_of(kind))
    assert (found.violated, found.decisive) == (False, True)
    if kind not in ("dropout",):
        assert judged(training_steps.layer_by_layer, case_of(kind), lr=0.1).violated


@pytest.mark.parametrize("kind", KINDS)
def test_the_module_holds_the_tensors_that_its_data_say(kind: str) -> None:
    case = case_of(kind)
    model = architecture_module(case.network, case.tensors)
    assert [tuple(p.shape) for p in model.parameters()] == list(case.network.shapes)
    assert all(np.array_equal(p.detach().numpy(), w) for p, w in zip(model.parameters(), case.tensors, strict=True))
    assert model.training == (kind != "batch-norm-evaluated")


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_of_a_counterexample_builds_the_same_model(kind: str) -> None:
    case = case_of(kind)
    names: dict[str, Any] = {"torch": torch}
    exec("\n".join(script_network(case)), names)
    ours = architecture_module(case.network, case.tensors).eval()
    inputs = torch.from_numpy(case.batches[0].inputs)
    assert torch.equal(ours(inputs), names["model"].eval()(inputs))


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_survives_saving(kind: str) -> None:
    again = decode(encode(case_of(kind)))
    assert encode(again) == encode(case_of(kind))
    assert again.network == case_of(kind).network


@pytest.mark.parametrize("precision", [DOUBLE, SINGLE])
def test_every_kind_is_tried(precision: int) -> None:
    subject = training_step(training_steps.ordinary, name="mine")
    for kind in KINDS:
        subject.begin(architecture_trial(kind, precision, 1)).step(0)
    assert subject.domain.kinds == KINDS


def test_attention_is_softmax_of_scaled_products() -> None:
    block, h = SelfAttention(2).double(), torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(1, 3, 2)
    q, k, v = (h @ part.T for part in torch.split(block.qkv.weight, 2))
    attended = nn.functional.scaled_dot_product_attention(q, k, v)
    assert torch.allclose(block(h), h + attended @ block.out.weight.T, rtol=1e-12)


def test_a_step_that_flattens_its_inputs_meets_no_other_kinds() -> None:
    def build(model: nn.Module, loss_fn: nn.Module) -> Any:
        step, optimizer = training_steps.ordinary(model, loss_fn)
        return (lambda x, y: step(x.reshape(len(x), -1).to(next(model.parameters()).dtype), y)), optimizer

    kinds = training_step(build, name="flattens").domain.kinds
    assert "embedding" not in kinds
    assert "conv2d" not in kinds
    assert "layer-norm" in kinds


def test_a_step_that_splits_its_batches_meets_no_batch_norm_in_training_and_no_dropout() -> None:
    kinds = training_step(training_steps.row_by_row, name="splits").domain.kinds
    assert set(KINDS) - set(kinds) == set(NOT_ADDITIVE)


def test_a_step_may_choose_the_mode_by_itself() -> None:
    """Batch norm and dropout count in the mode that the step's own forward pass is in."""

    def build(model: nn.Module, loss_fn: nn.Module) -> Any:
        step, optimizer = training_steps.ordinary(model, loss_fn)

        def training(x: Tensor, y: Tensor) -> None:
            model.eval()
            with torch.no_grad():
                loss_fn(model(x), y)
            model.train()
            step(x, y)
            model.eval()

        return training, optimizer

    assert not judged(build, case_of("batch-norm-evaluated")).violated


def logging_as_well(loss_of: Callable[[nn.Module, nn.Module, Tensor, Tensor], Any]) -> Any:
    """Return an ordinary step with a further forward pass before it."""

    def build(model: nn.Module, loss_fn: nn.Module) -> Any:
        step, optimizer = training_steps.ordinary(model, loss_fn)

        def logging(x: Tensor, y: Tensor) -> None:
            loss_of(model, loss_fn, x, y)
            model.train()
            step(x, y)

        return logging, optimizer

    return build


def differentiated_too(model: nn.Module, loss_fn: nn.Module, x: Tensor, y: Tensor) -> None:
    model.eval()
    loss_fn(model(x), y).backward()


def logged(model: nn.Module, loss_fn: nn.Module, x: Tensor, y: Tensor) -> float:
    """Nobody differentiates this, although gradients are enabled."""
    model.eval()
    return float(loss_fn(model(x), y))


def logged_while_training(model: nn.Module, loss_fn: nn.Module, x: Tensor, y: Tensor) -> float:
    return float(loss_fn(model(x[:1]), y[:1]))


@pytest.mark.parametrize("kind", ["batch-norm", "dropout", "layer-norm"])
def test_a_pass_that_only_logs_is_nobodys_business(kind: str) -> None:
    assert not judged(logging_as_well(logged), case_of(kind)).violated


def test_masks_that_only_a_log_sees_do_not_matter() -> None:
    assert not judged(logging_as_well(logged_while_training), case_of("dropout")).violated


def test_modes_do_not_matter_where_no_layer_depends_on_them() -> None:
    assert not judged(logging_as_well(differentiated_too), case_of("layer-norm")).violated


def test_masks_that_are_drawn_in_two_passes_cannot_be_replayed() -> None:
    def build(model: nn.Module, loss_fn: nn.Module) -> Any:
        optimizer = training_steps.sgd(model)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            (loss_fn(model(x), y) + loss_fn(model(x), y)).backward()
            optimizer.step()

        return step, optimizer

    with pytest.raises(Unsupported, match=r"random numbers are not drawn in one single forward pass of the model"):
        judged(build, case_of("dropout"))


@pytest.mark.parametrize("kind", ["batch-norm", "dropout"])
def test_a_gradient_in_each_mode_cannot_be_told_apart(kind: str) -> None:
    said = r"differentiated in training and in evaluation mode, with different results"
    with pytest.raises((Unsupported, UsageError), match=said):
        judged(logging_as_well(differentiated_too), case_of(kind))


class Dropping(nn.Module):
    """Its mode acts in a module with parts: the function reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(nn.functional.dropout(x, 0.5, self.training))
        return out


def test_the_mode_of_a_module_with_parts_counts() -> None:
    def build(model: nn.Module, loss_fn: nn.Module) -> Any:
        step, optimizer = training_steps.ordinary(model.eval(), loss_fn)
        return step, optimizer

    batch = (torch.eye(3), torch.ones(3, 3))
    own = {"models": Dropping, "batches": lambda i: batch, "loss": nn.MSELoss()}
    assert not judged(build, OwnCase(CARDS, ((0,), (1,)), Plan(()), DOUBLE), **own).violated
