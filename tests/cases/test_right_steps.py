"""Training steps that were right and accused: one of each kind, siblings, and wrong steps that look like them."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gdprops
from gdprops.errors import UsageError
from gdprops.model.case import TrainCase
from gdprops.model.domain import Domain
from gdprops.model.note import Note
from gdprops.numerics.network_pass import loss
from gdprops.strategies.loop import Loop
from gdprops.strategies.training_loops import loops
from tests.quality.drawing import drawn
from tests.samples.diverging_loops import steps_taken

Built = Callable[[nn.Module, Any], Any]
MICRO = 4


def statuses(subject: Any, clauses: str = "step.*", *, examples: int = 12, seed: int = 0) -> dict[str, str]:
    """Return what every clause that applies says of a subject."""
    outcome = gdprops.check(subject, clauses=clauses.split(","), examples=examples, seed=seed)
    return {v.clause: str(v.status) for v in outcome.verdicts if str(v.status) != "not-applicable"}


def notes(subject: Any, clauses: str) -> tuple[Note, ...]:
    outcome = gdprops.check(subject, clauses=clauses, examples=12, seed=0)
    return tuple(note for v in outcome.verdicts for note in v.notes)


def all_held(found: dict[str, str]) -> bool:
    return bool(found) and set(found.values()) == {"held"}


# Loops that diverge by themselves.


def logs_with(log: Callable[[float, Iterable[Tensor]], object], rate: float) -> Built:
    """Return plain descent that logs something of every loss and gradient before it moves."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            log(float(loss), [p.grad for p in model.parameters() if p.grad is not None])
            optimizer.step()

        return step, optimizer

    return build


def squares_norms(_loss: float, gradients: Iterable[Tensor]) -> float:
    return sum(float(g.norm()) ** 2 for g in gradients)


def takes_the_perplexity(loss: float, _gradients: Iterable[Tensor]) -> float:
    return math.exp(loss)


def stops_beyond_a_hundred(loss: float, _gradients: Iterable[Tensor]) -> None:
    if not loss <= 100:
        raise RuntimeError("the loss diverges")


@pytest.mark.parametrize(
    ("log", "rate"), [(squares_norms, 0.1), (takes_the_perplexity, 0.1), (stops_beyond_a_hundred, 0.5)]
)
def test_what_overflows_in_a_loop_that_diverges_is_not_the_steps_fault(log: Any, rate: float) -> None:
    """A square activation at rate 0.1 on one batch twelve times overflows, whoever trains it."""
    subject = gdprops.training_step(logs_with(log, rate), name="logs")
    assert all_held(statuses(subject, "step.simultaneous,step.moves-all", examples=60))


def leaves_out_large_losses(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        if loss < 1000:
            loss.backward()
            optimizer.step()

    return step, optimizer


def test_a_guard_that_skips_what_diverges_is_right() -> None:
    subject = gdprops.training_step(leaves_out_large_losses, name="guards")
    assert all_held(statuses(subject, "step.simultaneous", examples=60))


def raises_on_one_row(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        if len(x) == 1:
            raise ValueError("one row has no variance")
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step, optimizer


def test_what_raises_where_nothing_diverges_is_violated() -> None:
    outcome = gdprops.check(
        gdprops.training_step(raises_on_one_row, name="raises"), clauses="step.simultaneous", examples=20, seed=0
    )
    (found,) = (v for v in outcome.verdicts if str(v.status) == "violated")
    assert "raised ValueError: one row has no variance" in str(found.reason)


# ``build`` that changes the model.


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.fc = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(torch.tanh(self.body(x)))
        return out


class WithALock(Net):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


class WithALambda(Net):
    """A copy of it still calls the layers of the original."""

    def __init__(self) -> None:
        super().__init__()
        self.head: Callable[[Tensor], Tensor] = lambda h: 1.0 * self.fc(h)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.body(x)))


def batches(dtype: torch.dtype) -> Callable[[int], tuple[Tensor, Tensor]]:
    def of(index: int) -> tuple[Tensor, Tensor]:
        g = torch.Generator().manual_seed(index)
        return torch.randn(6, 3, generator=g, dtype=dtype), torch.randn(6, 3, generator=g, dtype=dtype)

    return of


