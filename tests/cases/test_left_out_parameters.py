"""Training steps that move nothing, leave parameters out, change what is frozen, or forget the mode of their model.

Each wrong step stands beside a right one that looks like it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdprops.model.outcome import Outcome
from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step

RATE, DECAY = 0.125, 0.25
Built = tuple[Callable[..., Any], torch.optim.Optimizer]


class Net(nn.Module):
    """A body and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.body(x)))  # type: ignore[no-any-return]


class Normed(Net):
    """The same with a batch norm between them."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.norm(self.body(x))))  # type: ignore[no-any-return]


class Scaled(Net):
    """The same with a parameter that is in no leaf module."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * super().forward(x)


def frozen() -> nn.Module:
    model = Net()
    model.body.requires_grad_(False)
    return model


def batches(index: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(index)
    return torch.randn(6, 3, generator=generator), torch.randn(6, 2, generator=generator)


def examined(build: Callable[..., Any], clauses: str, models: Any = None, **declared: Any) -> Outcome:
    if models is not None:
        declared |= {"models": models, "batches": batches, "loss": nn.MSELoss()}
    subject = training_step(build, name="mine", **declared)
    return check_subject(subject, clauses=clauses, settings=Settings(seed=0, examples=30))


def verdict(build: Callable[..., Any], clause: str, models: Any = None, **declared: Any) -> Verdict:
    (found,) = (v for v in examined(build, clause, models, **declared).verdicts if v.about is About.SUBJECT)
    return found


def ordinary(optimizer: torch.optim.Optimizer, model: nn.Module, loss_fn: Any) -> Built:
    """Return the textbook step of an optimizer."""

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step, optimizer


def trains(choose: Callable[[Any], Any]) -> Callable[..., Built]:
    """Return a build whose optimizer holds what is chosen of the model."""

    def build(model: Any, loss_fn: Any) -> Built:
        return ordinary(torch.optim.SGD(choose(model), lr=RATE), model, loss_fn)

    return build


everything = trains(lambda model: model.parameters())
only_the_head = trains(lambda model: model.head.parameters())
only_leaves = trains(lambda model: [*model.body.parameters(), *model.head.parameters()])


# what no optimizer holds


@pytest.mark.parametrize(
    ("build", "models", "left_out"),
    [(only_the_head, Net, ("body.weight", "body.bias")), (only_leaves, Scaled, ("scale",))],
)
def test_what_is_trainable_reached_and_held_by_no_optimizer_is_told(
    build: Any, models: Any, left_out: tuple[str, ...]
) -> None:
    outcome = examined(build, "step.*", models)
    found = next(v for v in outcome.verdicts if v.clause == "step.complete")
    assert (found.status, found.level, found.blame) == (Status.VIOLATED, "recommended", left_out)
    assert found.reason == (
        f"{', '.join(left_out)}: trainable, reached by the loss, and in no group of the optimizer; what is not to be "
        "trained can be frozen (requires_grad)"
    )
    assert found.explanation is None
    assert outcome.exit_code == 0
    assert [v.clause for v in outcome.verdicts if v.status is Status.VIOLATED] == ["step.complete"]


@pytest.mark.parametrize(("build", "models"), [(only_the_head, frozen), (everything, Scaled)])
def test_what_is_frozen_or_held_is_not_missing(build: Any, models: Any) -> None:
    assert verdict(build, "step.complete", models).status is Status.HELD


def test_what_a_step_without_an_optimizer_holds_cannot_be_seen() -> None:
    found = verdict(lambda model, loss_fn: everything(model, loss_fn)[0], "step.complete", lr=RATE)
    assert found.status is Status.NOT_APPLICABLE
    assert found.reason == "build returns no optimizer: what it holds cannot be seen"


# what moves nothing at all


def holds_what_is_frozen(model: Any, loss_fn: Any) -> Built:
    model.body.requires_grad_(False)
    return ordinary(torch.optim.SGD(model.body.parameters(), lr=RATE), model, loss_fn)


def at_a_rate_of_zero(model: Any, loss_fn: Any) -> Built:
    model.body.requires_grad_(False)
    return ordinary(torch.optim.SGD(model.parameters(), lr=0.0), model, loss_fn)


def test_a_step_that_moves_nothing_in_any_example_is_violated() -> None:
    found = verdict(holds_what_is_frozen, "step.moves-all", Net)
    assert found.status is Status.VIOLATED
    assert found.reason == (
        "the step moves nothing, although parameters that are trained have gradients: the optimizer holds no parameter "
        "that is trained, in any of 30 examples"
    )


def test_a_rate_of_zero_moves_nothing_and_is_not_accused() -> None:
    found = verdict(at_a_rate_of_zero, "step.moves-all", Net)
    assert found.status is Status.VACUOUS
    assert found.reason == "0 of 30 examples decisive, 8 needed: U moves nothing in this example"


def never_used(model: Any, loss_fn: Any) -> Built:
    """The loss is that of the head alone, whose weights are all zero in some examples: what rests there is right."""
    return ordinary(torch.optim.SGD(model.body.parameters(), lr=RATE), model, loss_fn)


class SometimesDead(Net):
    """A body behind a rectifier that is dead at some weights."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.body(x) - 1.0))  # type: ignore[no-any-return]


def test_what_rests_in_some_examples_only_is_not_accused() -> None:
    found = verdict(never_used, "step.moves-all", SometimesDead)
    assert found.status in (Status.HELD, Status.VACUOUS)


def every(k: int) -> Callable[..., Built]:
    def build(model: nn.Module, loss_fn: Any) -> Built:
        optimizer, taken = torch.optim.SGD(model.parameters(), lr=RATE), 0

        def step(x: Tensor, y: Tensor) -> None:
            nonlocal taken
            (loss_fn(model(x), y) / k).backward()
            taken += 1
            if taken % k == 0:
                optimizer.step()
                optimizer.zero_grad()

        return step, optimizer

    return build


def test_a_step_that_moves_at_every_kth_call_is_told_to_declare_that() -> None:
    found = verdict(every(20), "step.moves-all")
    assert found.status is Status.VIOLATED
    assert found.explanation == (
        "the step moves at every 20th call only: where it accumulates gradients, declare accumulate=20"
    )


# what is frozen


def unfreezes_in_build(model: nn.Module, loss_fn: Any) -> Built:
    model.requires_grad_(True)
    return everything(model, loss_fn)


def unfreezes_a_bias_in_build(model: Any, loss_fn: Any) -> Built:
    model.body.bias.requires_grad = True
    return ordinary(torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=RATE), model, loss_fn)


@pytest.mark.parametrize(
    ("build", "moved"),
    [(unfreezes_in_build, ("body.weight", "body.bias")), (unfreezes_a_bias_in_build, ("body.bias",))],
)
def test_what_models_freezes_and_build_unfreezes_is_told(build: Any, moved: tuple[str, ...]) -> None:
    outcome = examined(build, "step.*", frozen)
    found = next(v for v in outcome.verdicts if v.clause == "step.stays-frozen")
    assert (found.status, found.blame) == (Status.VIOLATED, moved)
    assert found.reason == "frozen in the model that build is given, and moved"
    assert outcome.exit_code == 0


def unfreezes_in_the_step(model: nn.Module, loss_fn: Any) -> Built:
    step, optimizer = everything(model, loss_fn)

    def unfreezing(x: Tensor, y: Tensor) -> None:
        model.requires_grad_(True)
        step(x, y)

    return unfreezing, optimizer


def unfreezes_for_a_look(model: Any, loss_fn: Any) -> Built:
    """The norm of all gradients is logged, those of the frozen body too, which is frozen again before the update."""
    step, optimizer = everything(model, loss_fn)

    def logging(x: Tensor, y: Tensor) -> float:
        frozen = [p for p in model.parameters() if not p.requires_grad]
        for p in frozen:
            p.requires_grad = True
        looked = torch.autograd.grad(loss_fn(model(x), y), list(model.parameters()), allow_unused=True)
        for p in frozen:
            p.requires_grad = False
        step(x, y)
        return float(sum(g.norm() for g in looked if g is not None))

    return logging, optimizer


@pytest.mark.parametrize("models", [None, frozen])
def test_what_the_step_itself_unfreezes_is_violated(models: Any) -> None:
    found = verdict(unfreezes_in_the_step, "step.frozen-untouched", models)
    assert (found.status, found.reason) == (Status.VIOLATED, "a frozen parameter moved")


@pytest.mark.parametrize("models", [None, frozen])
def test_what_is_unfrozen_for_a_look_and_does_not_move_is_held(models: Any) -> None:
    assert verdict(unfreezes_for_a_look, "step.frozen-untouched", models).status is Status.HELD


def turns(first: int, every: int) -> Callable[..., Built]:
    """Return a build whose parameters take turns: at first in build, then every so many steps."""

    def build(model: nn.Module, loss_fn: Any) -> Built:
        taken, parts = 0, list(model.parameters())

        def choose(k: int) -> None:
            for i, p in enumerate(parts):
                p.requires_grad_(i % 2 == k % 2)

        if first:
            choose(0)
        step, optimizer = everything(model, loss_fn)

        def turning(x: Tensor, y: Tensor) -> None:
            nonlocal taken
            choose(taken // every)
            step(x, y)
            taken += 1

        return turning, optimizer

    return build


@pytest.mark.parametrize(("first", "every"), [(0, 1), (0, 50), (1, 1)])
def test_parameters_that_take_turns_are_not_decided(first: int, every: int) -> None:
    outcome = examined(turns(first, every), "step.simultaneous", Net)
    (found,) = (v for v in outcome.verdicts if v.about is About.SUBJECT)
    assert found.status is Status.VACUOUS
    assert found.reason.endswith(
        ": whether parameters that take turns do so as they should is not decided where it is not declared: freeze in "
        "build what is not to be trained, or declare the steps at which a parameter rests, "
        'frozen={"body.*": range(1, 4)}, with models='
    )
    assert outcome.exit_code == 5


def freezes_after_the_first_step(model: Any, loss_fn: Any) -> Built:
    step, optimizer = everything(model, loss_fn)

    def freezing(x: Tensor, y: Tensor) -> None:
        step(x, y)
        model.body.requires_grad_(False)

    return freezing, optimizer


def test_what_the_step_freezes_after_it_was_trained_is_still_to_move() -> None:
    found = verdict(freezes_after_the_first_step, "step.simultaneous", Net)
    assert (found.status, found.blame) == (Status.VIOLATED, ("body.weight", "body.bias"))


# modes


def evaluating(after: Callable[[nn.Module], Any], *, at: int = 1) -> Callable[..., Built]:
    """Return a build whose step changes modes after so many steps, and reads a metric."""

    def build(model: nn.Module, loss_fn: Any) -> Built:
        step, optimizer = everything(model, loss_fn)
        taken = 0

        def measured(x: Tensor, y: Tensor) -> float:
            nonlocal taken
            step(x, y)
            taken += 1
            if taken >= at:
                after(model)
            with torch.no_grad():
                return float(loss_fn(model(x), y))

        return measured, optimizer

    return build


def restored(model: nn.Module) -> None:
    was = model.training
    model.eval()
    model.train(was)


def norms_alone(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.Dropout):
            module.eval()


def from_the_first_step_on(model: nn.Module, loss_fn: Any) -> Built:
    model.eval()
    return everything(model, loss_fn)


@pytest.mark.parametrize("models", [None, Normed])
@pytest.mark.parametrize("at", [1, 3])
def test_evaluation_mode_after_training_mode_is_violated(models: Any, at: int) -> None:
    found = verdict(evaluating(nn.Module.eval, at=at), "step.mode", models)
    assert found.status is Status.VIOLATED
    assert found.reason == (
        f"from step {at + 1} on gradients are taken in evaluation mode, at step 1 in training mode; the loss or its "
        "gradients differ between the two (BatchNorm1d)"
    )


@pytest.mark.parametrize("models", [None, Normed])
@pytest.mark.parametrize("build", [evaluating(restored), from_the_first_step_on])
def test_a_mode_that_is_restored_or_chosen_from_the_first_step_on_is_held(build: Any, models: Any) -> None:
    assert verdict(build, "step.mode", models).status is Status.HELD


def test_a_batch_norm_that_is_frozen_later_is_a_note() -> None:
    outcome = examined(evaluating(norms_alone, at=2), "step.mode", Normed)
    assert outcome.exit_code == 0
    assert [note.text for note in outcome.notes] == [
        "from step 3 on modules of the model are in evaluation mode that were in training mode at step 1: BatchNorm1d"
    ]


def test_a_model_that_is_the_same_in_both_modes_is_not_asked() -> None:
    found = verdict(evaluating(nn.Module.eval), "step.mode", Net)
    assert found.status is Status.NOT_APPLICABLE
    assert found.reason == "the model is the same in training mode and in evaluation mode"


# keys of parameter groups


def with_groups(**keys: Any) -> Callable[[Any], torch.optim.Optimizer]:
    return lambda model: torch.optim.SGD(
        [{"params": model.body.parameters(), **keys}, {"params": model.head.parameters()}], lr=RATE
    )


def keyed(**keys: Any) -> Callable[..., Built]:
    return lambda model, loss_fn: ordinary(with_groups(**keys)(model), model, loss_fn)


def scaling_its_rates(model: Any, loss_fn: Any) -> Built:
    step, optimizer = keyed(lr_scale=0.5)(model, loss_fn)

    def scaled(x: Tensor, y: Tensor) -> None:
        for group in optimizer.param_groups:
            group["lr"] = RATE * group.get("lr_scale", 1.0)
        step(x, y)

    return scaled, optimizer


def scheduled(model: Any, loss_fn: Any) -> Built:
    groups = [{"params": part.parameters(), "initial_lr": RATE} for part in (model.body, model.head)]
    step, optimizer = ordinary(torch.optim.SGD(groups, lr=RATE), model, loss_fn)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, last_epoch=0)

    def followed(x: Tensor, y: Tensor) -> None:
        step(x, y)
        scheduler.step()

    return followed, optimizer


@pytest.mark.parametrize("keys", [{"lr_scale": 0.1}, {"weigth_decay": 0.0}])
def test_a_key_that_nobody_reads_is_a_note(keys: dict[str, float]) -> None:
    outcome = examined(keyed(**keys), "step.moves-all", Net)
    assert [note.text for note in outcome.notes] == [
        f"the optimizer's parameter groups carry {', '.join(keys)}, which nobody reads: neither the optimizer nor the "
        "step acts on it"
    ]
    assert outcome.exit_code == 0


@pytest.mark.parametrize("build", [scaling_its_rates, keyed(weight_decay=0.0), keyed(name="body"), everything])
def test_a_key_that_somebody_reads_or_that_is_for_people_is_none(build: Any) -> None:
    assert examined(build, "step.moves-all", Net).notes == ()


def test_what_a_scheduler_reads_is_read() -> None:
    subject = training_step(scheduled, name="mine", models=Net, batches=batches, loss=nn.MSELoss())
    assert subject.habits.unread == ()
    assert torch.optim.Optimizer.add_param_group.__module__ != "gdprops.subjects.training_step.group_keys"


# a penalty on all parameters


def with_decay(params: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(params, lr=RATE, weight_decay=DECAY)


def trained(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def penalized(model: nn.Module, loss: Tensor) -> Tensor:
    return loss + DECAY / 2 * sum((p**2).sum() for p in trained(model))


def penalty_in_the_loss(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        penalized(model, loss_fn(model(x), y)).backward()  # type: ignore[no-untyped-call] # torch's own
        optimizer.step()

    return step


def penalty_by_hand(model: nn.Module, loss_fn: Any) -> Any:
    def step(x: Tensor, y: Tensor) -> None:
        moving = trained(model)
        for p, g in zip(moving, torch.autograd.grad(penalized(model, loss_fn(model(x), y)), moving), strict=True):
            p.data -= RATE * g

    return step


def penalty_in_the_gradients(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        for p in trained(model):
            p.grad = DECAY * p.detach() + (0 if p.grad is None else p.grad)
        optimizer.step()

    return step


def decays_what_has_no_gradient(model: nn.Module, loss_fn: Any) -> Any:
    def step(x: Tensor, y: Tensor) -> None:
        moving = trained(model)
        for p, g in zip(moving, torch.autograd.grad(loss_fn(model(x), y), moving, allow_unused=True), strict=True):
            p.data -= RATE * ((0 if g is None else g) + DECAY * p.data)

    return step


@pytest.mark.parametrize("build", [penalty_in_the_loss, penalty_by_hand, penalty_in_the_gradients])
@pytest.mark.parametrize("clause", ["step.moves-all", "step.simultaneous"])
def test_a_parameter_that_only_the_penalty_reaches_may_decay(build: Any, clause: str) -> None:
    subject = training_step(build, name="mine", rule=with_decay)
    outcome = check_subject(subject, clauses=clause, settings=Settings(seed=0, examples=60))
    assert outcome.verdicts[0].status is Status.HELD


@pytest.mark.parametrize("clause", ["step.moves-all", "step.simultaneous"])
def test_a_parameter_without_any_gradient_may_not(clause: str) -> None:
    subject = training_step(decays_what_has_no_gradient, name="mine", rule=with_decay)
    outcome = check_subject(subject, clauses=clause, settings=Settings(seed=1, examples=60))
    assert outcome.verdicts[0].status is Status.VIOLATED
    assert outcome.verdicts[0].blame == ("unused",)
