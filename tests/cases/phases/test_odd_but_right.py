"""Steps with phases that are right and look odd: none is accused, and what is odd about them is told."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gdprops.model.verdict import Status
from tests.cases.phases.checking import mlp, moves, notes_if_held, only_reason


class Two(nn.Module):
    """A body and a head, trained by turns."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(2, 3), nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.body(x)))  # type: ignore[no-any-return] # modules return Any


def rows(index: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(index)
    return torch.randn(6, 2, generator=g), torch.randn(6, 1, generator=g)


def loss(m: Any, x: Tensor, y: Tensor) -> Any:
    return functional.mse_loss(m(x), y)


def penalized(m: Any, x: Tensor, y: Tensor) -> Any:
    return loss(m, x, y) + 0.1 * sum((p**2).sum() for p in m.head.parameters())


def sgd(*modules: nn.Module, **more: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD([p for module in modules for p in module.parameters()], **{"lr": 0.1, **more})


OWN: dict[str, Any] = {"models": Two, "batches": rows}
BOTH: dict[str, Any] = {**OWN, "phases": [("body", loss), ("head", loss)]}


def halves(m: Any, **more: Any) -> dict[str, torch.optim.Optimizer]:
    return {"body": sgd(m.body, **more), "head": sgd(m.head, momentum=0.9)}


def test_alternating_minimization_of_one_objective_is_told_to_be_layer_by_layer() -> None:
    def build(m: Any, _: Any) -> Any:
        o = halves(m)

        def step(x: Tensor, y: Tensor) -> None:
            for optimizer in o.values():
                m.zero_grad()
                loss(m, x, y).backward()
                optimizer.step()

        return step, o

    told = notes_if_held(build, **BOTH)
    assert "body and head have one objective: layer by layer, as declared" in told


def test_one_optimizer_stands_in_two_phases() -> None:
    def build(m: Any, _: Any) -> Any:
        optimizer = torch.optim.Adam(m.parameters(), lr=0.01)

        def step(x: Tensor, y: Tensor) -> None:
            moves(optimizer, loss(m, x, y))
            moves(optimizer, penalized(m, x, y))

        return step, optimizer

    notes_if_held(build, **OWN, phases=[("all", loss), ("all", penalized)])


def test_tasks_that_take_turns_skip_a_phase_in_every_call() -> None:
    def build(m: Any, _: Any) -> Any:
        o, calls = halves(m), 0

        def step(x: Tensor, y: Tensor) -> None:
            nonlocal calls
            calls += 1
            name = ("head", "body")[calls % 2]
            moves(o[name], loss(m, x, y))

        return SimpleNamespace(step=step, optimizer=o)

    told = notes_if_held(build, **BOTH)
    assert {"calls of the step skip the phase body", "calls of the step skip the phase head"} <= set(told)


def test_a_phase_that_is_never_reached_is_not_held() -> None:
    def build(m: Any, _: Any) -> Any:
        o = halves(m)
        return (lambda x, y: moves(o["body"], loss(m, x, y))), o

    said = only_reason(build, Status.VACUOUS, **BOTH)
    assert "the phase head is never reached in" in said


def test_objectives_are_told_which_step_of_their_phase_they_are() -> None:
    """As PPO: several epochs over parts of one batch."""

    def part(m: Any, x: Tensor, y: Tensor, *, k: int) -> Any:
        return loss(m, x[2 * k : 2 * k + 2], y[2 * k : 2 * k + 2])

    def build(m: Any, _: Any) -> Any:
        optimizer = torch.optim.Adam(m.parameters(), lr=0.01)

        def step(x: Tensor, y: Tensor) -> None:
            for k in range(0, len(x), 2):
                moves(optimizer, loss(m, x[k : k + 2], y[k : k + 2]))

        return step, optimizer

    notes_if_held(build, **OWN, phases=[("all", part, 3)])


def test_gradients_that_autograd_returns_and_the_step_puts_into_place() -> None:
    def build(m: Any, _: Any) -> Any:
        o = halves(m)

        def step(x: Tensor, y: Tensor) -> None:
            for name, optimizer in o.items():
                own = list(getattr(m, name).parameters())
                for p, g in zip(own, torch.autograd.grad(loss(m, x, y), own), strict=True):
                    p.grad = g
                optimizer.step()

        return step, o

    notes_if_held(build, **BOTH)


def test_lbfgs_in_one_phase_looks_where_it_asks() -> None:
    def build(m: Any, _: Any) -> Any:
        o = {"body": sgd(m.body), "head": torch.optim.LBFGS(m.head.parameters(), lr=0.5, max_iter=3)}

        def step(x: Tensor, y: Tensor) -> None:
            moves(o["body"], loss(m, x, y))

            def closure() -> Any:
                m.zero_grad()
                found = loss(m, x, y)
                found.backward()
                return found

            o["head"].step(closure)

        return step, o

    notes_if_held(build, **BOTH)


class Constrained(Two):
    def __init__(self) -> None:
        super().__init__()
        self.price = nn.Parameter(torch.ones(1))


def test_dual_ascent_with_a_projected_multiplier() -> None:
    """The multiplier climbs, and is kept from becoming negative."""

    def lagrangian(m: Any, x: Tensor, y: Tensor) -> Any:
        return loss(m, x, y) + m.price.detach().clamp(min=0) * (m(x).mean() - 0.1)

    def price(m: Any, x: Tensor, y: Tensor) -> Any:
        return -(m.price * (m(x).mean() - 0.1).detach()).sum()

    def project(m: Any) -> None:
        m.price.clamp_(min=0.0)

    def build(m: Any, _: Any) -> Any:
        o = {"weights": sgd(m.body, m.head), "price": torch.optim.SGD([m.price], lr=0.5, maximize=True)}

        def step(x: Tensor, y: Tensor) -> None:
            moves(o["weights"], lagrangian(m, x, y))
            moves(o["price"], -price(m, x, y))
            with torch.no_grad():
                project(m)

        return step, o

    notes_if_held(
        build,
        models=Constrained,
        batches=rows,
        phases=[("weights", lagrangian), ("price", price)],
        after={"price": project},
    )


def test_rates_and_schedulers_of_their_own() -> None:
    def build(m: Any, _: Any) -> Any:
        o = halves(m)
        schedulers = [torch.optim.lr_scheduler.ExponentialLR(one, 0.5) for one in o.values()]

        def step(x: Tensor, y: Tensor) -> None:
            for optimizer in o.values():
                moves(optimizer, loss(m, x, y))
            for scheduler in schedulers:
                scheduler.step()

        return step, o

    notes_if_held(build, **BOTH)


class MeanTeacher(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher = mlp(2, 1, nn.Dropout(0.5)), mlp(2, 1, nn.Dropout(0.5))


def test_a_mean_teacher_and_dropout_in_both() -> None:
    def consistent(m: Any, x: Tensor, y: Tensor) -> Any:
        with torch.no_grad():
            taught = m.teacher(x)
        seen = m.student(x)
        return functional.mse_loss(seen, y) + functional.mse_loss(seen, taught)

    def build(m: Any, _: Any) -> Any:
        optimizer = sgd(m.student)
        m.teacher.load_state_dict(m.student.state_dict())

        def step(x: Tensor, y: Tensor) -> None:
            moves(optimizer, consistent(m, x, y))
            with torch.no_grad():
                for held, p in zip(m.teacher.parameters(), m.student.parameters(), strict=True):
                    held.mul_(0.9).add_(p, alpha=0.1)

        return step, optimizer

    notes_if_held(
        build,
        models=MeanTeacher,
        batches=rows,
        phases=[("student", consistent)],
        targets={"teacher": ("polyak", "student", 0.1)},
    )


def test_an_average_that_no_target_declares_is_told_and_not_judged() -> None:
    def fits(m: Any, x: Tensor, y: Tensor) -> Any:
        return functional.mse_loss(m.student(x), y)

    def build(m: Any, _: Any) -> Any:
        optimizer = sgd(m.student)

        def step(x: Tensor, y: Tensor) -> None:
            moves(optimizer, fits(m, x, y))
            with torch.no_grad():
                for held, p in zip(m.teacher.parameters(), m.student.parameters(), strict=True):
                    held.copy_(-p)

        return step, optimizer

    told = notes_if_held(build, models=MeanTeacher, batches=rows, phases=[("student", fits)])
    assert any("held by no optimizer; how is not checked without targets=" in note for note in told)


def test_a_copy_that_looks_ahead_leaves_the_model_alone() -> None:
    """As unrolled GANs do: the head's loss is taken on a copy whose body has moved further."""

    def ahead(m: Any, x: Tensor, y: Tensor) -> Any:
        other = copy.deepcopy(m)
        moves(sgd(other.body), loss(other, x, y))
        return functional.mse_loss(m.head(torch.tanh(other.body(x)).detach()), y)

    def build(m: Any, _: Any) -> Any:
        o = halves(m)

        def step(x: Tensor, y: Tensor) -> None:
            moves(o["body"], loss(m, x, y))
            moves(o["head"], ahead(m, x, y))

        return step, o

    notes_if_held(build, **OWN, phases=[("body", loss), ("head", ahead)])


def test_a_learned_penalty_differentiates_through_a_step_of_the_weights() -> None:
    """As MAML does in its inner loop: the objective itself takes a gradient."""

    def outer(m: Any, x: Tensor, y: Tensor) -> Any:
        own = dict(m.named_parameters())
        grads = torch.autograd.grad(loss(m, x[:3], y[:3]), list(own.values()), create_graph=True)
        moved = {name: p - 0.1 * g for (name, p), g in zip(own.items(), grads, strict=True)}
        return functional.mse_loss(torch.func.functional_call(m, moved, (x[3:],)), y[3:])

    def build(m: Any, _: Any) -> Any:
        optimizer = torch.optim.Adam(m.parameters(), lr=0.01)
        return (lambda x, y: moves(optimizer, outer(m, x, y))), optimizer

    notes_if_held(build, **OWN, phases=[("all", outer)])


def test_weight_decay_moves_what_an_objective_does_not_reach_if_its_gradient_is_there() -> None:
    """A shared body with zeros for a gradient decays; without a gradient it does not."""

    def bias(m: Any, x: Tensor, y: Tensor) -> Any:
        return ((m.head.bias - 1) ** 2).sum()

    for set_to_none in (True, False):

        def build(m: Any, _: Any, set_to_none: bool = set_to_none) -> Any:
            o = {"body": sgd(m.body, m.head, weight_decay=0.1), "head": sgd(m.body, m.head, weight_decay=0.1)}

            def step(x: Tensor, y: Tensor) -> None:
                for name, objective in (("body", loss), ("head", bias)):
                    o[name].zero_grad(set_to_none=set_to_none)
                    objective(m, x, y).backward()
                    o[name].step()

            return step, o

        notes_if_held(build, **OWN, phases=[("body", loss), ("head", bias)])


def drawing(clears: bool) -> Any:
    """Return a build whose first phase draws its batch itself; ``clears``: the second phase does, as it should."""

    def build(m: Any, _: Any) -> Any:
        o, own = halves(m), iter(map(rows, range(100, 200)))

        def step(x: Tensor, y: Tensor) -> None:
            moves(o["body"], loss(m, *next(own)))
            if clears:
                m.zero_grad()
            loss(m, x, y).backward()
            o["head"].step()

        return step, o

    return build


def test_a_phase_that_draws_its_batch_itself_is_not_decided() -> None:
    reason = only_reason(drawing(clears=True), Status.VACUOUS, **BOTH)
    assert "the phase body draws its batches itself: what its modules are given does not come from the batch" in reason
    found = only_reason(drawing(clears=False), **BOTH)
    assert found.startswith("head")