def own(models: Any = Net, dtype: torch.dtype = torch.float64) -> dict[str, Any]:
    return {"models": models, "batches": batches(dtype), "loss": nn.MSELoss()}


def trains_after(change: Callable[[nn.Module], None], *, zeroes: bool = True) -> Built:
    """Return a step on the model as ``change`` leaves it; without ``zeroes`` the gradients pile up."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        change(model)
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1, momentum=0.5)

        def step(x: Tensor, y: Tensor) -> None:
            if zeroes:
                optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()

        return step, optimizer

    return build


def first_layer(model: nn.Module) -> nn.Linear:
    return next(module for module in model.modules() if isinstance(module, nn.Linear))


def replaces_the_head(model: Any) -> None:
    model.fc = nn.Linear(3, 3, dtype=model.fc.weight.dtype)


def puts_zeros_in_a_new_head(model: Any) -> None:
    replaces_the_head(model)
    nn.init.zeros_(model.fc.weight)
    nn.init.zeros_(model.fc.bias)


def ties(model: Any) -> None:
    model.fc.weight = model.body.weight


class Adapted(nn.Module):
    """A frozen layer and a trained difference of rank two."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        rows, columns = base.weight.shape
        self.a = nn.Parameter(torch.randn(2, columns, dtype=base.weight.dtype))
        self.b = nn.Parameter(torch.zeros(rows, 2, dtype=base.weight.dtype))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base(x) + x @ self.a.T @ self.b.T
        return out


def adapts(model: nn.Module) -> None:
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Linear:
                setattr(parent, name, Adapted(layer))


def normalizes_weights(model: nn.Module) -> None:
    """The hook that computes the weight is a part of the model, and it cannot be copied."""
    nn.utils.weight_norm(first_layer(model))


def normalizes_spectra(model: nn.Module) -> None:
    nn.utils.spectral_norm(first_layer(model))


def halves_the_outputs(model: Any) -> None:
    forward = model.forward
    model.forward = lambda x: 0.5 * forward(x)


def captures_the_head(model: Any) -> None:
    weight, bias = model.fc.weight, model.fc.bias
    model.forward = lambda x: torch.tanh(model.body(x)) @ weight.T + bias


def doubles_the_outputs(model: nn.Module) -> None:
    model.register_forward_hook(lambda module, inputs, outputs: 2 * outputs)


def keeps_one_output(model: Any) -> None:
    """A second forward pass that nobody asked for would be noticed."""
    seen = list[Tensor]()

    def keep(_module: nn.Module, _inputs: Any, outputs: Tensor) -> None:
        assert not seen
        seen.append(outputs.detach())

    model.register_forward_hook(keep)
    model.register_forward_pre_hook(lambda module, inputs: seen.clear() if module.training else None)


def leaves_it(model: nn.Module) -> None: ...


CHANGES: list[tuple[Callable[[Any], None], dict[str, Any]]] = [
    (replaces_the_head, own()),
    (puts_zeros_in_a_new_head, own()),
    (puts_zeros_in_a_new_head, own(WithALock)),
    (ties, own()),
    (adapts, own()),
    (adapts, {}),
    (normalizes_weights, own()),
    (normalizes_weights, {}),
    (normalizes_spectra, own()),
    (halves_the_outputs, own()),
    (halves_the_outputs, {}),
    (captures_the_head, own()),
    (doubles_the_outputs, own()),
    (doubles_the_outputs, {}),
    (keeps_one_output, own()),
    (leaves_it, own(WithALambda)),
]


@pytest.mark.parametrize(("change", "declared"), CHANGES)
def test_build_may_change_the_model(change: Any, declared: dict[str, Any]) -> None:
    subject = gdprops.training_step(trains_after(change), name="changed", **declared)
    assert all_held(statuses(subject, "step.simultaneous,step.moves-all,step.fresh-gradient"))


@pytest.mark.parametrize(("change", "declared"), CHANGES)
def test_a_wrong_step_on_a_changed_model_is_named(change: Any, declared: dict[str, Any]) -> None:
    subject = gdprops.training_step(trains_after(change, zeroes=False), name="piles up", **declared)
    outcome = gdprops.check(subject, clauses="step.simultaneous", examples=12, seed=0)
    (found,) = (v for v in outcome.verdicts if v.clause == "step.simultaneous")
    assert str(found.status) == "violated"
    assert "the gradient is added to those of the earlier steps (no zero_grad)" in str(found.explanation)


def resizes_too_late(model: Any, loss_fn: Any) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.body = nn.Linear(3, 5, dtype=model.fc.weight.dtype)
    model.fc = nn.Linear(5, 3, dtype=model.body.weight.dtype)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step, optimizer


def test_an_optimizer_of_the_layers_that_were_replaced_is_found() -> None:
    outcome = gdprops.check(
        gdprops.training_step(resizes_too_late, name="late", **own()), clauses="step.*", examples=12, seed=0
    )
    moves_all, complete = (v for v in outcome.verdicts if str(v.status) == "violated")
    assert (moves_all.clause, complete.clause) == ("step.moves-all", "step.complete")
    assert "the optimizer holds none of the model's parameters" in str(moves_all.reason)


def names_by_a_counter() -> Callable[[nn.Module], None]:
    numbers = itertools.count()

    def change(model: nn.Module) -> None:
        model.register_parameter(f"more{next(numbers)}", nn.Parameter(torch.zeros(1, dtype=torch.float64)))

    return change


def test_what_cannot_be_followed_is_undecided_and_told() -> None:
    subject = gdprops.training_step(trains_after(names_by_a_counter()), name="counts", **own())
    assert statuses(subject, "step.simultaneous") == {"step.simultaneous": "vacuous"}
    told = "build gives the model other parameters when it is called once more with such a model"
    assert [note.text for note in notes(subject, "step.simultaneous")] == [told]


def test_no_second_build_is_needed_where_a_copy_does() -> None:
    """The update is declared, and the copy is one of the model that the only build has left."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        step, _ = trains_after(change)(model, loss_fn)
        return step

    change = names_by_a_counter()
    declared = {"rule": lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.5), **own()}
    subject = gdprops.training_step(build, name="counts", **declared)
    assert all_held(statuses(subject, "step.simultaneous"))


# Loss scaling on networks of which one half is frozen.


def scales_for_two(*, updates_twice: bool = False, unscales: bool = False) -> Built:
    def build(model: nn.Module, loss_fn: Any) -> Any:
        parameters = list(model.parameters())
        half = max(1, len(parameters) // 2)
        optimizers = [torch.optim.SGD(part, lr=0.1) for part in (parameters[:half], parameters[half:]) if part]
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=1)

        def step(x: Tensor, y: Tensor) -> None:
            for optimizer in optimizers:
                optimizer.zero_grad()
            scaler.scale(loss_fn(model(x), y)).backward()
            for optimizer in optimizers:
                if unscales:
                    scaler.unscale_(optimizer)
                scaler.step(optimizer)
                if updates_twice:
                    scaler.update()
            if not updates_twice:
                scaler.update()

        return step

    return build


SCALED = "step.simultaneous,step.frozen-untouched,step.trains"


@pytest.mark.parametrize("unscales", [False, True])
def test_a_scaler_that_meets_a_frozen_half_is_not_the_steps_fault(unscales: bool) -> None:
    subject = gdprops.training_step(scales_for_two(unscales=unscales), lr=0.1, name="two optimizers")
    assert all_held(statuses(subject, SCALED, examples=20))


def test_a_scaler_that_is_updated_between_two_optimizers_is_wrong() -> None:
    subject = gdprops.training_step(scales_for_two(updates_twice=True), lr=0.1, name="updates twice")
    assert statuses(subject, "step.simultaneous") == {"step.simultaneous": "violated"}


def scales_and_forgets_backward_at_times(model: nn.Module, loss_fn: Any) -> Any:
    """Its second call raises as a frozen half does, but what the optimizer holds has a gradient."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler, calls = torch.amp.GradScaler("cpu"), itertools.count()

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss = scaler.scale(loss_fn(model(x), y))
        if next(calls) % 2 == 0:
            loss.backward()
        scaler.step(optimizer)
        scaler.update()

    return step


def test_a_scaler_without_a_backward_pass_is_the_steps_fault() -> None:
    subject = gdprops.training_step(scales_and_forgets_backward_at_times, lr=0.1, name="forgets")
    assert statuses(subject, "step.simultaneous") == {"step.simultaneous": "violated"}


def filters_two_halves(model: nn.Module, loss_fn: Any) -> Any:
    parameters = list(model.parameters())
    halves = parameters[: len(parameters) // 2], parameters[len(parameters) // 2 :]
    optimizers = [torch.optim.SGD([p for p in half if p.requires_grad], lr=0.1) for half in halves]

    def step(x: Tensor, y: Tensor) -> None:
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        for optimizer in optimizers:
            optimizer.step()

    return step


def test_an_optimizer_without_parameters_is_not_the_steps_fault_where_all_are_frozen() -> None:
    subject = gdprops.training_step(filters_two_halves, lr=0.1, name="filters")
    assert all_held(statuses(subject, "step.simultaneous,step.frozen-untouched", examples=30))


# Micro-batches of one size.


def divides_by(count: int, *, window: int = MICRO) -> Built:
    def build(model: nn.Module, loss_fn: Any) -> Any:
        optimizer, calls = torch.optim.SGD(model.parameters(), lr=0.1), itertools.count(1)

        def step(x: Tensor, y: Tensor) -> None:
            loss_fn(model(x), y).div(count).backward()
            if next(calls) % window == 0:
                optimizer.step()
                optimizer.zero_grad()

        return step, optimizer

    return build


ACCUMULATED = "step.simultaneous,step.accumulation"


def test_dividing_by_the_number_of_equal_micro_batches_is_right() -> None:
    subject = gdprops.training_step(divides_by(MICRO), accumulate=MICRO, micro="equal", name="divides")
    assert all_held(statuses(subject, ACCUMULATED))


def test_dividing_by_the_number_of_ragged_micro_batches_is_told_with_advice() -> None:
    subject = gdprops.training_step(divides_by(MICRO), accumulate=MICRO, name="divides")
    assert statuses(subject, "step.accumulation") == {"step.accumulation": "violated"}
    (note,) = notes(subject, "step.accumulation")
    assert note.text.endswith(
        'it was given micro-batches of unequal sizes. If yours all have one size, declare micro="equal"'
    )


@pytest.mark.parametrize("build", [divides_by(1), divides_by(MICRO, window=1), divides_by(2 * MICRO)])
def test_equal_micro_batches_excuse_no_other_fault(build: Built) -> None:
    subject = gdprops.training_step(build, accumulate=MICRO, micro="equal", name="wrong")
    assert "violated" in statuses(subject, ACCUMULATED).values()


def divides_short_windows(model: nn.Module, loss_fn: Any) -> Any:
    """Right where the last window is short too: it divides by the micro-batches that there were."""
    optimizer, seen = torch.optim.SGD(model.parameters(), lr=0.1), list[tuple[Tensor, Tensor]]()

    def step(x: Tensor, y: Tensor, last: bool = False) -> None:
        seen.append((x, y))
        if len(seen) == MICRO or last:
            optimizer.zero_grad()
            for inputs, targets in seen:
                (loss_fn(model(inputs), targets) / len(seen)).backward()
            optimizer.step()
            seen.clear()

    return step, optimizer


def test_a_short_window_of_equal_micro_batches_has_its_own_number() -> None:
    subject = gdprops.training_step(divides_short_windows, accumulate=MICRO, micro="equal", name="short windows")
    assert all_held(statuses(subject, ACCUMULATED))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"accumulate": 2, "micro": "even"}, "micro='even'; expected 'equal', or nothing where micro-batches may be"),
        ({"micro": "equal"}, "micro='equal' without accumulate=, the number of micro-batches in a window"),
        (
            {
                **own(),
                "accumulate": 2,
                "micro": "equal",
                "batches": lambda index: (torch.ones(2 + index, 3), torch.ones(2 + index, 3)),
            },
            "micro='equal', but batches= gave micro-batches of 2, 3 rows",
        ),
    ],
)
def test_what_micro_cannot_mean_is_said(declared: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        gdprops.training_step(divides_by(2, window=2), name="mine", **declared)


# A model in float32, and batches that are not.


def scales(*, zeroes: bool = True) -> Built:
    def build(model: nn.Module, loss_fn: Any) -> Any:
        optimizer, scaler = torch.optim.SGD(model.parameters(), lr=0.1), torch.amp.GradScaler("cpu", init_scale=1024.0)

        def step(x: Tensor, y: Tensor) -> None:
            if zeroes:
                optimizer.zero_grad()
            scaler.scale(loss_fn(model(x), y)).backward()
            scaler.step(optimizer)
            scaler.update()

        return step, optimizer

    return build


def casts_its_batch(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x.float()), y.float()).backward()
        optimizer.step()

    return step, optimizer


@pytest.mark.parametrize(
    ("build", "models", "dtype"),
    [
        (scales(), Net, torch.float64),
        (scales(), lambda: Net().double(), torch.float32),
        (casts_its_batch, Net, torch.float64),
    ],
)
def test_batches_come_in_the_dtype_of_the_model(build: Built, models: Any, dtype: torch.dtype) -> None:
    subject = gdprops.training_step(build, name="scales", **own(models, dtype))
    assert all_held(statuses(subject))


def test_a_wrong_step_with_a_scaler_and_double_batches_is_violated() -> None:
    subject = gdprops.training_step(scales(zeroes=False), name="piles up", **own())
    assert statuses(subject, "step.simultaneous") == {"step.simultaneous": "violated"}


# Where a loop counts as diverging.


@pytest.mark.parametrize(
    ("second", "steps"),
    [
        ((1.0, 14.6), 2),  # J goes from 92.5 to 99.4 before step 2
        ((1.0, 14.7), 1),  # from 93.8 to 100.8
        ((20.0, 45.0), 2),  # from 312.5 to 612.5: it began beyond 100, and has not doubled
        ((20.0, 40.0), 1),  # from 200 to 450
    ],
)
def test_a_loop_ends_beyond_a_hundred_and_twice_where_it_began(second: tuple[float, float], steps: int) -> None:
    assert steps_taken(*second) == steps


def test_drawn_loops_start_at_a_hundred_at_most() -> None:
    def worst(case: TrainCase) -> float:
        return max(float(loss(case.network, case.tensors, batch)) for batch in case.batches)

    loops_of_steps = loops(Domain(), Loop(moderate=True))
    assert all(worst(case) <= 100 for case in drawn(loops_of_steps, 200, seed=0))
    assert any(worst(case) > 100 for case in drawn(loops(Domain()), 200, seed=0))


def test_equal_micro_batches_are_drawn_equal() -> None:
    domain = Domain(means=True, window=3, tells_last=True, equal=True)
    cases = drawn(loops(domain, Loop(double=True, moderate=True)), 100, seed=0)
    sizes = [(case.chunks, [len(batch.inputs) for batch in case.batches]) for case in cases]
    assert all(len({size for window in chunks for size in window}) == 1 for chunks, _ in sizes)
    assert all([sum(window) for window in chunks] == rows for chunks, rows in sizes)
    assert {len(chunks[-1]) for chunks, _ in sizes} == {2, 3}


@pytest.mark.parametrize("norm", [0.2 - 5e-7, 0.2, 0.2 + 5e-7, 3.0])
def test_clipping_without_a_guard_is_right_at_any_norm(norm: float) -> None:
    """torch divides C by N + 1e-6, and so clips already below C; min(1, C / N) does not."""

    def clips_without_a_guard(model: Any, loss_fn: Any) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)

        def step(inputs: Tensor, targets: Tensor) -> None:
            optimizer.zero_grad()
            loss_fn(model, inputs, targets).backward()
            (p,) = model.parameters()
            p.grad.mul_(min(1.0, 0.2 / float(p.grad.norm())))
            optimizer.step()

        return step, optimizer

    subject = gdprops.training_step(
        clips_without_a_guard,
        name="clips",
        clip_norm=0.2,
        models=lambda: torch.nn.Linear(1, 1, bias=False),
        batches=lambda i: (torch.ones(2, 1), torch.ones(2, 1)),
        objective=lambda model, inputs, targets: norm * model.weight.sum(),  # type: ignore[operator] # torch has no type for a weight
    )
    (verdict,) = gdprops.check(subject, clauses="step.simultaneous", examples=10, seed=0).violations or [None]
    assert verdict is None
